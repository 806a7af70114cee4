"""The page as a browser shows it, where Gradio, Playwright (both by pip) and a Chromium are installed."""
import os
import re
import shutil
import subprocess
import sys

import pytest

from mae_mm.apis.page import Page
from mae_mm.visualization.page import serve

from .conftest import ROOT

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
SIZES = (1280, 800), (390, 844)
NAMES = '[role=tabpanel] .prose.checkpoint:visible'  # of checkpoints, in the tab that is open
SHOWN = ("[...document.querySelectorAll('[role=tabpanel] .image-container img')]"
         '.filter(image => image.offsetParent).length')  # pictures in the tab that is open


@pytest.fixture(scope='module')
def chromium():
    pytest.importorskip('gradio', reason='needs Gradio: make browser')
    playwright = pytest.importorskip('playwright.sync_api', reason='needs Playwright: make browser')
    if CHROMIUM is None:
        pytest.skip('there is no Chromium')
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture(scope='module')
def address(here, chromium):
    """Of a page with two checkpoints, which a process of its own serves."""
    command = [sys.executable, '-m', 'mae_mm', 'demo', here / 'whole.pth', here / 'encoder.pth', '--port', '7931',
               '--device', 'cpu', '--examples', here / 'photos/b.jpg']
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, 'OMP_NUM_THREADS': '1'})
    try:
        yield next(found[0] for line in process.stdout if (found := re.search(r'http://[\d.:]+', line)))
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def visit(chromium):
    """A function that opens a page; what it fetches from elsewhere, and errors in it, fail the test at its end."""
    wrong, opened = [], []

    def open_page(address, size=SIZES[0]):
        visit = chromium.new_page(viewport=dict(zip(('width', 'height'), size, strict=True)))
        opened.append(visit)
        visit.set_default_timeout(30_000)
        visit.on('request', lambda request: None if request.url.startswith((address, 'data:', 'blob:'))
                 else wrong.append(request.url))
        visit.on('console', lambda message: wrong.append(message.text) if message.type == 'error' else None)
        visit.goto(address)
        return visit

    yield open_page
    for page in opened:
        page.close()
    assert not wrong


def wait_for_message(visit, text):
    visit.wait_for_function("text => [...document.querySelectorAll('.message textarea')]"
                            '.some(box => box.offsetParent && box.value.includes(text))', arg=text)


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_a_visit(address, here, tmp_path, visit, size):
    (tmp_path / 'notes.txt').write_text('no image')
    page = visit(address, size)
    page.set_input_files('input[type=file]', here / 'photos/a.png')
    page.wait_for_selector('#view img')
    page.wait_for_function(f'{SHOWN} == 3')
    page.get_by_role('tab', name='Features').click()
    page.locator('#view img').click(position=dict(x=20, y=20))
    page.wait_for_function(f'{SHOWN} == 2')
    page.get_by_role('tab', name='Segment').click()
    wait_for_message(page, 'is neither a classifier')
    assert not page.locator(NAMES).all_inner_texts()  # no names where nothing is compared
    page.locator('button[aria-label*="lear"], button[aria-label*="emove"]').first.click()
    page.set_input_files('input[type=file]', tmp_path / 'notes.txt')
    wait_for_message(page, 'notes.txt cannot be read')
    assert page.evaluate('document.documentElement.scrollWidth') <= size[0]


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_two_checkpoints_are_shown_beside_each_other(address, here, visit, size):
    page = visit(address, size)
    page.set_input_files('input[type=file]', here / 'photos/a.png')
    page.wait_for_function(f'{SHOWN} == 3')
    page.get_by_label('Compare with').click()
    page.get_by_role('option', name='encoder.pth').click()
    wait_for_message(page, 'has no decoder')
    names = [f'{here.name}/{name}.pth' for name in ('whole', 'encoder')]
    assert page.locator(NAMES).all_inner_texts() == names
    assert page.evaluate(SHOWN) == 3  # those of the one that has a decoder
    page.get_by_role('tab', name='Features').click()
    page.wait_for_function(f'{SHOWN} == 4')
    assert page.locator(NAMES).all_inner_texts() == 2 * names
    page.locator('#view img').click(position=dict(x=20, y=20))
    page.get_by_label('Compare with').click()
    page.get_by_role('option', name='none').click()
    page.wait_for_function(f'{SHOWN} == 2')
    assert page.evaluate('document.documentElement.scrollWidth') <= size[0]


def test_what_takes_too_long_ends_with_a_message(chromium, here, visit, whole):
    served = Page({'whole': whole}, seconds=1e-9)
    blocks = serve(served, [], 7932, '20mb')
    try:
        page = visit('http://127.0.0.1:7932')
        page.set_input_files('input[type=file]', here / 'photos/a.png')
        wait_for_message(page, 'this was stopped after 1e-09 s')
        served.seconds = 60
        page.locator('button[aria-label*="lear"], button[aria-label*="emove"]').first.click()
        page.set_input_files('input[type=file]', here / 'photos/a.png')
        page.wait_for_function(f'{SHOWN} == 3')
        served.seconds = 1e-9
        page.get_by_label('Seed').fill('1')
        wait_for_message(page, 'this was stopped after 1e-09 s')
        served.seconds = 60
        page.get_by_label('Seed').fill('2')
        page.wait_for_function(f'{SHOWN} == 3')
        page.close()  # before its server
    finally:
        blocks.close()

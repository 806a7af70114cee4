"""The page as a browser shows it, where Gradio, Playwright (both by pip) and a Chromium are installed."""
import os
import re
import shutil
import subprocess
import sys

import pytest

from .conftest import ROOT

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
SIZES = (1280, 800), (390, 844)


@pytest.fixture(scope='module')
def address(here):
    """Of the page, which a process of its own serves."""
    pytest.importorskip('gradio')
    pytest.importorskip('playwright')
    if CHROMIUM is None:
        pytest.skip('there is no Chromium')
    command = [sys.executable, '-m', 'mae_mm', 'demo', here / 'whole.pth', '--port', '7931', '--device', 'cpu',
               '--examples', here / 'photos/b.jpg']
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True,
                               env={**os.environ, 'OMP_NUM_THREADS': '1'})
    try:
        yield next(found[0] for line in process.stdout if (found := re.search(r'http://[\d.:]+', line)))
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_a_visit(address, here, tmp_path, size):
    from playwright.sync_api import sync_playwright
    (tmp_path / 'notes.txt').write_text('no image')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        visit = browser.new_page(viewport=dict(zip(('width', 'height'), size, strict=True)))
        visit.set_default_timeout(20_000)
        asked, wrong = [], []
        visit.on('request', lambda request: asked.append(request.url))
        visit.on('console', lambda message: wrong.append(message.text) if message.type == 'error' else None)
        visit.goto(address)
        visit.set_input_files('input[type=file]', here / 'photos/a.png')
        visit.wait_for_selector('#view img')
        visit.wait_for_function("document.querySelectorAll('[role=tabpanel] .image-container img').length >= 3")
        visit.get_by_role('tab', name='Features').click()
        visit.locator('#view img').click(position=dict(x=20, y=20))
        visit.wait_for_function("[...document.querySelectorAll('[role=tabpanel] img')]"
                                '.filter(image => image.offsetParent).length >= 2')
        visit.get_by_role('tab', name='Segment').click()
        visit.wait_for_function("[...document.querySelectorAll('.message textarea')]"
                                ".some(box => box.value.includes('is neither a classifier'))")
        visit.locator('button[aria-label*="lear"], button[aria-label*="emove"]').first.click()
        visit.set_input_files('input[type=file]', tmp_path / 'notes.txt')
        visit.wait_for_function("[...document.querySelectorAll('.message textarea')]"
                                ".some(box => box.value.startsWith('notes.txt cannot be read'))")
        assert visit.evaluate('document.documentElement.scrollWidth') <= size[0]
        assert not wrong and all(url.startswith((address, 'data:', 'blob:')) for url in asked)
        browser.close()

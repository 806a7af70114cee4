"""The documents: links, navigation, what is generated, and the site where mkdocs is installed."""
import ast
import importlib
import importlib.util
import re
import runpy
import subprocess
import sys

import pytest
import yaml

import mae_mm

from .conftest import ROOT

PAGES = sorted(path for pattern in ('*.md', 'docs/*.md', 'configs/*/README.md') for path in ROOT.glob(pattern))
ROOMS = ('checkpoint', 'config', 'datasets', 'engine', 'evaluation', 'models', 'visualization')


def anchors(text: str) -> set[str]:
    """Those of the headings, as GitHub and mkdocs make them."""
    headings = re.findall(r'^#+ (.+)$', re.sub(r'```.*?```', '', text, flags=re.S), re.M)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('path', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = re.sub(r'```.*?```|`[^`\n]*`', '', path.read_text(), flags=re.S)
    for target, anchor in re.findall(r'\]\((?!https?:)([^()\s#]*)(?:#([^()\s]*))?\)', text):
        linked = (path.parent / target) if target else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text()), f'{target}#{anchor}'


def test_every_page_is_in_the_navigation():
    def leaves(part):
        return [leaf for value in part.values() for leaf in leaves(value)] if isinstance(part, dict) else [
            leaf for value in part for leaf in leaves(value)] if isinstance(part, list) else [part]

    pages = leaves(yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav'])
    assert len(set(pages)) == len(pages)
    assert {page for page in pages if (ROOT / 'docs' / page).exists()} == {
        path.name for path in (ROOT / 'docs').glob('*.md')}
    assert set(pages) - {path.name for path in (ROOT / 'docs').glob('*.md')} == {
        'index.md', 'tutorial.md', *(f'recipes/{room}.md' for room in ('pretrain', 'finetune', 'mae'))}


def test_the_picture_of_the_imports_is_current_and_none_leads_upwards():
    tool = runpy.run_path(str(ROOT / 'tools/docs/imports.py'))
    assert (ROOT / 'docs/imports.svg').read_text() == tool['svg'](), 'run: make docs'
    found, place = tool['imports'](), tool['ROOMS'].index
    assert not [pair for pair in found if place(pair[0]) > place(pair[1])]
    assert found['cli', 'apis'] > 10 and {room for pair in found for room in pair} == set(tool['ROOMS'])


def test_imports_are_found_in_every_form():
    targets = runpy.run_path(str(ROOT / 'tools/docs/imports.py'))['targets']
    code = 'from ..engine.hooks import A\nfrom ..models import B\nfrom .. import datasets\nfrom . import c\nimport re'
    assert list(targets(ast.parse(code), ('cli', 'x'))) == [('engine', 'hooks'), ('models', ), ('datasets', ),
                                                            ('cli', )]


def test_the_reference_has_every_public_name():
    listed = re.findall(r'^::: mae_mm\.(\S+)$', (ROOT / 'docs/reference.md').read_text(), re.M)
    public = [f'{room}.{name}' for room in ROOMS for name in importlib.import_module(f'mae_mm.{room}').__all__]
    assert len(set(listed)) == len(listed) and set(public) <= set(listed)
    last = {name.rpartition('.')[2] for name in listed}
    assert {name for name in mae_mm.__all__ if name[0] != '_' and name not in mae_mm.ROOMS} <= last
    for name in listed:
        room, _, attribute = name.rpartition('.')
        assert getattr(importlib.import_module(f'mae_mm.{room}'.rstrip('.')), attribute).__doc__, name


@pytest.mark.skipif(not importlib.util.find_spec('mkdocstrings'), reason='needs requirements/docs.txt: make docs')
def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run([sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d', tmp_path / 'site'], cwd=ROOT,
                          text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'site/reference/index.html').is_file()

"""Published weights by name: the list, the page of it, and files that are fetched and checked."""
import hashlib
import runpy

import pytest
import yaml

from mae_mm.apis import zoo as module
from mae_mm.apis.zoo import Published, zoo, zoo_table
from mae_mm.config.names import config_names
from mae_mm.version import __version__

from .conftest import ROOT, run_inside

CONTENT = b'weights' * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def fetchable(tmp_path, monkeypatch):
    """A zoo of three files: as published, another than what was published, and one without a published hash."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    entries = []
    for name, digits in (('right', f'-{SHA256[:8]}'), ('wrong', '-deadbeef'), ('unknown', '')):
        (tmp_path / f'{name}{digits}.pth').write_bytes(CONTENT)
        entries.append(Published(name, 'pretrain/mae_vit_folder', module.PRETRAINING, '', {}, 800,
                                 (tmp_path / f'{name}{digits}.pth').as_uri(), 'a test'))
    entries.append(entries[0]._replace(name='secret', weights=None))
    monkeypatch.setattr(module, 'zoo', lambda: tuple(entries))
    return tmp_path / 'cache/hub/checkpoints'


def test_the_zoo_is_the_index_and_its_configs_are_there():
    index = yaml.safe_load((ROOT / 'metafile.yml').read_text())
    parts = [yaml.safe_load((ROOT / path).read_text()) for path in index['Import']]
    names = [model['Name'] for part in parts for model in part['Models']]
    assert [entry.name for entry in zoo()] == names and len(set(names)) == len(names)
    assert {entry.config for entry in zoo()} <= set(config_names())
    base, = (entry for entry in zoo() if entry.name == 'mae_finetuned_vit_base')
    assert (base.task, base.metrics, base.hash) == ('Image Classification', {'Top 1 Accuracy': 83.664},
                                                    ('md5', '1b25e9'))
    assert len(zoo_table()) == sum(entry.weights is not None for entry in zoo())


def test_the_page_is_what_the_tool_writes():
    page = runpy.run_path(str(ROOT / 'tools/docs/model_zoo.py'))['page']()
    assert (ROOT / 'docs/model_zoo.md').read_text() == page, 'run: make docs'
    assert all(page.count(f'[{entry.name}]({entry.weights})') == 1 for entry in zoo() if entry.weights)


def test_a_name_is_fetched_once_and_checked(fetchable, capsys):
    for _ in range(2):  # the second time it is there
        assert run_inside('download', 'right', 'unknown') == 0
        output = capsys.readouterr()
        assert output.out.splitlines() == [str(fetchable / f'right-{SHA256[:8]}.pth'), str(fetchable / 'unknown.pth')]
        assert f'right: its sha256 begins with {SHA256[:8]}, as published' in output.err
        assert f'unknown: no hash was published of it; its sha256 is {SHA256}' in output.err
    assert (fetchable / 'unknown.pth').read_bytes() == CONTENT


def test_what_is_not_the_published_file_is_removed(fetchable, error_of):
    assert 'its sha256 begins with ' + SHA256[:8] in error_of('download', 'wrong')
    assert not [path for path in fetchable.iterdir() if path.suffix != '.lock']
    (fetchable / f'right-{SHA256[:8]}.pth').write_bytes(b'damaged since')
    assert 'the file was removed, try again' in error_of('download', 'right')


@pytest.mark.parametrize('name, says', [
    ('rihgt', "rihgt: no such model in the zoo; is it 'right'?"),
    ('mobilenet', 'no such model in the zoo; `mae-mm download` lists them'),
    ('', 'no such model in the zoo'),
    ('secret', 'secret: its weights were not published; train it with the config pretrain/mae_vit_folder')])
def test_a_name_that_cannot_be_fetched_stops_before_the_others(fetchable, error_of, name, says):
    assert says in error_of('download', 'right', name)
    assert not fetchable.exists()


def test_a_cache_that_cannot_be_made_is_one_line(fetchable, error_of):
    fetchable.parent.mkdir(parents=True)
    fetchable.write_text('a file')
    assert f'{fetchable} cannot be written: ' in error_of('download', 'right')


def test_the_names_are_listed(capsys):
    assert run_inside('download') == 0
    assert capsys.readouterr().out.splitlines() == zoo_table()


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == __version__ and citation['cff-version'] == '1.2.0'
    assert {'message', 'title', 'authors', 'license'} <= set(citation)

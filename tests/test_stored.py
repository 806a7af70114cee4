"""The config inside a checkpoint is data: read, checked, never run."""
import subprocess
import sys

import pytest
from mmengine.config import Config

from mae_mm import InputError
from mae_mm.config import read_config
from mae_mm.config.stored import stored_config

from .conftest import ROOT

GOOD = dict(model="dict(type='ImageClassifier', backbone=dict(type='mae_mm.MAE', depth=-1, eps=1e-6))",
            default_scope="'mmpretrain'",
            test_dataloader="dict(dataset=dict(type='CustomDataset', pipeline=[dict(type='mae_mm.LoadImage')]))")


def stored(**parts):
    text = '\n'.join(f'{name} = {value}' for name, value in {**GOOD, **parts}.items())
    return stored_config(dict(meta=dict(cfg=text)), 'file.pth')


def test_a_stored_config_is_what_was_written():
    cfg = stored(unrelated='float("inf")', custom_imports="dict(imports=['nothing_that_is_there'])",
                 train_dataloader='dict(batch_size=3)')
    assert set(cfg) == set(GOOD) and cfg.model.backbone == dict(type='mae_mm.MAE', depth=-1, eps=1e-6)
    told = stored(model="dict(type='ImageClassifier', pretrained='x', init_cfg=dict(type='Pretrained'), backbone"
                        "=dict(type='mae_mm.MAE', init_cfg=[dict(type='Pretrained', checkpoint='y')]))")
    assert told.model == dict(type='ImageClassifier', backbone=dict(type='mae_mm.MAE'))
    for name in ('mae/upernet_folder', 'finetune/vit_folder', 'pretrain/mae_vit_folder', 'knn/vit_knn_folder'):
        cfg = read_config(name)
        found = stored_config(dict(meta=dict(cfg=cfg.pretty_text)), 'file.pth')
        assert found.test_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline
        assert isinstance(found, Config) and found.model.type == cfg.model.type


def test_keys_that_are_no_names_are_read_as_mmengine_writes_them():
    model = dict(type='ImageClassifier', widths={'1b': 1, 'tiny': dict({'a.b': [2]})})
    assert stored(model=Config(dict(model=model)).pretty_text.partition('=')[2]).model == model


HOSTILE = "dict(type='ImageClassifier', head={})"


@pytest.mark.parametrize('parts', [
    dict(model=HOSTILE.format("dict(type='os.system', command='touch ran')")),
    dict(model=HOSTILE.format("dict(type='subprocess.Popen', args=['touch', 'ran'])")),
    dict(model=HOSTILE.format("dict(type='mmseg.apis.inference_model')")),
    dict(model=HOSTILE.format("dict(type=['os.system'])")), dict(model=HOSTILE.format("dict(type=dict(type='MAE'))")),
    dict(model=HOSTILE.format("dict(type='LinearClsHead', _scope_='os')")),
    dict(model=HOSTILE.format("dict(type='HuggingFaceClassifier', model_name='x')")),
    dict(model=HOSTILE.format("dict(type='LinearClsHead', path='http://host/file')")),
    dict(model="dict(type='nothing_registered')"), dict(model='[1]'), dict(model='None'),
    dict(model="__import__('os').system('touch ran')"), dict(model="dict(**__import__('os').environ)"),
    dict(model="dict(__import__('os').environ)"), dict(model="dict({'a': __import__('os')})"),
    dict(model="dict({'a': 1}, b=2)"), dict(model="dict({'a': 1}, {'b': 2})"), dict(model="list({'a': 1})"),
    dict(model='{**{}}'), dict(model='{[]: 1}'), dict(model="dict([('type', 'MAE')])"), dict(model='[x for x in ()]'),
    dict(model='(lambda: 0)()'), dict(model="f'{1}'"), dict(model="'a'.upper()"), dict(model='undefined'),
    dict(model='dict(type=inf)'), dict(model='dict(' * 5000), dict(model='-' * 100_000 + '1'),
    dict(model='"' + 'x' * 2_000_000 + '"'), dict(model='dict(\0)'),
    dict(default_scope="'os'"), dict(default_scope='[1]'),
    dict(test_dataloader="'text'"), dict(test_dataloader='dict()'),
    dict(test_dataloader="dict(dataset=dict(type='os.system', pipeline=[]))"),
    dict(test_dataloader="dict(dataset=dict(type='CustomDataset', pipeline=dict(type='x')))"),
    dict(test_dataloader="dict(dataset=dict(type='CustomDataset', pipeline=[dict(type='RandomResize', "
                         "resize_type='os.system', command='touch ran')]))"),
    dict(extra="1\nimport os\nos.system('touch ran')\nx = 1")], ids=lambda parts: str(parts)[:60])
def test_a_hostile_config_is_one_line_and_runs_nothing(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r'^file\.pth\b.*give the config before it') as told:
        stored(**parts)
    assert '\n' not in str(told.value) and len(str(told.value)) < 1000 and not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('checkpoint', [
    {}, [], dict(meta=3), dict(meta=dict(cfg=3)), dict(meta=dict(cfg=' '))], ids=str)
def test_a_checkpoint_without_a_config_asks_for_one(checkpoint):
    with pytest.raises(InputError, match='file.pth holds no config; give the config of its model before it'):
        stored_config(checkpoint, 'file.pth')


def test_a_stored_config_needs_no_import_before_it():
    """Registries without an entry yet are asked, too: rooms are imported when they are first needed."""
    code = ("from mae_mm.config.stored import _registered as known; "
            "assert known('mae_mm.MAE') and known('ImageClassifier') and not known('os.system')")
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)

"""docs/coming_from.md: each command and expression of its right column, on what it is for."""
import os
import re
import shlex
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import safetensors.torch
import timm
import torch

import mae_mm
from mae_mm.config.names import config_names

from .conftest import ROOT, run_inside
from .foreign import build
from .own_data import class_folders

PAGE = (ROOT / 'docs/coming_from.md').read_text()
ROWS = [(title, code) for title, section in re.findall(r'^## (.+?)\n(.*?)(?=^## |\Z)', PAGE, re.M | re.S)
        for row in re.findall(r'^\| .* \| (.*) \|$', section, re.M) for code in re.findall('`([^`]+)`', row)]
COMMANDS = [row for row in ROWS if row[1].startswith(('mae-mm ', 'tools/'))]
EXPRESSIONS = [row for row in ROWS if row[1].endswith(')')]
WORDS = {'backbone', 'model.predict', 'model.features'}  # of sentences
WEIGHTS = dict(timm='timm.safetensors')
CONFIG = dict(default='mae/upernet_folder', tta='mae/upernet_mae-base_fp16_512x512_160k_ade20k_ms')


class Read(Exception):
    """A config was read, with its options."""


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """What the page's words stand for: photographs in class folders, and small models of each project."""
    root = tmp_path_factory.mktemp('files')
    class_folders(root / 'DIR', 6, side_px=32)
    cv2.imwrite(str(root / 'IMAGES.png'), np.random.default_rng(0).integers(256, size=(40, 48, 3)).astype(np.uint8))
    tiny = timm.create_model('vit_tiny_patch16_224', img_size=32, num_classes=0)  # whose width tells its heads
    safetensors.torch.save_file(tiny.state_dict(), root / 'timm.safetensors')
    build('huggingface-pretraining').model.save_pretrained(root / 'FOLDER')
    run_inside('convert', root / 'FOLDER', root / 'whole.pth', '--whole')
    return root


def stand_for(text: str, title: str, root) -> str:
    config, weights = CONFIG['tta' if '--tta' in text else 'default'], root / WEIGHTS.get(title, 'whole.pth')
    for word, value in (('NEW_FOLDER', 'out'), ('FOLDER', root / 'FOLDER'), ('CHECKPOINT', weights),
                        ('IMAGES', root / 'IMAGES.png'), ('DIR', root / 'DIR'), ('CONFIG', config), ('DST', 'out')):
        text = re.sub(rf'\b{word}\b', str(value), text)
    return text


def test_all_of_the_page_is_looked_at():
    others = {code for _, code in ROWS} - {code for _, code in COMMANDS + EXPRESSIONS} - WORDS
    assert not others and len(COMMANDS) > 25 and len(EXPRESSIONS) > 10


@pytest.mark.parametrize('title, code', COMMANDS, ids=str)
def test_commands(title, code, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def stop(*_):
        raise Read

    for name in ('train', 'test'):
        monkeypatch.setattr(f'mae_mm.cli.{name}.check_needed', stop)
    words = shlex.split(stand_for(code, title, files))
    if words[0].startswith('tools/'):
        assert os.access(ROOT / words[0], os.X_OK)
        kind = 'test' if 'test' in words[0] else 'train'
        words = ['mae-mm', kind, *[word for word in words[1:] if word not in ('8', 'PARTITION', 'JOB')]]
    if words[1] in ('train', 'test'):
        assert words[2] in config_names()
        with pytest.raises(Read):
            mae_mm.cli.run(words[1:])
        return
    if words[1] in ('knn', 'probe'):
        words = [*[word.replace('checkpoint=FILE', f'checkpoint={files / "whole.pth"}') for word in words],
                 'img_size=32', 'model.backbone.arch=None', 'model.backbone.embed_dims=32',
                 'model.backbone.num_layers=2', 'model.backbone.num_heads=2', 'model.backbone.patch_size=8']
    if words[1] == 'evaluate':
        words += ['--layers', 'last', '--probes', 'knn', '--pictures', '0', '--num-heads', '2']
    assert run_inside(*words[1:]) == 0


@pytest.mark.parametrize('title, code', EXPRESSIONS, ids=str)
def test_expressions(title, code, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backbone = mae_mm.MAE(**dict(img_size=32, patch_size=8, embed_dims=16, num_layers=12, num_heads=2)).eval()
    names = SimpleNamespace(
        mae_mm=mae_mm, backbone=backbone, x=torch.rand(1, 3, 32, 48), IMAGES=files / 'IMAGES.png',
        CHECKPOINT=files / WEIGHTS.get(title, 'whole.pth'), FOLDER=files / 'FOLDER',
        model=mae_mm.load(files / 'whole.pth'),
        decoder=dict(type='mae_mm.MAEDecoder', embed_dims=16, num_layers=1, num_heads=2))
    if '.predict(' in code:
        code = code.replace('.predict(IMAGES)', '.predict')  # of a segmentor; tests/test_api.py
    assert eval(code, vars(names)) is not None

"""What several tests need: a tiny data set, a tiny config, and the command line as a user calls it."""
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope

from mae_mm.cli import _leave_imports_be, run

from .own_data import scenes as make_scenes
from .picture_weights import here, whole  # noqa: F401 - fixtures

torch.set_num_threads(1)  # two workers share two cores; sums are the same in every order of tests

# Tool -> the subcommand that it is.
COMMANDS = {f'tools/{name}.py': command for name, command in (
    ('train', 'train'), ('test', 'test'), ('predict', 'predict'), ('knn', 'knn'), ('probe', 'probe'),
    ('evaluate', 'evaluate'),
    ('export_onnx', 'export'), ('inspect_checkpoint', 'inspect'), ('model_converters/beit2mmseg', 'convert'),
    ('model_converters/export', 'convert'))}
ROOT = Path(__file__).resolve().parent.parent

CONFIG = """
_base_ = ['{root}/configs/_base_/models/upernet_mae.py', '{root}/configs/_base_/datasets/digit_scenes.py',
          '{root}/configs/_base_/segment_runtime.py']
data_root = '{data}'
model = dict(
    data_preprocessor=dict(size=(32, 32)),
    backbone=dict(img_size=32, patch_size=8, embed_dims=16, num_layers=4, num_heads=2, out_indices=[0, 1, 2, 3]),
    neck=dict(embed_dim=16),
    decode_head=dict(in_channels=[16] * 4, channels=8, num_classes=11),
    auxiliary_head=dict(in_channels=16, channels=8, num_classes=11))
train_pipeline = [dict(type='mae_mm.SeedSample'), *_base_.load,
                  dict(type='RandomFlip', prob=.5), dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')]
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
                        dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=.05))
param_scheduler = [dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=2),
                   dict(type='PolyLR', eta_min=0., power=1., begin=2, end=6, by_epoch=False)]
train_cfg = dict(type='mae_mm.IterBasedTrainLoop', max_iters=6, val_interval=3)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=3, max_keep_ckpts=-1))
randomness = dict(seed=3)
"""


def pytest_terminal_summary(terminalreporter, config):
    seed = config.getoption('randomly_seed', None)
    if isinstance(seed, int):
        terminalreporter.write_line(f'this order of the tests: --randomly-seed={seed}')


@pytest.fixture(autouse=True)
def alone():
    """What a test leaves in mmengine's global instances, and draws, does not depend on the tests before it."""
    torch.manual_seed(0)
    _leave_imports_be()
    yield
    for logger in MMLogger._instance_dict.values():
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.close()
    for kind in (MMLogger, MessageHub, DefaultScope):
        kind._instance_dict.clear()


@pytest.fixture(scope='session')
def scenes(tmp_path_factory):
    """A tiny data set in the demo's layout: 12 training and 5 validation images of 32 x 32."""
    root = tmp_path_factory.mktemp('scenes')
    rng = np.random.default_rng(0)
    for split, count in (('training', 12), ('validation', 5)):
        for i in range(count):
            for kind, array, suffix in (('images', rng.integers(256, size=(32, 32, 3)), 'jpg'),
                                        ('annotations', rng.integers(11, size=(32, 32)), 'png')):
                folder = root / kind / split
                folder.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / f'{i}.{suffix}'), array.astype(np.uint8))
    return root


@pytest.fixture(scope='session')
def config(scenes, tmp_path_factory):
    """A config that trains the smallest UPerNet-MAE for six iterations on ``scenes``."""
    path = tmp_path_factory.mktemp('config') / 'tiny.py'
    path.write_text(CONFIG.format(root=ROOT, data=scenes))
    return path


def run_tool(*args, status=0, **environment) -> str:
    """Call ``python ARGS`` (or a shell script) from the project's root; what it printed."""
    command = [str(arg) for arg in args]
    if not command[0].endswith('.sh'):
        command.insert(0, sys.executable)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHON': sys.executable, **environment})
    assert done.returncode == status, f'exit status {done.returncode}:\n{done.stdout[-5000:]}'
    return done.stdout


def run_inside(tool: str, *args) -> int:
    """The same in this process, which saves the time of starting one; the exit status."""
    with pytest.raises(SystemExit) as stopped:
        run([COMMANDS.get(tool, tool), *map(str, args)])
    return stopped.value.code


def run_in_two(tool: str, *args) -> None:
    """The same in two processes that are forks of this one, as the dist_*.sh scripts run it; both must succeed."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    pids = []
    for rank in range(2):
        pids.append(os.fork())
        if pids[-1] == 0:
            status = 1
            try:
                os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', LOCAL_WORLD_SIZE='2',
                                  MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
                status = run_inside(tool, *args, '--launcher', 'pytorch')
            finally:
                os._exit(status)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 0]


@pytest.fixture(scope='session')
def trained(config, tmp_path_factory):
    """The work dir of a whole run of ``config`` through tools/train.py, and what it printed."""
    work_dir = tmp_path_factory.mktemp('trained')
    output = run_tool('tools/train.py', config, '--work-dir', work_dir)
    return work_dir, output


@pytest.fixture(scope='session')
def images(tmp_path_factory):
    """Fifteen images of several sizes in nested folders, without labels."""
    root = tmp_path_factory.mktemp('images')
    rng = np.random.default_rng(0)
    for i in range(15):
        folder = root / ('', 'some', 'some/more')[i % 3]
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f'{i}.png'), rng.integers(256, size=(32 + i, 50 - i, 3)).astype(np.uint8))
    (root / 'notes.txt').write_text('no image')
    return root


@pytest.fixture
def error_of(capsys, monkeypatch):
    """Call a tool; its last line, which must be an error of one line."""
    monkeypatch.setattr(logging, 'raiseExceptions', False)  # handlers of earlier calls write to a closed capture

    def call(*args) -> str:
        assert run_inside(*args) == 2
        output = capsys.readouterr().err
        assert 'Traceback' not in output
        last = output.strip().splitlines()[-1]
        assert last.startswith('error: ')
        return last

    return call


@pytest.fixture
def folder(tmp_path):
    """Twelve images of 64 x 80 with label maps of three classes, and a classes.txt."""
    make_scenes(tmp_path / 'scenes')
    return tmp_path / 'scenes'


@pytest.fixture
def told(monkeypatch):
    """The lines that a user is told before a run."""
    lines = []
    for name in ('mae_mm.datasets.classes', 'mae_mm.datasets.segmentation', 'mae_mm.config.labels'):
        monkeypatch.setattr(f'{name}.tell', lambda message, level=logging.INFO: lines.append(message))
    return lines

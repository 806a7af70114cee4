"""What the command line says: help, the first lines of a run, how it stops; small folders; ports; names of runs."""
import contextlib
import logging
import multiprocessing
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mae_mm.cli import COMMANDS, main, run
from mae_mm.config.names import config_names
from mae_mm.config.reading import read_config
from mae_mm.engine import Runner, SeedStepHook, build_runner

from .conftest import ROOT, run_inside


def said_by(capsys, *argv) -> str:
    with pytest.raises(SystemExit) as stopped:
        run(argv)
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize('command', COMMANDS)
def test_help_names_what_there_is(command, capsys):
    text = ' '.join(said_by(capsys, command, '--help').split())
    assert text.startswith(f'usage: mae-mm {command} ')
    for name in re.findall(r'(?:configs|pretrain|finetune|linear_probe|knn|mae)/[\w./-]+', text):
        assert name.removesuffix('.') in config_names() or (ROOT / name).exists(), name


def test_the_command_says_what_it_has_and_gives_examples(capsys, monkeypatch):
    monkeypatch.setattr('sys.argv', ['mae-mm', '--help'])
    with pytest.raises(SystemExit):
        main()
    text = capsys.readouterr().out
    assert all(re.search(rf'^  {command} ', text, re.M) for command in COMMANDS)
    examples = re.findall(r'mae-mm train (\S+)', text)
    assert examples and set(examples) <= set(config_names())


def test_the_first_lines_of_a_training_say_what_is_trained(trained):
    work_dir, output = trained
    lines = output.splitlines()
    first = next(i for i, line in enumerate(lines) if 'Iter(train)' in line)
    assert first <= 12
    start = '\n'.join(lines[:first])
    assert 'Training of tiny.py' in start and f'results   {work_dir}' in start
    assert re.search(r'data +12 images for training, 5 for validation; 11 classes', start)
    assert re.search(r'model +EncoderDecoder, 0\.0\d M parameters; random weights', start)
    assert re.search(r'schedule +6 iterations; batches of 4 images; learning rate at most 0\.001', start)
    assert re.search(r'device +\w+, float32', start)
    assert re.search(r'Iter\(train\).* eta: \d', lines[first])
    log, = work_dir.glob('*/*.log')
    assert re.search(rf'log +{re.escape(str(log))}', start)
    for kept in ('System environment', "type='mae_mm.EncoderDecoder'", 'Hooks will be executed', 'Training of'):
        assert kept in log.read_text()


def test_two_runs_of_one_second_have_names_and_logs_of_their_own(config, tmp_path, monkeypatch):
    monkeypatch.setattr('time.time', lambda: 1e9)
    cfg = read_config(str(config), work_dir=str(tmp_path))
    runners = [build_runner(cfg), Runner.from_cfg(cfg)]  # of the command and of a notebook
    assert len({runner.experiment_name for runner in runners}) == 2 == len({runner.log_dir for runner in runners})
    for i, runner in enumerate(runners):
        runner.logger.info(f'word {i}')
    files = [[handler.baseFilename for handler in runner.logger.handlers if isinstance(handler, logging.FileHandler)]
             for runner in runners]
    for i, (path, ) in enumerate(files):
        assert f'word {i}' in Path(path).read_text() and f'word {1 - i}' not in Path(path).read_text()


def stop_at(monkeypatch, iteration):
    """Ctrl-C in an iteration, counted from 0."""
    def interrupted(self, runner, *args, **kwargs):
        if runner.iter == iteration:
            raise KeyboardInterrupt

    monkeypatch.setattr(SeedStepHook, 'before_train_iter', interrupted)


def test_a_run_that_is_stopped_says_how_to_go_on_if_it_can(config, tmp_path, monkeypatch, capsys):
    stop_at(monkeypatch, 1)
    assert run_inside('tools/train.py', config, '--work-dir', tmp_path) == 130
    assert capsys.readouterr().err.splitlines()[-1] == 'stopped'
    stop_at(monkeypatch, 4)  # iteration 3 has been saved
    assert run_inside('tools/train.py', config, '--work-dir', tmp_path) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f'stopped; {tmp_path}/iter_3.pth is there: the same command with --resume goes on from it'
    stop_at(monkeypatch, 3)  # before it has saved anything
    assert run_inside('tools/train.py', config, '--work-dir', tmp_path, '--resume') == 130
    assert capsys.readouterr().err.splitlines()[-1] == last
    monkeypatch.undo()
    assert run_inside('tools/train.py', config, '--work-dir', tmp_path, '--resume') == 0


def test_other_commands_just_stop(monkeypatch, capsys):
    def interrupted(argv):
        raise KeyboardInterrupt

    for command in set(COMMANDS) - {'train'}:
        monkeypatch.setattr(f'mae_mm.cli.{command}.main', interrupted)
        with pytest.raises(SystemExit) as stopped:
            run([command])
        assert stopped.value.code == 130 and capsys.readouterr().err == 'stopped\n'


def photos(folder, names) -> None:
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(i).integers(256, size=(40, 48, 3)).astype(np.uint8))


@pytest.mark.parametrize('number', [2, 5, 20])
def test_a_small_folder_is_enough_to_pre_train(number, tmp_path, capsys):
    photos(tmp_path / 'photos', [f'{i}.png' for i in range(number)])
    assert run_inside('tools/train.py', 'pretrain/mae_vit_folder', '--work-dir', tmp_path / 'w', '--cfg-options',
                      f'data_root={tmp_path / "photos"}', 'img_size=32', 'max_epochs=2') == 0
    output = capsys.readouterr().out
    assert len(re.findall(r'Epoch\(train\)', output)) == 2  # a line for each epoch, though it has one iteration
    assert f'{number - 1} instead of 64' in output
    images = 'image' if number == 2 else 'images'
    assert re.search(rf'data +{number - 1} {images} for training, 1 for validation\n', output)


@pytest.mark.parametrize('number', [2, 5])
def test_a_few_images_of_each_class_are_enough_to_fine_tune(number, tmp_path, capsys):
    photos(tmp_path / 'classes', [f'{kind}/{i}.png' for kind in ('cat', 'dog') for i in range(number)])
    assert run_inside('tools/train.py', 'finetune/vit_folder', '--work-dir', tmp_path / 'w', '--cfg-options',
                      f'data_root={tmp_path / "classes"}', 'img_size=32', 'max_epochs=2',
                      'model.backbone.init_cfg=None') == 0
    output = capsys.readouterr().out
    assert len(re.findall(r'Epoch\(train\)', output)) == 2
    told = re.search(r'data +(\d+) images for training, (\d+) for validation; 2 classes', output)
    training, held_out = map(int, told.groups())
    assert training + held_out == 2 * number and held_out >= 2


@pytest.mark.parametrize('environment, expected', [
    ({}, ['--standalone', '--local-addr=127.0.0.1']),
    ({'PORT': '1234'}, ['--nnodes=1', '--node-rank=0', '--master-addr=127.0.0.1', '--master-port=1234']),
    ({'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': 'first'},
     ['--nnodes=2', '--node-rank=1', '--master-addr=first', '--master-port=29500']),
], ids=['one machine', 'a port', 'two machines'])
def test_processes_meet_at_a_free_port_unless_one_is_given(environment, expected):
    assert runpy.run_path(str(ROOT / 'tools/launch.py'))['meeting'](environment) == expected


def test_processes_start_again_where_the_run_goes_on(monkeypatch, capsys):
    """A run of four processes of which one is killed goes on so; to see that takes a minute, and was done by hand."""
    given = []
    monkeypatch.setattr('torch.distributed.run.main', given.append)
    monkeypatch.setenv('RESTARTS', '3')
    for more in (['--resume', 'auto'], []):
        monkeypatch.setattr(sys, 'argv', ['launch.py', '4', 'train.py', 'c.py', *more])
        with contextlib.suppress(SystemExit):
            runpy.run_path(str(ROOT / 'tools/launch.py'), run_name='__main__')
    assert given == [['--standalone', '--local-addr=127.0.0.1', '--nproc-per-node=4', '--max-restarts=3', 'train.py',
                      'c.py', '--resume', 'auto']]
    assert capsys.readouterr().err == 'error: RESTARTS is for runs that go on: add --resume auto\n'


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_scripts_hand_their_arguments_to_the_launcher(script):
    files = ['c.py', 'w.pth'] if 'test' in script else ['c.py']
    done = subprocess.run(['bash', ROOT / 'tools' / script, *files, '2', '--tta', 'a b'], text=True,
                          capture_output=True, check=True, env={**os.environ, 'PYTHON': 'echo'})
    launcher, number, tool, *rest = done.stdout.split()
    assert launcher.endswith('tools/launch.py') and number == '2'
    assert tool.endswith(f'tools/{script[5:-3]}.py') and rest == [*files, '--launcher', 'pytorch', '--tta', 'a', 'b']


@pytest.mark.parametrize('script', ['slurm_train.sh', 'slurm_test.sh'])
def test_tasks_of_slurm_share_a_port_of_their_own(script, tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\necho $MASTER_PORT\n')
    srun.chmod(0o755)

    def port(**environment) -> int:
        return int(subprocess.run(
            ['bash', ROOT / 'tools' / script, 'gpu', 'job', 'c.py', 'w.pth'], text=True, capture_output=True,
            check=True, env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', **environment}).stdout)

    assert port(PORT='1234') == 1234 and all(20000 <= port() < 30000 for _ in range(3))
    assert len({port() for _ in range(5)}) > 1


@pytest.mark.parametrize('persistent', [True, False])
def test_workers_end_with_the_run_that_started_them(config, tmp_path, persistent):
    before = set(multiprocessing.active_children())
    workers = [f'{name}.{key}' for name in ('train_dataloader', 'val_dataloader')
               for key in ('num_workers=1', f'persistent_workers={persistent}')]
    assert run_inside('tools/train.py', config, '--work-dir', tmp_path, '--cfg-options', *workers) == 0
    assert set(multiprocessing.active_children()) <= before

"""Runs that are stopped, killed, started twice or short of disk lose nothing but time."""
import contextlib
import errno
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper

from mae_mm.checkpoint import read_checkpoint
from mae_mm.checkpoint.background import BackgroundWriter
from mae_mm.cli.train import resumed_from
from mae_mm.engine.checkpoints import CheckpointHook
from mae_mm.engine.late import LateOutputs
from mae_mm.engine.losses import CheckLossHook
from mae_mm.engine.resume import latest_checkpoint
from mae_mm.engine.workdir import claimed
from mae_mm.errors import InputError, Stopped
from mae_mm.registry import HOOKS

from .conftest import run_inside

TRAIN = 'tools/train.py'


@HOOKS.register_module()
class SignalAt(Hook):
    """Sends its own process a signal in an iteration, as a cluster does."""
    priority = 'VERY_HIGH'

    def __init__(self, at, number=signal.SIGTERM):
        self.at, self.number = at, number

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            os.kill(os.getpid(), self.number)


def with_hook(config, folder, text):
    path = folder / 'hooked.py'
    path.write_text(f"_base_ = '{config}'\ncustom_hooks = [{text}]\n")
    return path


def same_weights(one, other):
    one, other = (torch.load(path, weights_only=True) for path in (one, other))
    assert all(torch.equal(tensor, other['state_dict'][name]) for name, tensor in one['state_dict'].items())
    return all(torch.equal(state['exp_avg'], other['optimizer']['state'][key]['exp_avg'])
               for key, state in one['optimizer']['state'].items())


@pytest.fixture(scope='module')
def epochs(images, tmp_path_factory):
    """A config of two epochs of three iterations, and the work dir of a run that nothing disturbed."""
    from .test_pretraining import CONFIG, ROOT
    folder = tmp_path_factory.mktemp('epochs')
    path = folder / 'epochs.py'
    path.write_text(CONFIG.format(root=ROOT, data=images) + "default_hooks['reconstruction'] = None\n")
    assert run_inside(TRAIN, path, '--work-dir', folder / 'straight') == 0
    return path, folder / 'straight'


@pytest.mark.parametrize('at', [2, 3, 4])  # within an epoch, at its end, in the next
def test_a_signal_ends_the_step_and_resuming_is_exact(epochs, tmp_path, capsys, at):
    config, straight = epochs
    hooked = with_hook(config, tmp_path, f"dict(type='mae_mm.SignalAt', at={at})")
    before = signal.getsignal(signal.SIGTERM)
    assert run_inside(TRAIN, hooked, '--work-dir', tmp_path / 'w') == 75
    assert f'stopped by SIGTERM after iteration {at}' in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    last = latest_checkpoint(str(tmp_path / 'w'))
    assert last.endswith(f'iter_{at}.pth') and read_checkpoint(last)['meta']['iter'] == at
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--resume', 'auto') == 0
    assert same_weights(straight / 'epoch_2.pth', tmp_path / 'w' / 'epoch_2.pth')
    assert not list((tmp_path / 'w').glob('iter_*'))  # the next checkpoint replaced it


def test_a_run_that_goes_on_elsewhere_leaves_the_folder_that_it_came_from(epochs, tmp_path, capsys):
    config, straight = epochs
    hooked = with_hook(config, tmp_path, "dict(type='mae_mm.SignalAt', at=2)")
    assert run_inside(TRAIN, hooked, '--work-dir', tmp_path / 'w') == 75
    shutil.copytree(tmp_path / 'w', tmp_path / 'copy')
    for name, resume in (('copy', ()), ('other', [tmp_path / 'w' / 'iter_2.pth'])):
        assert run_inside(TRAIN, config, '--work-dir', tmp_path / name, '--resume', *resume) == 0
        assert (tmp_path / 'w' / 'iter_2.pth').is_file()
        assert {path.name for path in (tmp_path / name).glob('*.pth')} == {'epoch_1.pth', 'epoch_2.pth'}
        assert same_weights(straight / 'epoch_2.pth', tmp_path / name / 'epoch_2.pth')
    capsys.readouterr()
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'copy', '--resume') == 0
    assert 'has come to its end: there is nothing left to train' in capsys.readouterr().out


def test_the_best_of_another_folder_is_left_there(tmp_path):
    for name in ('old', 'new'):
        (tmp_path / name).mkdir()
    best = tmp_path / 'old' / 'best_mIoU_iter_3.pth'
    best.touch()
    hub, said = MessageHub('best of another folder'), []
    runner = SimpleNamespace(work_dir=str(tmp_path / 'new'), message_hub=hub, logger=SimpleNamespace(info=said.append))
    hub.update_info('best_ckpt', str(best))
    hook = CheckpointHook(save_best='mIoU', rule='greater')
    hook.before_train(runner)
    assert hook.best_ckpt_path is None and f'stays where it is: {best}' in said[-1]
    assert 'best_ckpt' not in hub.runtime_info
    own = tmp_path / 'new' / best.name  # of a work dir that was moved
    own.touch()
    hub.update_info('best_ckpt', str(best))
    hook.before_train(runner)
    assert hook.best_ckpt_path == str(own)


def test_a_signal_that_is_ignored_stays_so(epochs, tmp_path, monkeypatch):
    """As SIGHUP under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        config = with_hook(epochs[0], tmp_path, "dict(type='mae_mm.SignalAt', at=2, number=1)")
        assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w') == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_in_an_iteration_config(config, trained, tmp_path):
    hooked = with_hook(config, tmp_path, "dict(type='mae_mm.SignalAt', at=2, number=10)")
    assert run_inside(TRAIN, hooked, '--work-dir', tmp_path / 'w') == 75
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--resume') == 0
    assert same_weights(trained[0] / 'iter_6.pth', tmp_path / 'w' / 'iter_6.pth')


def test_a_signal_where_the_schedule_saves_keeps_that_checkpoint(config, tmp_path):
    hooked = with_hook(config, tmp_path, "dict(type='mae_mm.SignalAt', at=3)")  # every third is saved, and all kept
    assert run_inside(TRAIN, hooked, '--work-dir', tmp_path / 'w') == 75
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--resume') == 0
    assert {path.name for path in (tmp_path / 'w').glob('*.pth')} == {'iter_3.pth', 'iter_6.pth'}


def test_a_signal_to_all_processes_of_a_run_leaves_its_workers_be(epochs, tmp_path):
    run = subprocess.Popen(
        [sys.executable, '-m', 'mae_mm', 'train', str(epochs[0]), '--work-dir', str(tmp_path / 'w'), '--cfg-options',
         'train_cfg.max_epochs=100000', 'train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True'],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    output = ''
    while 'Saving checkpoint at 1 epochs' not in output and run.poll() is None:
        output += run.stdout.readline()
    os.killpg(run.pid, signal.SIGTERM)
    output += run.communicate(timeout=60)[0]
    assert run.returncode == 75, output[-2000:]
    assert 'stopped by SIGTERM' in output and 'Traceback' not in output
    assert latest_checkpoint(str(tmp_path / 'w'))


@HOOKS.register_module()
class KillWorkerAt(Hook):
    """Kills a data loader's worker in an iteration, as a system short of memory does."""

    def __init__(self, at):
        self.at = at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            for worker in multiprocessing.active_children():
                worker.kill()


@pytest.mark.parametrize('at', [2, 5])
def test_a_killed_worker_ends_the_run_in_a_line(epochs, tmp_path, capsys, at):
    config = with_hook(epochs[0], tmp_path, f"dict(type='mae_mm.KillWorkerAt', at={at})")
    options = ('train_dataloader.num_workers=1', 'train_dataloader.prefetch_factor=1')
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options', *options) == 1
    error = capsys.readouterr().err
    assert "a data loader's worker ended (process " in error and 'for want of memory' in error
    assert 'Traceback' not in error and ('epoch_1.pth is there: the same command with --resume' in error) == (at > 3)


def test_a_worker_that_is_killed_when_all_is_done_changes_nothing(epochs, tmp_path, capsys, monkeypatch):
    join, killed = multiprocessing.process.BaseProcess.join, []

    def killed_in_its_end(process, timeout=None):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        killed.append(process.pid)
        join(process, timeout)

    options = ('train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True')
    with monkeypatch.context() as patch:
        patch.setattr(multiprocessing.process.BaseProcess, 'join', killed_in_its_end)
        assert run_inside(TRAIN, epochs[0], '--work-dir', tmp_path / 'w', '--cfg-options', *options) == 0
    assert killed and 'Traceback' not in capsys.readouterr().err
    assert same_weights(epochs[1] / 'epoch_2.pth', tmp_path / 'w' / 'epoch_2.pth')


def test_a_process_that_leaves_its_workers_ends():
    code = ("from mae_mm.engine import Runner\n"
            "sampler, collate = dict(type='DefaultSampler', shuffle=False), dict(type='default_collate')\n"
            "loader = Runner.build_dataloader(dict(dataset=list(range(8)), batch_size=1, num_workers=2,\n"
            "                                      sampler=sampler, persistent_workers=True, collate_fn=collate))\n"
            "print(next(iter(loader)))")
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0 and 'tensor([0])' in done.stdout, done.stderr


def test_checkpoints_by_the_clock_are_replaced(epochs, tmp_path):
    config, straight = epochs
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options',
                      'default_hooks.checkpoint.minutes=1e-9', 'default_hooks.checkpoint.max_keep_ckpts=1') == 0
    assert [path.name for path in (tmp_path / 'w').glob('*.pth')] == ['epoch_2.pth']
    assert same_weights(straight / 'epoch_2.pth', tmp_path / 'w' / 'epoch_2.pth')


def test_a_new_run_replaces_nothing(epochs, tmp_path, error_of):
    config, straight = epochs
    before = (straight / 'epoch_2.pth').read_bytes()
    error = error_of(TRAIN, config, '--work-dir', straight)
    assert 'holds checkpoints of an earlier run' in error and '--resume' in error and '--overwrite' in error
    error = error_of(TRAIN, config, '--work-dir', straight, '--resume', straight / 'epoch_1.pth')
    assert 'holds later checkpoints (epoch_2.pth)' in error
    assert (straight / 'epoch_2.pth').read_bytes() == before
    copy = tmp_path / 'copy'
    copy.mkdir()
    for name in ('epoch_1.pth', 'epoch_2.pth', 'last_checkpoint'):
        (copy / name).write_bytes((straight / name).read_bytes())
    assert run_inside(TRAIN, config, '--work-dir', copy, '--overwrite', '--cfg-options',
                      'train_cfg.max_epochs=1', 'param_scheduler.warmup=.5') == 0
    assert [path.name for path in copy.glob('*.pth')] == ['epoch_1.pth']


def test_overwriting_removes_nothing_before_the_run_is_ready(epochs, tmp_path, error_of):
    config, straight = epochs
    names = ('epoch_1.pth', 'epoch_2.pth', 'last_checkpoint')
    for name in names:
        (tmp_path / name).write_bytes((straight / name).read_bytes())

    def refused(option):
        return error_of(TRAIN, config, '--work-dir', tmp_path, '--overwrite', '--cfg-options', option)

    assert 'none.pth: no such checkpoint' in refused('load_from=none.pth')
    assert 'there is no optimizer' in refused('optim_wrapper.optimizer.type=Adamm')
    error = refused(f'load_from={tmp_path}/epoch_2.pth')
    assert 'this run starts from' in error and 'which --overwrite would remove' in error
    assert all((tmp_path / name).is_file() for name in names)


def test_the_best_of_an_earlier_run_is_not_replaced_either(epochs, tmp_path, error_of):
    (tmp_path / 'best_accuracy_top1_epoch_1.pth').write_bytes(b'')
    assert 'holds checkpoints of an earlier run (best_accuracy_top1_epoch_1.pth)' in error_of(
        TRAIN, epochs[0], '--work-dir', tmp_path)


def test_two_runs_at_once_do_not_mix(tmp_path, caplog):
    script = (f"import sys; sys.path.insert(0, {os.getcwd()!r})\n"
              "from mae_mm.engine.workdir import claimed\n"
              f"with claimed({str(tmp_path)!r}):\n    print('held', flush=True)\n    sys.stdin.read()\n")
    with subprocess.Popen([sys.executable, '-c', script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as other:
        assert other.stdout.readline() == 'held\n'
        with pytest.raises(InputError, match=f'is in use by process {other.pid} on '), claimed(str(tmp_path)):
            pass
        other.kill()  # and leaves its note behind
    with claimed(str(tmp_path)):
        assert json.loads((tmp_path / '.running').read_text())['pid'] == os.getpid()
    assert not (tmp_path / '.running').exists()


def test_the_latest_checkpoint_is_the_last_whole_one(epochs, tmp_path, capsys):
    _, straight = epochs
    for name in ('epoch_1.pth', 'epoch_2.pth', 'epoch_2.pth.sha256'):
        (tmp_path / name).write_bytes((straight / name).read_bytes())
        os.utime(tmp_path / name, (1, 1))  # times tell nothing

    def latest(note):
        (tmp_path / 'last_checkpoint').write_bytes(note)
        return os.path.basename(latest_checkpoint(str(tmp_path)))

    assert latest(b'\xff\x00garbage') == latest(b'') == latest(b'epoch_9.pth') == 'epoch_2.pth'
    assert latest(b'epoch_1.pth') == 'epoch_2.pth'  # a run that was killed had not noted it yet
    whole = (tmp_path / 'epoch_2.pth').read_bytes()
    (tmp_path / 'epoch_2.pth').write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 1]) + whole[-999:])
    assert latest(b'epoch_2.pth') == 'epoch_1.pth'  # its hash tells
    checkpoint = torch.load(straight / 'epoch_2.pth', weights_only=True)
    (tmp_path / 'epoch_2.pth.sha256').unlink()
    for damage in (dict(meta=3), dict(meta=dict(epoch='x', iter=1)), dict(optimizer=[]), dict(message_hub=dict()),
                   dict(param_schedulers=5), dict(param_schedulers=[{'x': 1}]),
                   dict(meta={**checkpoint['meta'], 'iter': 10**9}),
                   dict(optimizer={**checkpoint['optimizer'], 'param_groups': []}),
                   dict(optimizer={**checkpoint['optimizer'], 'state': {0: 3}}),
                   dict(optimizer={**checkpoint['optimizer'], 'state': {0: dict(exp_avg=torch.zeros(99))}}),
                   dict(message_hub={**checkpoint['message_hub'], 'log_scalars': {'train/loss': 3}})):
        torch.save({**checkpoint, **damage}, tmp_path / 'epoch_2.pth')
        assert latest(b'epoch_2.pth') == 'epoch_1.pth'
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    with pytest.raises(InputError, match='holds no checkpoint that can be resumed from'):
        latest(b'epoch_2.pth')


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(epochs, tmp_path, capsys):
    config, straight = epochs
    for name in ('epoch_1.pth', 'last_checkpoint'):
        (tmp_path / name).write_bytes((straight / name).read_bytes())
    checkpoint = torch.load(straight / 'epoch_2.pth', weights_only=True)
    torch.save({**checkpoint, 'optimizer': [1]}, tmp_path / 'epoch_2.pth')
    assert run_inside(TRAIN, config, '--work-dir', tmp_path, '--resume') == 0
    assert 'its optimizer are damaged; it is skipped' in ''.join(capsys.readouterr())
    assert same_weights(straight / 'epoch_2.pth', tmp_path / 'epoch_2.pth')


def test_resume_in_words(tmp_path, epochs):
    assert resumed_from(None, str(tmp_path)) is None and resumed_from('auto', str(tmp_path)) is None
    for asked in ('', 'latest'):  # an empty shell variable asks for the latest one, too
        with pytest.raises(InputError, match='holds no checkpoint'):
            resumed_from(asked, str(tmp_path))
    assert resumed_from('auto', str(epochs[1])).endswith('epoch_2.pth')
    with pytest.raises(InputError, match='--overwrite removes .*epoch_2.pth'):
        resumed_from('auto', str(epochs[1]), overwrite=True)


def test_a_run_that_goes_on_keeps_its_length(epochs, error_of):
    config, straight = epochs
    before = sorted(straight.rglob('*'))
    said = error_of(TRAIN, config, '--work-dir', straight, '--resume', '--cfg-options', 'train_cfg.max_epochs=5')
    assert 'train_cfg.max_epochs was 2 in the run of' in said and 'load_from=' in said
    assert sorted(straight.rglob('*')) == before


def full_disk(monkeypatch, times):
    """Let so many checkpoints meet a full disk."""
    replace, attempts = os.replace, []

    def full(source, target):
        if str(target).endswith('.pth'):
            attempts.append(target)
            if len(attempts) <= times:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr('mae_mm.checkpoint.writing.os.replace', full)


def test_a_full_disk_is_told_and_training_goes_on(epochs, tmp_path, monkeypatch, capsys):
    config, straight = epochs
    full_disk(monkeypatch, times=1)
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w') == 0
    assert 'No space left on device); what was there is kept; training goes on' in ''.join(capsys.readouterr())
    assert {path.name for path in (tmp_path / 'w').glob('*_*')} >= {'epoch_2.pth', 'last_checkpoint'}
    assert not [path for path in (tmp_path / 'w').iterdir() if 'epoch_1' in path.name]
    assert same_weights(straight / 'epoch_2.pth', tmp_path / 'w' / 'epoch_2.pth')


def test_a_disk_that_stays_full_fails_at_the_end(epochs, tmp_path, monkeypatch, error_of):
    full_disk(monkeypatch, times=9)
    assert 'No space left on device' in error_of(TRAIN, epochs[0], '--work-dir', tmp_path / 'w')
    assert not list((tmp_path / 'w').glob('*.pth*')) and not (tmp_path / 'w' / 'last_checkpoint').exists()


def test_a_file_that_cannot_be_written_to_its_end_is_told(tmp_path):
    writer, path = BackgroundWriter(), str(tmp_path / 'epoch_1.pth')
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limit[1]))
    try:
        writer.write(dict(state_dict=dict(weight=torch.ones(1 << 20))), path)
        writer.then(lambda: (tmp_path / 'note').write_text('written'))
        with pytest.raises(InputError, match=r'epoch_1.pth could not be written \(File too large\)'):
            writer.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.iterdir())
    writer.write(dict(state_dict=dict(weight=torch.ones(9))), path)
    writer.then(lambda: (tmp_path / 'note').write_text('written'))
    writer.finish()
    assert (tmp_path / 'note').exists() and read_checkpoint(path)['state_dict']['weight'].tolist() == [1] * 9


def test_what_is_written_is_what_was_there_when_it_was_asked_for(tmp_path):
    started, weights = threading.Event(), OrderedDict(weight=torch.zeros(1000))
    weights._metadata = {'': dict(version=2)}
    writer, checkpoint = BackgroundWriter(), dict(state_dict=weights, optimizer={0: dict(step=weights['weight'])})
    writer.then(started.wait)  # holds the thread
    writer.write(checkpoint, str(tmp_path / 'a.pth'))
    weights['weight'] += 1
    assert writer.busy
    started.set()
    writer.finish()
    found = read_checkpoint(str(tmp_path / 'a.pth'))
    assert not found['state_dict']['weight'].any() and not found['optimizer'][0]['step'].any()
    assert found['state_dict']._metadata == {'': dict(version=2)}


@HOOKS.register_module()
class BreakAt(Hook):
    """Makes a weight not a number before an iteration's step, once in a process."""
    priority = 'VERY_HIGH'
    done = False

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter + 1 == self.at and not BreakAt.done:
            BreakAt.done = True
            runner.model.backbone.patch_embed.projection.weight.data.fill_(float('nan'))


def read_late(monkeypatch):
    """As on a card, where the scalars of a step are read while the next one runs."""
    monkeypatch.setattr('mae_mm.engine.loop._late_outputs', lambda runner: LateOutputs())


@pytest.mark.parametrize('at, late', [(5, False), (5, True), (6, True)])  # the sixth is the last of its run
def test_a_loss_that_is_not_finite_tells_the_gradients_before(epochs, tmp_path, error_of, monkeypatch, at, late):
    monkeypatch.setattr(BreakAt, 'done', False)
    if late:
        read_late(monkeypatch)
    config = with_hook(epochs[0], tmp_path, f"dict(type='mae_mm.BreakAt', at={at})")
    error = error_of(TRAIN, config, '--work-dir', tmp_path / 'w')
    assert [path.name for path in (tmp_path / 'w').glob('*.pth')] == ['epoch_1.pth']
    assert re.search(rf'the loss is nan in iteration {at}, for .*; the largest gradient before was that of '
                     r'(backbone|decoder)\.[\w.]+ \(norm [\d.e-]+; .*epoch_1.pth is kept', error)
    log = next((tmp_path / 'w').rglob('*.log')).read_text()
    assert re.search(r'by layer:\n(  [\w.]+ +[\d.e-]+\n)*  backbone.layers.0 +[\d.e-]+\n', log)


def test_what_is_read_late_is_the_same(epochs, tmp_path, monkeypatch):
    def losses(work_dir):
        lines = next(work_dir.rglob('scalars.json')).read_text().splitlines()
        return [scalars['loss'] for scalars in map(json.loads, lines) if 'loss' in scalars]

    read_late(monkeypatch)
    options = '--cfg-options', 'log_processor.window_size=1'
    assert run_inside(TRAIN, epochs[0], '--work-dir', tmp_path / 'late', *options) == 0
    same_weights(tmp_path / 'late' / 'epoch_2.pth', epochs[1] / 'epoch_2.pth')
    monkeypatch.undo()
    assert run_inside(TRAIN, epochs[0], '--work-dir', tmp_path / 'now', *options) == 0
    late, now = losses(tmp_path / 'late'), losses(tmp_path / 'now')
    assert len(now) > 2 and late[-2:] == now[-3:-1]


@pytest.mark.parametrize('at, start, late', [
    (5, 'epoch_1.pth', False), (2, 'its start', False), (2, 'its start', True)])
def test_a_run_goes_back_and_leaves_the_batch_out(epochs, tmp_path, capsys, monkeypatch, at, start, late):
    """As a run from the same checkpoint that makes no step with that batch."""
    monkeypatch.setattr(BreakAt, 'done', False)
    if late:
        read_late(monkeypatch)
    config = with_hook(epochs[0], tmp_path, f"dict(type='mae_mm.BreakAt', at={at})")
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options', 'go_back=1') == 0
    assert f'{start}, without these iterations' in ''.join(capsys.readouterr())
    assert json.loads((tmp_path / 'w' / 'left_out.json').read_text()) == [[at - 1]]
    begin = ['--resume', epochs[1] / 'epoch_1.pth'] if at > 3 else []
    monkeypatch.setattr('mae_mm.engine.loop.left_out', lambda work_dir: [[at - 1]])
    assert run_inside(TRAIN, epochs[0], '--work-dir', tmp_path / 'other', *begin) == 0
    same_weights(tmp_path / 'w' / 'epoch_2.pth', tmp_path / 'other' / 'epoch_2.pth')


def test_a_run_goes_back_as_often_as_it_is_told(epochs, tmp_path, error_of, monkeypatch):
    monkeypatch.setattr(BreakAt, 'done', False)
    config = with_hook(epochs[0], tmp_path, "dict(type='mae_mm.BreakAt', at=4)")
    assert 'the loss is nan in iteration 4' in error_of(TRAIN, config, '--work-dir', tmp_path / 'w')
    for text, message in (('[[1], 2]', 'left_out.json is damaged'), ('{', 'left_out.json is damaged')):
        (tmp_path / 'w' / 'left_out.json').write_text(text)
        assert message in error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--resume')
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--overwrite') == 0  # a new run leaves out nothing


def test_two_processes_that_meet_a_bad_loss_count_it_once(tmp_path, monkeypatch):
    monkeypatch.setattr('mae_mm.engine.losses.get_world_size', lambda: 2)
    runner = SimpleNamespace(work_dir=str(tmp_path), optim_wrapper=SimpleNamespace(_accumulative_counts=2))
    for _ in range(2):
        with pytest.raises(Stopped, match='the loss is nan; --resume goes on without these iterations'):
            CheckLossHook(go_back=1)._leave_out(runner, 3, 'the loss is nan')
    assert json.loads((tmp_path / 'left_out.json').read_text()) == [[2, 3]]


def test_steps_that_overflow_are_left_out_until_they_are_too_many():
    class Told(list):
        info = error = list.append

    weight = torch.nn.Parameter(torch.ones(1))
    wrapper = OptimWrapper(torch.optim.SGD([weight], lr=1.))
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=2.**8)
    runner = SimpleNamespace(optim_wrapper=wrapper, iter=0, logger=Told(), work_dir='nowhere',
                             model=SimpleNamespace(named_parameters=lambda: [('weight', weight)]),
                             message_hub=SimpleNamespace(runtime_info={}))
    hook = CheckLossHook(skips=3)
    hook.before_train(runner)

    def step(factor):
        loss = (weight * factor).sum()
        wrapper.loss_scaler.scale(loss).backward()
        wrapper.loss_scaler.step(wrapper.optimizer)
        wrapper.loss_scaler.update()
        wrapper.optimizer.zero_grad()
        outputs = dict(loss=loss.detach())
        hook.after_train_iter(runner, 0, dict(data_samples=[dict(img_path='a.jpg')]), outputs)
        return outputs

    assert step(1e38) and hook.in_a_row == 1 and weight == 1  # gradients overflow, and the loss does not
    assert not step(float('inf')) and hook.in_a_row == 2  # left out of the means
    assert step(.5) and hook.in_a_row == 0 and hook.skipped == 2 and weight == .5
    step(float('nan'))
    step(float('nan'))
    with pytest.raises(InputError, match='3 iterations in a row overflow.*a.jpg; the largest gradient before was that '
                                         r'of weight \(norm 0.5'):
        step(float('nan'))
    assert 'overflows and is left out, 1 so far; the loss is scaled by 128 now' in runner.logger[0]


def test_a_long_history_is_bounded(epochs, tmp_path):
    config, _ = epochs
    bounded = with_hook(config, tmp_path, "dict(type='mae_mm.BoundHistoryHook', values=4)")
    assert run_inside(TRAIN, bounded, '--work-dir', tmp_path / 'w') == 0
    hub = read_checkpoint(str(tmp_path / 'w' / 'epoch_2.pth'))['message_hub']
    assert len(hub['log_scalars']['train/loss']['mmengine.HistoryBuffer'][0]) == 4


def test_what_a_resumed_run_says_otherwise_is_told_or_refused(epochs, tmp_path, error_of):
    config, straight = epochs
    start = straight / 'epoch_1.pth'

    def refused(option):
        return error_of(TRAIN, config, '--work-dir', tmp_path / 'w', '--resume', start, '--cfg-options', option)

    for option in ('optim_wrapper.optimizer.lr=.5', 'optim_wrapper.optimizer.weight_decay=.5', 'param_scheduler=[]',
                   'optim_wrapper.paramwise_cfg.bias_decay_mult=1', 'model.mask_ratio=.6'):
        error = refused(option)
        assert 'which a resumed run cannot follow' in error and option.split('=')[0] in error
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--resume', start, '--cfg-options',
                      'train_dataloader.num_workers=1', 'default_hooks.logger.interval=2') == 0
    log = next((tmp_path / 'w').rglob('*.log')).read_text()
    assert 'differs from the one that it goes on with: default_hooks.logger.interval: 1 -> 2\n' in log

"""The command line as a user calls it."""
import json
import re

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from .conftest import run_in_two, run_inside, run_tool

NOISE = ['OneDL', 'MultiScaleDeformableAttention', 'jit.interface', 'meshgrid', 'avg_non_ignore',
         'reduce_zero_label` will be', 'LayerDecay', 'FileClient', 'HardDiskBackend', 'prefix is not set', 'Warning',
         'WARNING', 'Traceback']


def test_training_is_quiet_and_writes_checkpoints(trained):
    work_dir, output = trained
    assert not [noise for noise in NOISE if noise in output]
    assert {path.name for path in work_dir.glob('*.pth')} == {'iter_3.pth', 'iter_6.pth'}
    assert not list(work_dir.glob('*.unfinished'))


def test_test_prints_and_writes_the_metrics(config, trained, tmp_path):
    work_dir, _ = trained
    output = run_tool('tools/test.py', config, work_dir / 'iter_6.pth', '--eval', 'mIoU', 'mDice', 'mFscore',
                      '--work-dir', tmp_path, '--out', tmp_path / 'labels', '--show-dir', tmp_path / 'pictures')
    assert not [noise for noise in NOISE if noise in output]
    results = json.loads((tmp_path / 'metrics.json').read_text())
    assert re.search(rf'mIoU: {results["metrics"]["mIoU"]:.4f}', output)
    assert set(results['metrics']) >= {'mIoU', 'mAcc', 'aAcc', 'mDice', 'mFscore'}
    assert list(results['classes']) == ['background', *'0123456789']
    assert set(results['classes']['7']) >= {'IoU', 'Acc', 'Dice', 'Fscore'}
    confusion = np.array(results['confusion']['pixels'])
    assert confusion.shape == (11, 11) and results['metrics']['aAcc'] == pytest.approx(
        100 * np.trace(confusion) / confusion.sum(), abs=.01)
    assert cv2.imread(str(tmp_path / 'confusion.png')).shape[0] == 800
    mean = sum(row['IoU'] for row in results['classes'].values()) / 11
    assert results['metrics']['mIoU'] == pytest.approx(mean, abs=.01)
    labels = [np.array(Image.open(path)) for path in (tmp_path / 'labels').glob('*.png')]  # indices, with a palette
    assert len(labels) == 5 and all(label.shape == (32, 32) and label.max() < 11 for label in labels)
    pictures = list((tmp_path / 'pictures').glob('*.png'))
    assert len(pictures) == 5
    sheet = run_tool('tools/contact_sheet.py', tmp_path / 'pictures', tmp_path / 'sheet.png').splitlines()[-1]
    assert cv2.imread(sheet).shape[1] == 2 * (480 + 4)


def test_several_scales_and_flips_are_averaged(config, trained, tmp_path):
    work_dir, _ = trained
    overlay = tmp_path / 'tta.py'
    overlay.write_text(f"""_base_ = '{config}'
flips = [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0., 1.)]
scales = [dict(type='Resize', scale_factor=s, keep_ratio=True) for s in (1., 1.5)]
tta_pipeline = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[
    scales, flips, [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
""")
    output = run_tool('tools/test.py', overlay, work_dir / 'iter_6.pth', '--tta', '--work-dir', tmp_path,
                      '--show-dir', tmp_path / 'pictures')
    assert not [noise for noise in NOISE if noise in output]
    assert 'mIoU' in json.loads((tmp_path / 'metrics.json').read_text())['metrics']
    assert len(list((tmp_path / 'pictures').glob('*.png'))) == 5


def test_validation_in_training_equals_the_reloaded_checkpoint(config, trained, tmp_path):
    work_dir, output = trained
    assert run_inside('tools/test.py', config, work_dir / 'iter_6.pth', '--work-dir', tmp_path) == 0
    metrics = json.loads((tmp_path / 'metrics.json').read_text())['metrics']
    last = re.findall(r'Iter\(val\).*mIoU: ([\d.]+)', output)[-1]
    assert float(last) == pytest.approx(metrics['mIoU'], abs=1e-3)


@pytest.mark.parametrize('workers', [0, 2])
def test_resuming_is_exact(config, trained, tmp_path, workers):
    work_dir, _ = trained
    output = run_tool('tools/train.py', config, '--resume', work_dir / 'iter_3.pth', '--work-dir', tmp_path,
                      '--cfg-options', f'train_dataloader.num_workers={workers}')
    assert not [noise for noise in NOISE if noise in output]
    straight, resumed = (torch.load(folder / 'iter_6.pth', weights_only=True) for folder in (work_dir, tmp_path))
    start = torch.load(work_dir / 'iter_3.pth', weights_only=True)
    assert any(not torch.equal(start['state_dict'][k], v) for k, v in straight['state_dict'].items())
    for name, tensor in straight['state_dict'].items():
        assert torch.equal(tensor, resumed['state_dict'][name]), name
    for key, state in straight['optimizer']['state'].items():
        assert torch.equal(state['exp_avg'], resumed['optimizer']['state'][key]['exp_avg'])


def test_resuming_with_a_longer_schedule_says_so(config, trained, tmp_path, capsys):
    work_dir, _ = trained
    assert run_inside('tools/train.py', config, '--resume', work_dir / 'iter_6.pth', '--work-dir', tmp_path,
                      '--cfg-options', 'train_cfg.max_iters=7') == 0
    output = capsys.readouterr().out
    assert 'ends after 6 iterations, the config\'s after 7' in output


def test_resuming_from_a_moved_work_dir(config, trained, tmp_path, capsys):
    work_dir, _ = trained
    for name in ('iter_3.pth', 'iter_6.pth', 'last_checkpoint'):
        (tmp_path / name).write_bytes((work_dir / name).read_bytes())
    (tmp_path / 'iter_6.pth').rename(tmp_path / 'elsewhere')
    assert run_inside('tools/train.py', config, '--resume', '--work-dir', tmp_path) == 0
    assert 'resumed epoch: 0, iter: 3' in capsys.readouterr().out


def test_two_processes_take_the_step_of_one(config, tmp_path):
    overlay = tmp_path / 'steady.py'  # nothing random, and no statistics over the batch
    overlay.write_text(f"_base_ = '{config}'\nnorm_cfg = dict(type='GN', num_groups=4)\n"
                       "head = dict(norm_cfg=norm_cfg, dropout_ratio=0.)\n"
                       "model = dict(backbone=dict(drop_path_rate=0.), neck=dict(norm_cfg=norm_cfg), "
                       "decode_head=head, auxiliary_head=head)\n"
                       "train_cfg = dict(max_iters=1, val_interval=1)\n"
                       # a step in proportion to the gradient: Adam's first has the same length whatever it is
                       "optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=.1))\n"
                       "param_scheduler = []\n")
    assert run_inside('tools/train.py', overlay, '--work-dir', tmp_path / 'one') == 0
    assert run_inside('tools/train.py', overlay, '--work-dir', tmp_path / 'start', '--cfg-options',
                      'optim_wrapper.optimizer.lr=0') == 0
    output = run_tool('tools/dist_train.sh', overlay, 2, '--work-dir', tmp_path / 'two', '--cfg-options',
                      'train_dataloader.batch_size=2')
    assert not [line for line in output.splitlines() if any(noise in line for noise in NOISE)]
    one, two = (torch.load(tmp_path / name / 'iter_1.pth')['state_dict'] for name in ('one', 'two'))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-6, msg=lambda text, name=name: name + text)
    start = torch.load(tmp_path / 'start' / 'iter_1.pth')['state_dict']
    steps = [(one[name] - start[name]).abs().max() for name in one if 'weight' in name]
    assert max(steps) > 1e-4  # far above the tolerance


def test_statistics_of_two_processes_are_those_in_the_checkpoint(config, tmp_path):
    run_in_two('tools/train.py', config, '--work-dir', tmp_path, '--cfg-options',  # SyncBN, so BN
               'model_wrapper_cfg.gradient_as_bucket_view=True')
    assert run_inside('tools/test.py', config, tmp_path / 'iter_6.pth', '--work-dir', tmp_path) == 0
    metrics = json.loads((tmp_path / 'metrics.json').read_text())['metrics']
    log = next(tmp_path.glob('2*/*.log')).read_text()
    assert float(re.findall(r'mIoU: ([\d.]+)', log)[-1]) == pytest.approx(metrics['mIoU'], abs=1e-3)


def test_processes_share_the_states_of_the_optimizer(config, trained, tmp_path):
    zero = ('--cfg-options', 'optim_wrapper.optimizer.type=ZeroRedundancyOptimizer',
            'optim_wrapper.optimizer.optimizer_type=AdamW', 'train_dataloader.batch_size=2')
    plain = ('--cfg-options', 'train_dataloader.batch_size=2')
    for name, options in (('plain', plain), ('zero', zero)):
        run_in_two('tools/train.py', config, '--work-dir', tmp_path / name, *options)
    whole, shared = (torch.load(tmp_path / name / 'iter_6.pth') for name in ('plain', 'zero'))
    assert shared['optimizer']['state'].keys() == whole['optimizer']['state'].keys()
    for name, tensor in whole['state_dict'].items():
        torch.testing.assert_close(shared['state_dict'][name], tensor, rtol=0, atol=1e-6)
    (tmp_path / 'resumed').mkdir()
    run_in_two('tools/train.py', config, '--resume', tmp_path / 'zero/iter_3.pth', '--work-dir', tmp_path / 'resumed',
               *zero)
    resumed = torch.load(tmp_path / 'resumed/iter_6.pth')
    for name, tensor in shared['state_dict'].items():
        torch.testing.assert_close(resumed['state_dict'][name], tensor, rtol=0, atol=1e-6)
    for name, options in (('alone', ()), ('alone, as before', zero[:3])):  # one process, which shares with none
        assert run_inside('tools/train.py', config, '--resume', tmp_path / 'zero/iter_3.pth', '--work-dir',
                          tmp_path / name, *options) == 0
        assert (tmp_path / name / 'iter_6.pth').is_file()


def test_gradients_travel_in_half_precision(config, tmp_path, error_of):
    steps = {}
    for name in ('float32', 'bfloat16'):
        options = [] if name == 'float32' else [f'model_wrapper_cfg.gradients={name}']
        run_in_two('tools/train.py', config, '--work-dir', tmp_path / name, '--cfg-options', 'train_cfg.max_iters=1',
                   'train_cfg.val_interval=1', *options)
        state = torch.load(tmp_path / name / 'iter_1.pth')['optimizer']['state']
        steps[name] = torch.cat([of['exp_avg'].flatten() for of in state.values()])  # a tenth of the gradient
    difference = (steps['float32'] - steps['bfloat16']).norm() / steps['float32'].norm()
    assert 1e-4 < difference < 1e-2


def test_testing_in_two_processes_counts_every_image_once(config, trained, tmp_path):
    work_dir, _ = trained
    assert run_inside('tools/test.py', config, work_dir / 'iter_6.pth', '--work-dir', tmp_path / 'one') == 0
    run_in_two('tools/test.py', config, work_dir / 'iter_6.pth', '--work-dir', tmp_path / 'two')
    one, two = (json.loads((tmp_path / name / 'metrics.json').read_text()) for name in ('one', 'two'))
    assert one['classes'] == two['classes'] and one['metrics']['mIoU'] == two['metrics']['mIoU']


def test_half_precision_runs_in_float32_with_one_warning(config, tmp_path, capsys):
    assert run_inside('tools/train.py', config, '--work-dir', tmp_path, '--cfg-options',
                      'optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.loss_scale=dynamic',
                      'train_cfg.max_iters=1', 'train_cfg.val_interval=1') == 0
    output = capsys.readouterr().out
    if torch.cuda.is_available():
        assert 'float32' not in output
    else:
        assert output.count('mixed precision is off') == 1


def test_runs_that_are_broken_go_on_to_the_same_end():
    """The short form of what tools/crash_test.py does at length."""
    output = run_tool('tools/crash_test.py', '--breaks', 2, '--faults', 'kill', 'worker', '--kinds', 'segment')
    assert re.search(r'segment, 1 process\(es\): .*; \d runs resumed to the end; .* left alone 0.0e\+00', output)


def test_a_table_of_recipes_has_all_columns(tmp_path):
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for number in range(16):
            folder = tmp_path / 'images' / split / 'ab'[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f'{number}.png'), rng.integers(256, size=(16, 16, 3), dtype=np.uint8))
        for kind in ('images', 'annotations'):
            (tmp_path / 'scenes' / kind / split).mkdir(parents=True)
        for number in range(4):
            cv2.imwrite(str(tmp_path / f'scenes/images/{split}/{number}.png'),
                        rng.integers(256, size=(48, 64, 3), dtype=np.uint8))
            cv2.imwrite(str(tmp_path / f'scenes/annotations/{split}/{number}.png'),
                        rng.integers(11, size=(48, 64), dtype=np.uint8))
    run_tool('tools/recipe_table.py', '--images', tmp_path / 'images', '--scenes', tmp_path / 'scenes', '--on',
             'scenes', '--rows', '2x2 blocks', '--seconds', .1, '--seeds', 0, '--grid', 4, '--batch', 4, '--tuning', 1,
             '--device', 'cpu', '--out', tmp_path / 'table.json')
    (row, ) = json.loads((tmp_path / 'table.json').read_text()).values()
    assert {'linear mean top1', 'attentive efficient top1', 'dense-knn patches mIoU', 'dense-linear patches mIoU',
            'fine-tuned'} <= set(row)
    assert row['steps'] > 0 and 0 <= row['dense-linear patches mIoU'] <= 100

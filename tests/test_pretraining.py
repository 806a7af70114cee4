"""Pre-training through the command line, and what it reads."""
import json
import re

import cv2
import numpy as np
import pytest
import torch

from mae_mm.apis.encoders import FrozenEncoder
from mae_mm.apis.evaluating import Evaluation
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.reading import read_config
from mae_mm.engine.runner import Runner
from mae_mm.errors import InputError
from mae_mm.evaluation.features import linear_accuracy

from .conftest import ROOT, run_inside, run_tool
from .own_data import class_folders
from .test_tools import NOISE

CONFIG = """
_base_ = ['{root}/configs/_base_/models/mae_pretrain.py', '{root}/configs/_base_/datasets/unlabelled.py',
          '{root}/configs/_base_/schedules/pretrain.py', '{root}/configs/_base_/pretrain_runtime.py']
size = 32
model = dict(backbone=dict(img_size=size, patch_size=8, embed_dims=16, num_layers=2, num_heads=2),
             decoder=dict(embed_dims=16, num_layers=1, num_heads=2))
train_pipeline = [dict(type='mae_mm.SeedSample'), *_base_.load,
                  dict(type='RandomResizedCrop', scale=size, crop_ratio_range=(.2, 1.), interpolation='bicubic'),
                  dict(type='RandomFlip', prob=.5), *_base_.pack]
test_pipeline = [*_base_.load, dict(type='CenterCrop', crop_size=size), *_base_.pack]
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
                        dataset=dict(data_root='{data}', held_out=.3, pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False,
                      dataset=dict(data_root='{data}', held_out=.3, pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-2))
train_cfg = dict(max_epochs=2, val_interval=1)
param_scheduler = dict(warmup=1)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=-1))
randomness = dict(seed=3)
"""


@pytest.fixture(scope='session')
def pretraining(images, tmp_path_factory):
    path = tmp_path_factory.mktemp('config') / 'pretraining.py'
    path.write_text(CONFIG.format(root=ROOT, data=images))
    return path


@pytest.fixture(scope='session')
def pretrained(pretraining, tmp_path_factory):
    """The work dir of a run with TensorBoard and Weights & Biases, and what it printed."""
    work_dir = tmp_path_factory.mktemp('pretrained')
    output = run_tool('tools/train.py', pretraining, '--work-dir', work_dir, '--vis', 'tensorboard', 'wandb',
                      WANDB_MODE='offline', WANDB_SILENT='true')
    return work_dir, output


def test_a_run_tells_how_good_its_features_are(pretraining, tmp_path, error_of):
    class_folders(tmp_path / 'classes', count=6, side_px=32)
    config = tmp_path / 'probed.py'
    config.write_text(f"_base_ = '{pretraining}'\ncustom_hooks = [dict(type='mae_mm.ProbeHook', "
                      f"data='folder:{tmp_path}/classes', interval=3, k=5)]\n")
    work_dir = tmp_path / 'run'
    assert run_inside('tools/train.py', config, '--work-dir', work_dir, '--vis', 'tensorboard', '--cfg-options',
                      'train_cfg.max_epochs=4', 'param_scheduler.warmup=1') == 0
    lines = [json.loads(line) for line in next(work_dir.rglob('scalars.json')).read_text().splitlines()]
    probed = [line for line in lines if 'probe/knn_top1' in line]
    assert [line['step'] for line in probed] == [3, 4]
    assert all(0 <= line[f'probe/{name}_top1'] <= 100 for line in probed for name in ('knn', 'linear'))
    hub = torch.load(work_dir / 'epoch_4.pth', weights_only=True)['message_hub']
    assert 'probe/linear_top1' in hub['log_scalars']
    event, = work_dir.rglob('events.out.tfevents.*')
    assert b'probe/linear_top1' in event.read_bytes()
    assert run_inside('tools/train.py', pretraining, '--work-dir', tmp_path / 'plain', '--cfg-options',
                      'train_cfg.max_epochs=4', 'param_scheduler.warmup=1') == 0
    ours, theirs = (torch.load(path / 'epoch_4.pth')['state_dict'] for path in (work_dir, tmp_path / 'plain'))
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())  # training is the same
    encoder = FrozenEncoder(str(work_dir / 'epoch_4.pth'))
    rows = Evaluation(str(tmp_path / 'out'), ['linear'], 'last', pictures=0).run(
        [encoder.source], [f'folder:{tmp_path}/classes'])
    assert rows[0]['mean'] == pytest.approx(probed[1]['probe/linear_top1'], abs=1e-3)  # one code
    for old, new, told in (('/classes', '/nowhere', 'nowhere: no such folder'), ('k=5', 'k=0', 'k=0): both are')):
        config.write_text(config.read_text().replace(old, new))
        assert told in error_of('tools/train.py', config, '--work-dir', tmp_path / 'none')
        config.write_text(config.read_text().replace(new, old))


def test_a_run_is_quiet_and_draws(pretrained):
    work_dir, output = pretrained
    assert not [line for line in output.splitlines() if any(noise in line for noise in NOISE)
                and 'mixed precision is off' not in line and 'constructor=' not in line]
    assert {path.name for path in work_dir.glob('*.pth')} == {'epoch_1.pth', 'epoch_2.pth'}
    losses = [float(loss) for loss in re.findall(r'held_out_mse: ([\d.]+)', output)]
    assert len(losses) == 2 and losses[1] != losses[0]
    pictures = sorted(work_dir.rglob('vis_image/reconstruction_*.png'))
    assert [path.stem[-1] for path in pictures] == ['1', '2']
    assert cv2.imread(str(pictures[0])).shape[1] == 2 * (480 + 4)


def test_the_visual_backends_hold_losses_rates_and_pictures(pretrained):
    work_dir, _ = pretrained
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(next(work_dir.rglob('events.out.tfevents*')).parent))
    events.Reload()
    assert {'loss', 'lr', 'held_out_mse'} <= set(events.Tags()['scalars'])
    assert 'reconstruction' in events.Tags()['images']
    run = next(work_dir.rglob('offline-run-*/*.wandb'))
    assert run.stat().st_size and list(run.parent.rglob('media/images/reconstruction_*.png'))


def test_resuming_is_exact(pretraining, pretrained, tmp_path):
    work_dir, _ = pretrained
    assert run_inside('tools/train.py', pretraining, '--resume', work_dir / 'epoch_1.pth', '--work-dir', tmp_path,
                      '--cfg-options', 'train_dataloader.num_workers=2') == 0
    start = torch.load(work_dir / 'epoch_1.pth', weights_only=True)['state_dict']
    straight, resumed = (torch.load(folder / 'epoch_2.pth', weights_only=True) for folder in (work_dir, tmp_path))
    assert any(not torch.equal(start[name], tensor) for name, tensor in straight['state_dict'].items())
    for name, tensor in straight['state_dict'].items():
        assert torch.equal(tensor, resumed['state_dict'][name]), name
    for key, state in straight['optimizer']['state'].items():
        assert torch.equal(state['exp_avg'], resumed['optimizer']['state'][key]['exp_avg'])


# Orders of patches that the images themselves decide, so that they do not depend on who shares the work.
CONTENT_ORDER = """
from mae_mm.models import pretrainer
from mae_mm.registry import MODELS


@MODELS.register_module()
class ByContent(pretrainer.MaskedAutoencoder):
    def loss(self, inputs, data_samples=None, **kwargs):
        patches = pretrainer.patchify(inputs, self.backbone.patch_size)
        return super().loss(inputs, ids_shuffle=patches.mean(dim=2).argsort(dim=1))
"""


@pytest.fixture
def whole(pretraining, tmp_path, monkeypatch):
    """A config of one step in proportion to the gradient; the weights before the step, and after it."""
    (tmp_path / 'content_order.py').write_text(CONTENT_ORDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    overlay = tmp_path / 'steady.py'
    overlay.write_text(f"_base_ = '{pretraining}'\n"
                       "custom_imports = dict(imports=['mae_mm', 'content_order'])\n"
                       "model = dict(type='mae_mm.ByContent')\n"
                       "train_dataloader = dict(sampler=dict(shuffle=False), batch_size=12)\n"
                       "train_cfg = dict(max_epochs=1)\nparam_scheduler = []\n"
                       "optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=.5, weight_decay=0.))\n")
    assert run_inside('tools/train.py', overlay, '--work-dir', tmp_path / 'one') == 0
    assert run_inside('tools/train.py', overlay, '--work-dir', tmp_path / 'start', '--cfg-options',
                      'optim_wrapper.optimizer.lr=0') == 0
    start, one = (torch.load(tmp_path / name / 'epoch_1.pth')['state_dict'] for name in ('start', 'one'))
    assert max((one[name] - start[name]).abs().max() for name in one) > 1e-2  # far above the tolerance below
    return overlay, one


def test_the_step_of_a_whole_batch_is_that_of_its_parts(whole, tmp_path):
    overlay, one = whole
    output = run_tool('tools/dist_train.sh', overlay, 2, '--work-dir', tmp_path / 'two', '--cfg-options',
                      'train_dataloader.batch_size=6', PYTHONPATH=str(tmp_path))
    assert len(re.findall(r'Epoch\(train\)', output)) == 1
    parts = tmp_path / 'parts'
    assert run_inside('tools/train.py', overlay, '--work-dir', parts, '--cfg-options', 'accumulate=2') == 0
    for name in ('two', 'parts'):
        weights = torch.load(tmp_path / name / 'epoch_1.pth')['state_dict']
        for key, tensor in one.items():
            torch.testing.assert_close(weights[key], tensor, rtol=0, atol=1e-6, msg=lambda text, key=key: key + text)


def test_the_held_out_mse_of_a_checkpoint_is_that_of_its_training(pretraining, pretrained, tmp_path):
    work_dir, output = pretrained
    assert run_inside('tools/test.py', pretraining, work_dir / 'epoch_2.pth', '--work-dir', tmp_path,
                      '--show-dir', tmp_path / 'pictures', '--cfg-options', 'test_dataloader.batch_size=1') == 0
    loss = json.loads((tmp_path / 'metrics.json').read_text())['metrics']['held_out_mse']
    assert float(re.findall(r'held_out_mse: ([\d.]+)', output)[-1]) == pytest.approx(loss, abs=1e-4)
    pictures = list((tmp_path / 'pictures').glob('*.png'))
    assert pictures and all(cv2.imread(str(path)).shape == (32, 3 * 32 + 8, 3) for path in pictures)


def test_a_linear_probe_separates_what_is_linear():
    torch.manual_seed(0)
    labels = torch.arange(300) % 3
    features = torch.nn.functional.one_hot(labels).float() * 5 + torch.randn(300, 3)
    assert linear_accuracy((features[:200], labels[:200]), (features[200:], labels[200:])) > .95
    noise = torch.randn(300, 3)
    assert linear_accuracy((noise[:200], labels[:200]), (noise[200:], labels[200:])) < .6


def test_the_probe_prints_a_line_for_each_checkpoint(pretraining, pretrained, tmp_path):
    work_dir, _ = pretrained
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for name, level in (('dark', 40), ('light', 200)):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(6):
                image = rng.integers(level - 30, level + 30, size=(32, 32, 3)).astype(np.uint8)
                cv2.imwrite(str(tmp_path / split / name / f'{i}.png'), image)
    output = run_tool('tools/probe.py', pretraining, 'untrained', work_dir / 'epoch_2.pth', '--cfg-options',
                      f'data_root={tmp_path}')
    assert '12 training images and 12 test images of 2 classes' in output
    lines = output.strip().splitlines()[-2:]
    assert lines[0].endswith('  untrained') and lines[1].endswith(f'  {work_dir}/epoch_2.pth')
    assert float(lines[1].split()[0]) == 100.


def settings(name, **options):
    cfg = read_config(str(ROOT / 'configs/pretrain' / f'{name}.py'), options)
    fit_to_hardware(cfg, 'none')
    return cfg


def test_the_recipe_is_the_published_one():
    for name, epochs in (('mae_vit-base-p16_8xb512-amp-coslr-300e_in1k', 300),
                         ('mae_vit-large-p16_8xb512-amp-coslr-1600e_in1k', 1600),
                         ('mae_vit-huge-p14_8xb512-amp-coslr-1600e_in1k', 1600)):
        cfg = settings(name)
        assert cfg.optim_wrapper.optimizer == dict(type='AdamW', lr=1.5e-4 * 16, betas=(.9, .95), weight_decay=.05)
        assert cfg.param_scheduler == dict(type='mae_mm.WarmupCosineLR', warmup=40, convert_to_iter_based=True)
        parts = cfg.optim_wrapper.get('accumulative_counts', 1)
        assert cfg.train_cfg.max_epochs == epochs and cfg.train_dataloader.batch_size * parts == 512
        assert cfg.model.backbone.get('patch_size', 16) == (14 if 'huge' in name else 16)
        crop = cfg.train_dataloader.dataset.pipeline[1]
        assert (crop.type, crop['size'], crop.area) == ('mae_mm.LoadCrop', 224, (.2, 1.))


def test_parts_of_a_batch_are_one_setting():
    cfg = settings('mae_vit-base-p16_8xb512-amp-coslr-300e_in1k', accumulate=4)
    assert cfg.train_dataloader.batch_size == 128 and cfg.optim_wrapper.accumulative_counts == 4
    with pytest.raises(InputError, match='accumulate=3 does not divide train_dataloader.batch_size=512'):
        settings('mae_vit-base-p16_8xb512-amp-coslr-300e_in1k', accumulate=3)
    cfg = read_config(str(ROOT / 'configs/mae/upernet_mae-tiny_1x8_256x256_400_camvid.py'), {'accumulate': 2})
    assert cfg.train_cfg.accumulate == cfg.optim_wrapper.accumulative_counts == 2
    assert cfg.train_dataloader.batch_size == 4


def test_weight_decay_and_the_scaled_rate(pretraining, tmp_path):
    cfg = read_config(str(pretraining), {'auto_scale_lr.enable': True, 'accumulate': 2}, str(tmp_path))
    fit_to_hardware(cfg, 'none')
    runner = Runner.from_cfg(cfg)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.scale_lr(wrapper, runner.auto_scale_lr)
    groups = wrapper.optimizer.param_groups
    assert len(groups) == 2 and {group['lr'] for group in groups} == {1e-2 * 4 / 4096}
    decayed = {name: group['weight_decay'] for group in groups for name in group['param_name']}
    assert set(decayed) == {name for name, p in runner.model.named_parameters() if p.requires_grad}
    vectors = {name for name, p in runner.model.named_parameters() if p.ndim == 1 or name.endswith('token')}
    assert {name for name, decay in decayed.items() if decay == 0} == vectors
    assert {decay for name, decay in decayed.items() if name not in vectors} == {.05}


def test_a_loss_that_is_not_finite_stops_the_run(error_of, pretraining, tmp_path):
    error = error_of('tools/train.py', pretraining, '--work-dir', tmp_path, '--cfg-options', 'param_scheduler=[]',
                     'optim_wrapper.optimizer.lr=1e30', 'train_cfg.max_epochs=50')
    assert re.search(r'the loss is (nan|inf) in iteration \d+, for \S+\.png', error)
    kept = re.search(r'(\S+epoch_\d+\.pth) is kept, and --resume goes on from there', error)
    weights = torch.load(kept[1], weights_only=True)['state_dict'] if kept else {}
    assert kept or 'there is no checkpoint yet' in error
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_images_that_cannot_be_used(error_of, pretraining, images, tmp_path):
    def train(folder, *options):
        return error_of('tools/train.py', pretraining, '--work-dir', tmp_path / 'w', '--cfg-options',
                        f'data_root={folder}', *options)

    assert 'none: no such folder' in train(tmp_path / 'none')
    (tmp_path / 'empty').mkdir()
    assert 'empty: no images there' in train(tmp_path / 'empty')
    broken = tmp_path / 'broken'
    broken.mkdir()
    for i in range(20):
        (broken / f'{i}.png').write_bytes(b'no image')
    assert re.search(r'\d+\.png cannot be read as an image', train(broken))
    assert re.search(r'\d+\.png cannot be read as an image', train(broken, 'train_dataloader.num_workers=2'))
    assert 'mask_ratio=0.97 leaves 0 of 16 patches visible' in train(images, 'model.mask_ratio=.97')
    assert '16 cannot be divided among 5 heads' in train(images, 'model.decoder.num_heads=5')

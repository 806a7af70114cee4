"""Views of an image, images that are replaced, workers."""
import re
from itertools import cycle, islice

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mae_mm.config import hardware
from mae_mm.config.reading import read_config
from mae_mm.config.settle import settle
from mae_mm.datasets import EpochSampler, ImageFolder, LoadCrop, LoadImage
from mae_mm.engine.runner import Runner
from mae_mm.errors import InputError

from .conftest import run_inside
from .test_loader import photo

FOLDER = 'pretrain/mae_vit_folder'


def epochs(sampler, count):
    for epoch in range(count):
        sampler.set_epoch(epoch)
        yield list(sampler)


@pytest.mark.parametrize('images, views, world', [
    (12, 3, 1), (12, 3, 2), (13, 4, 1), (13, 4, 3), (10, 1, 2), (3, 4, 1)])
def test_views_of_an_image_follow_each_other_and_epochs_share_the_images(images, views, world, monkeypatch):
    def sampler(rank, world=world):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (rank, world))
        return EpochSampler(range(images), num_views=views, seed=5)

    drawn = [list(epochs(sampler(rank), views)) for rank in range(world)]
    keys = [draw.key for of_rank in drawn for epoch in of_rank for draw in epoch]
    assert len(set(keys)) == len(keys)
    for of_rank in drawn:
        for epoch in of_rank:
            assert len(epoch) == len(sampler(0)) and 0 <= len(epoch) * world - images < views * world
            assert all(len(set(epoch[i:i + views])) == 1 for i in range(0, len(epoch), views))
    counts = np.bincount([draw for of_rank in drawn for epoch in of_rank for draw in epoch], minlength=images)
    assert counts.min() >= views and counts.sum() - images * views < views * views * world
    groups = [[iter(epoch) for epoch in of_rank] for of_rank in drawn]
    for number, epoch in enumerate(epochs(sampler(0, 1), views)):  # processes share the draws of one
        turns = cycle(of_rank[number] for of_rank in groups)
        for first in range(0, len(epoch), views):
            shared = list(islice(next(turns), views))
            assert [(draw, draw.key) for draw in shared] == [(draw, draw.key) for draw in epoch[first:first + views]]
    for start in range(0, len(drawn[0][0]) * world + 1, world):  # gone on with from anywhere
        later = sampler(0)
        later.start = start
        rest = list(later)
        assert [(draw, draw.key) for draw in rest] == [(draw, draw.key) for draw in drawn[0][0][start // world:]]


def test_an_image_is_decoded_once_for_its_views(images, monkeypatch):
    cfg = read_config(FOLDER, dict(data_root=str(images), img_size=16, num_views=4, batch_size=8))
    settle(cfg, ('train_dataloader', ))
    decoded, read = [], LoadImage.read
    monkeypatch.setattr(LoadImage, 'read', lambda self, results, shrink: decoded.append(results['img_path']) or read(
        self, results, shrink))
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=1)
    batches = list(loader)
    assert len(batches) == len(loader) == 2  # as many as without views
    assert [len(batch['inputs']) for batch in batches] == [8, 8] and len(decoded) == len(set(decoded)) == 4
    paths = [sample.img_path for batch in batches for sample in batch['data_samples']]
    assert paths == [path for path in decoded for _ in range(4)]
    views = batches[0]['inputs'][:4]
    assert all(not torch.equal(views[i], views[j]) for i in range(4) for j in range(i))


VIEWS = ('num_views=2', 'batch_size=4', 'img_size=32', 'arch=tiny', 'max_epochs=2', 'model.backbone.embed_dims=16',
         'model.backbone.arch=None', 'model.backbone.num_layers=1', 'model.backbone.num_heads=2',
         'model.decoder.embed_dims=16', 'val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False',
         'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1', 'randomness.seed=3')


def test_views_are_resumed_exactly(images, tmp_path):
    options = ('--cfg-options', f'data_root={images}', *VIEWS)
    alone = 'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False'
    assert run_inside('tools/train.py', FOLDER, '--work-dir', tmp_path / 'a', *options, *alone) == 0
    assert run_inside('tools/train.py', FOLDER, '--work-dir', tmp_path / 'b', '--resume', tmp_path / 'a/epoch_1.pth',
                      *options, 'train_dataloader.num_workers=2') == 0
    ends = [torch.load(tmp_path / name / 'epoch_2.pth', weights_only=True) for name in 'ab']
    assert all(torch.equal(value, ends[1]['state_dict'][name]) for name, value in ends[0]['state_dict'].items())
    assert ends[0]['meta']['iter'] == 6  # of 14 images in batches of 4 views


@pytest.mark.parametrize('settings, says', [
    (dict(num_views=0), 'train_dataloader.sampler.num_views=0 is not a whole number from 1 on'),
    (dict(num_views=1.5), 'train_dataloader.sampler.num_views=1.5 is not a whole number from 1 on'),
    (dict(num_views=3), 'num_views=3 does not divide train_dataloader.batch_size=8: all views of an image'),
    (dict(num_views=8, accumulate=2), 'num_views=8 does not divide train_dataloader.batch_size=4'),
    (dict(num_views=16, batch_size=32), '14 training images are too few for 1 processes and num_views=16'),
    (dict(on_broken='skip'), "on_broken='skip' is not 'stop' or 'replace'"),
    (dict(max_broken=2), 'max_broken=2 is not a share from 0 to 1'),
    (dict(img_size=0), 'LoadCrop: size=0 is neither a side in pixels nor (height, width)')])
def test_settings_that_cannot_be_used(images, settings, says):
    with pytest.raises((InputError, ValueError), match=re.escape(says)):
        cfg = read_config(FOLDER, dict(data_root=str(images), **{'batch_size': 8, **settings}))
        settle(cfg, ('train_dataloader', ))


def test_views_without_crops_have_no_effect(images):
    cfg = read_config(FOLDER, dict(data_root=str(images), num_views=2))
    cfg.train_dataloader.dataset.pipeline[1] = dict(type='mae_mm.LoadImage')
    with pytest.raises(InputError, match='num_views=2 has no effect without mae_mm.LoadCrop'):
        settle(cfg, ('train_dataloader', ))


@pytest.mark.parametrize('argument', [dict(size=0), dict(size=(1, 2, 3)), dict(area=(0, 1)), dict(area=(.5, .2)),
                                      dict(ratio=(2, 1)), dict(flip=2)])
def test_crops_that_cannot_be_taken(argument):
    with pytest.raises(InputError, match=f'LoadCrop: {next(iter(argument))}='):
        LoadCrop(**dict(dict(size=8), **argument))


def test_few_images_make_a_batch_of_whole_images(images):
    cfg = read_config(FOLDER, dict(data_root=str(images), num_views=4, batch_size=64))
    settle(cfg, ('train_dataloader', ))
    assert cfg.train_dataloader.batch_size == 12 and cfg.optim_wrapper.optimizer.lr == pytest.approx(
        1.5e-3 * 64 / 256 * 12 / 64)


# Broken images


@pytest.fixture
def some_broken(tmp_path):
    for i in range(20):
        Image.fromarray(photo('coffee')[i:i + 40, :40]).save(tmp_path / f'{i:02}.png')
    (tmp_path / '03.png').write_bytes(b'no image')
    (tmp_path / '11.png').write_bytes(b'')
    return str(tmp_path)


def test_broken_images_stop_or_are_replaced(some_broken, monkeypatch):
    told = []
    monkeypatch.setattr('mae_mm.datasets.broken.print_log', lambda text, **_: told.append(text))
    pipeline = [dict(type='mae_mm.SeedSample'), dict(type='mae_mm.LoadCrop', size=8), dict(type='mae_mm.PackInputs')]

    def folder(**settings):
        return ImageFolder(data_root=some_broken, pipeline=pipeline, **settings)

    with pytest.raises(InputError, match='03.png cannot be read as an image; mend it or remove it$'):
        folder()[3]
    sampler = EpochSampler(range(20), seed=2)
    passes = []
    for _ in range(2):
        some = folder(on_broken='replace', max_broken=.1)
        passes.append([some[draw] for draw in sampler] + [some[draw] for draw in sampler])
        assert some.broken.sum() == 2 and some.broken.is_shared()
    assert len(told) == 4 and sum('03.png cannot be read' in text for text in told) == 2  # once for each data set
    assert all('others are trained on in its place (image' in text for text in told)
    paths = [sample['data_samples'].img_path for sample in passes[0]]
    assert len(paths) == 40 and not [path for path in paths if path.endswith(('03.png', '11.png'))]
    for first, second in zip(*passes, strict=True):  # a function of the seed and the place
        assert torch.equal(first['inputs'], second['inputs'])
    some = folder(on_broken='replace', max_broken=.05)
    with pytest.raises(InputError, match=r'it is the 2\. of 20 images that cannot be used, and max_'):
        [some[draw] for draw in sampler]


def test_a_run_goes_on_past_a_broken_image(some_broken, tmp_path_factory, error_of):
    work_dir = tmp_path_factory.mktemp('run')
    options = ('--cfg-options', f'data_root={some_broken}', 'held_out=.1', *VIEWS[1:],
               'train_dataloader.num_workers=1', 'val_dataloader=None', 'val_cfg=None', 'val_evaluator=None')
    assert 'cannot be read as an image' in error_of('tools/train.py', FOLDER, '--work-dir', work_dir, *options)
    assert run_inside('tools/train.py', FOLDER, '--work-dir', work_dir, '--overwrite', *options,
                      'on_broken=replace', 'max_broken=.2') == 0
    assert 'max_broken=0.01 allows no more' in error_of(
        'tools/train.py', FOLDER, '--work-dir', work_dir, '--overwrite', *options, 'on_broken=replace')


# The machine


def test_workers_are_the_cores_of_a_process(monkeypatch):
    monkeypatch.setattr(hardware.os, 'sched_getaffinity', lambda _: range(32), raising=False)
    for name in ('LOCAL_WORLD_SIZE', 'SLURM_CPUS_PER_TASK'):
        monkeypatch.delenv(name, raising=False)
    assert hardware.cores_of_process('none') == 32
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '8')
    assert hardware.cores_of_process('pytorch') == 4
    monkeypatch.setenv('SLURM_CPUS_PER_TASK', '6')
    assert hardware.cores_of_process('slurm') == 6
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '64')
    assert hardware.cores_of_process('pytorch') == 1
    for device, pinned in (('cpu', None), ('cuda', True)):
        monkeypatch.setattr(hardware, 'get_device', lambda device=device: device)
        cfg = Config(dict(train_dataloader=dict(num_workers=8), val_dataloader=dict(num_workers=0)))
        hardware.fit_to_hardware(cfg, 'none')
        assert cfg.train_dataloader.num_workers == 1 and cfg.val_dataloader.num_workers == 0
        assert cfg.train_dataloader.get('pin_memory') == pinned

"""Settings of the command line: each takes effect wherever a config uses it, or is refused by its name."""
import re

import cv2
import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS

from mae_mm.config import config_names, read_config, settle
from mae_mm.config.reading import RUNNER_KEYS, VARIABLES
from mae_mm.errors import InputError
from mae_mm.models.architectures import ARCHITECTURES

from .conftest import ROOT

# Variable -> another value than any config has.
SETTINGS = dict(
    img_size=112, crop_size=(96, 160), batch_size=6, lr=.123, max_epochs=7, max_iters=77, warmup_epochs=.5,
    warmup_iters=5, base_batch_size=633, min_lr=3e-7, img_ratios=[.3, 1.], held_out=.4, arch='small', amp=False,
    checkpoint='/some/file.pth', data_root='/some/where', reduce_zero_label=True, class_weight='frequency',
    num_views=3, on_broken='replace', max_broken=.3)
# What a kind of config has, changeable with full effect.
SHARED = {'pretrain': {'data_root', 'img_size', 'batch_size', 'max_epochs', 'lr', 'num_views', 'on_broken',
                       'max_broken'},
          'finetune': {'data_root', 'img_size', 'batch_size', 'max_epochs', 'lr', 'checkpoint'},
          'linear_probe': {'data_root', 'img_size', 'batch_size', 'max_epochs', 'lr', 'checkpoint'},
          'mae': {'data_root', 'crop_size', 'batch_size', 'max_iters', 'lr', 'checkpoint', 'arch'},
          'knn': {'data_root', 'img_size', 'batch_size', 'checkpoint', 'arch'}}
NO_WINDOWS = r'.*(_ms|_ms-whole|_whole|_aspect_).*'  # whole images, or the windows of the config above


def read_by_runs(cfg):
    return {key: value for key, value in cfg._cfg_dict.to_dict().items() if key in RUNNER_KEYS - VARIABLES}


@pytest.mark.parametrize('name', config_names())
def test_every_variable_of_every_config_takes_effect(name):
    plain = read_config(name)
    for key, value in SETTINGS.items():
        if key in plain and key != 'data_root' and plain[key] != value:
            try:
                changed = read_config(name, {key: value})
            except InputError as error:  # refused, and by its name
                assert f'--cfg-options {key}=' in str(error) and key not in SHARED.get(name.split('/')[0], ())
                continue
            assert changed[key] == value and read_by_runs(changed) != read_by_runs(plain), key
    roots = read_config(name, dict(data_root='/some/where'))
    assert roots.test_dataloader.dataset.data_root == '/some/where'


@pytest.mark.parametrize('name', [name for name in config_names() if 'demo' not in name])
def test_configs_of_a_kind_share_their_settings(name):
    kind = name.split('/')[0]
    shared = SHARED[kind] - ({'crop_size'} if re.match(NO_WINDOWS, name) else set())
    assert not shared - set(read_config(name)._cfg_dict)


@pytest.mark.parametrize('size', [(32, 48), [48, 32], 32], ids=str)
@pytest.mark.parametrize('name', ['pretrain/mae_vit_folder', 'finetune/vit_folder', 'knn/vit_knn_folder'])
def test_a_rectangle_is_height_and_width(name, size, tmp_path):
    cv2.imwrite(str(tmp_path / 'narrow.png'), np.zeros((200, 40, 3), np.uint8))
    cfg = read_config(name, dict(data_root=str(tmp_path), img_size=size))
    for loader in ('train_dataloader', 'test_dataloader'):
        sample = dict(img_path=str(tmp_path / 'narrow.png'), sample_idx=0, gt_label=0)
        for step in cfg[loader].dataset.pipeline:
            if 'SeedSample' not in step.type:
                sample = TRANSFORMS.build(step)(sample)
        assert tuple(sample['inputs'].shape[1:]) == (tuple(size) if size != 32 else (32, 32)), loader
    assert cfg.model.backbone.img_size == size


def test_a_size_reaches_pipelines_model_and_tests():
    cfg = read_config('pretrain/mae_vit_folder', dict(img_size=96, batch_size=32, held_out=.3))
    assert cfg.train_dataloader.dataset.pipeline[1]['size'] == cfg.model.backbone.img_size == 96
    assert cfg.test_dataloader.dataset.pipeline[-2].crop_size == 96
    assert (cfg.train_dataloader.batch_size, cfg.optim_wrapper.optimizer.lr) == (32, 1.5e-3 * 32 / 256)
    assert {cfg[f'{split}_dataloader'].dataset.held_out for split in ('train', 'val', 'test')} == {.3}
    cfg = read_config('mae/upernet_folder', dict(crop_size=(96, 160), max_iters=20))
    assert cfg.model.backbone.img_size == cfg.model.test_cfg.crop_size == cfg.model.data_preprocessor.size == (96, 160)
    assert cfg.param_scheduler[1].end == cfg.train_cfg.max_iters == 20 and cfg.param_scheduler[0].end == 5


def test_a_config_that_inherits_has_the_settings_too(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{ROOT}/configs/pretrain/mae_vit_folder.py'\nfactor = 2\n"
                    "optim_wrapper = dict(optimizer=dict(weight_decay=.1 * factor))\n"
                    "sizes = dict(inner=dict(value=1))\nmodel = dict(mask_ratio=.1 * sizes['inner']['value'])\n")
    cfg = read_config(str(path), {'img_size': 64, 'factor': 3, 'sizes.inner.value': 5})
    assert cfg.model.backbone.img_size == 64 and cfg.model.mask_ratio == .5
    assert cfg.optim_wrapper.optimizer.weight_decay == pytest.approx(.3)


def test_what_feeds_nothing_is_refused(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{ROOT}/configs/pretrain/mae_vit_folder.py'\n_unused = 2\n"
                    "train_dataloader = dict(batch_size=7)\nval_dataloader = dict(batch_size=7)\n"
                    "test_dataloader = val_dataloader\nauto_scale_lr = dict(base_batch_size=7)\n"
                    "optim_wrapper = dict(optimizer=dict(lr=1.))\n")
    for key in ('_unused', 'batch_size', 'lr'):
        with pytest.raises(InputError, match=f"--cfg-options {key}=5: '{key}' changes no setting of the run"):
            read_config(str(path), {key: 5})
    with pytest.raises(InputError, match="the config has no 'img_sise'; is it 'img_size'?"):
        read_config(str(path), dict(img_sise=5))
    with pytest.raises(InputError, match='batch_size=many: not a number; the config has 64'):
        read_config('pretrain/mae_vit_folder', dict(batch_size='many'))
    assert read_config('pretrain/mae_vit_folder', dict(data_root=2024)).train_dataloader.dataset.data_root == '2024'


def test_modules_that_are_asked_for_are_imported(tmp_path, monkeypatch):
    (tmp_path / 'asked_for.py').write_text('raise ImportError')
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match='asked_for'):
        read_config('pretrain/mae_vit_folder', {'custom_imports.imports': ['mae_mm', 'asked_for']})


def test_widths_of_configs_are_those_of_the_backbone():
    for name in ('finetune/vit_folder', 'mae/upernet_folder'):
        assert read_config(name).widths == {arch: sizes['embed_dims'] for arch, sizes in ARCHITECTURES.items()}


def test_classes_are_stated_once(tmp_path):
    path = tmp_path / 'two.py'
    path.write_text(f"_base_ = '{ROOT}/configs/mae/upernet_mae-tiny_1x8_256x256_400_camvid.py'\n"
                    "two = dict(metainfo=dict(_delete_=True, classes=('a', 'b'), palette=[[0, 0, 0], [9, 9, 9]]))\n"
                    "train_dataloader = dict(dataset=two, batch_size=1)\nval_dataloader = dict(dataset=two)\n"
                    "test_dataloader = val_dataloader\n")
    with pytest.raises(InputError, match=r'model.decode_head.num_classes=11, and the data has 2 classes \(a, b\)'):
        settled(path)
    path.write_text(path.read_text() + 'model = dict(decode_head=dict(num_classes=2), '
                                       'auxiliary_head=dict(num_classes=2))\n')
    cfg = settled(path)
    checks = [step.num_classes for loader in ('train', 'val', 'test')
              for step in cfg[f'{loader}_dataloader'].dataset.pipeline if 'CheckLabels' in step.type]
    assert checks == [2, 2, 2]


def settled(path, **options):
    cfg = read_config(str(path), options)
    cfg.pop('train_cfg')  # whose batches would look at the folder
    settle(cfg, ('train_dataloader', 'val_dataloader', 'test_dataloader'))
    return cfg


def test_a_warmup_is_shorter_than_its_run():
    for epochs in (1, 2, 3, 30):
        cfg = read_config('finetune/vit_folder', dict(max_epochs=epochs))
        assert cfg.param_scheduler.warmup < cfg.train_cfg.max_epochs == epochs


@pytest.mark.parametrize('options', [{}, {'data_root': '/some/where'}, {'crop_size': (96, 96)}])
def test_a_setting_that_changes_nothing_is_refused_whatever_else_is_given(options):
    """Masks by queries have no class weights; a setting beside them that has an effect does not hide that."""
    with pytest.raises(InputError, match="'class_weight' changes no setting of the run"):
        read_config('mae/segment_folder', dict(options, head='mask', class_weight='frequency'))
    assert read_config('mae/segment_folder', dict(options, head='linear', class_weight='frequency'))

"""Heads for a plain encoder: trained, tested, exported; a linear one, and those of mmsegmentation."""
import contextlib

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.models.segmentors import EncoderDecoder as PeerSegmentor
from mmseg.registry import MODELS

import mae_mm
from mae_mm.apis.exporting import Exportable, export_model
from mae_mm.apis.inspecting import inspect_checkpoint
from mae_mm.apis.objects import find_objects
from mae_mm.config import settle
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.reading import read_config
from mae_mm.config.shapes import check_shapes

from .conftest import run_inside
from .peers import randomise
from .scene_tools import TEST, TINY, TRAIN, arguments, split_up

HEADS = ['linear', 'dpt', 'segmenter', 'mask', 'mask_decoder']
FOLDER = 'mae/segment_folder'


def folder_arguments(folder, work_dir, head):
    options = arguments(folder, work_dir, head=head, trainable_layers=0)
    return [option for option in options if str(option).partition('=')[0] not in idle(head)]


def idle(head):
    """The settings that a head does not read, which are refused."""
    return {'head_channels', *(['depth'] if head in ('linear', 'segmenter', 'mask') else []),
            *(['width'] if head == 'mask' else [])}


@pytest.mark.parametrize('head', HEADS)
def test_a_folder_is_trained_on(head, folder, tmp_path):
    options = folder_arguments(folder, tmp_path / 'w', head)
    assert run_inside(TRAIN, FOLDER, *options) == 0
    assert 'mIoU' in next((tmp_path / 'w').glob('*/vis_data/scalars.json')).read_text()
    if head == 'mask':
        assert run_inside(TEST, FOLDER, tmp_path / 'w/iter_2.pth', '--tta', *options) == 0
        check_objects(mae_mm.load(tmp_path / 'w/iter_2.pth'), folder)


def check_objects(model, folder):
    for found in find_objects(model, folder / 'images', threshold=0., progress=False):
        assert found.masks.shape[1:] == (64, 80) and found.masks.dtype == torch.bool
        assert len(found.scores) == 50 and (found.scores.diff() <= 0).all() and found.classes.max() < 3
    whole, = find_objects(model, folder / 'images/00.jpg', kind='panoptic', threshold=0., visible=0.)
    assert whole.ids.shape == (64, 80) and whole.ids.max() < len(whole.classes)
    assert model.features(folder / 'images/00.jpg').shape == (1, 16)
    with pytest.raises(mae_mm.InputError, match="kind='boxes' is none of instances, panoptic"):
        find_objects(model, folder / 'images', kind='boxes')


@pytest.mark.parametrize('head', HEADS)
def test_camvids_configs_train_on_whatever_is_there(head, folder, tmp_path):
    split_up(folder, labels='annotations')
    settings = {'data_root': folder, 'crop_size': '64,64', 'model.test_cfg.stride': '48,48', 'max_iters': 2,
                'batch_size': 2, **{
        f'{loader}_dataloader.{key}': value for loader in ('train', 'val') for key, value in (
            ('num_workers', 0), ('persistent_workers', False))}}
    config = f'mae/{head.replace("_", "-")}_mae-tiny_1x8_256x256_400_camvid'
    assert run_inside(TRAIN, config, '--work-dir', tmp_path / 'w', '--cfg-options',
                      *(f'{key}={value}' for key, value in settings.items())) == 0
    assert 'mIoU' in next((tmp_path / 'w').glob('*/vis_data/scalars.json')).read_text()


LAYOUTS = {'voc12': ('JPEGImages/{name}.jpg', 'SegmentationClass/{name}.png'),
           'cityscapes': ('leftImg8bit/{split}/town/{name}_leftImg8bit.png',
                          'gtFine/{split}/town/{name}_gtFine_labelTrainIds.png')}


@pytest.mark.parametrize('data', LAYOUTS)
def test_the_linear_protocol_on_other_data(data, tmp_path, error_of):
    root = tmp_path / 'data'
    settings = {'data_root': root, 'crop_size': '64,64', 'scale': '96,64', 'model.test_cfg.stride': '48,48',
                'arch': 'tiny', 'model.backbone.init_cfg': None, 'max_iters': 2, 'amp': False,
                **{f'{loader}_dataloader.{key}': value for loader in ('train', 'val') for key, value in (
                    ('num_workers', 0), ('persistent_workers', False))}}
    command = [TRAIN, f'mae/linear_mae-base_fp16_8x2_512x512_40k_{data}', '--work-dir', tmp_path / 'w',
               '--cfg-options', *(f'{key}={value}' for key, value in settings.items())]
    assert str(root) in error_of(*command)
    rng = np.random.default_rng(0)
    for split, name in [(split, f'{split}_{i}') for split in ('train', 'val') for i in range(2)]:
        image, label = (root / path.format(split=split, name=name) for path in LAYOUTS[data])
        for path, values in ((image, rng.integers(256, size=(64, 96, 3))),
                             (label, rng.choice([0, 5, 18, 255], size=(64, 96)))):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), values.astype(np.uint8))
    if data == 'voc12':
        assert 'train.txt: no such file (train_dataloader, ann_file)' in error_of(*command)
        (root / 'ImageSets/Segmentation').mkdir(parents=True)
        for split in ('train', 'val'):
            (root / f'ImageSets/Segmentation/{split}.txt').write_text(f'{split}_0\n{split}_1\n')
    assert run_inside(*command) == 0
    assert 'mIoU' in next((tmp_path / 'w').glob('*/vis_data/scalars.json')).read_text()


@pytest.mark.parametrize('head', HEADS)
def test_inspect_knows_the_head(head, tmp_path):
    cfg = read_config(FOLDER, {'head': head, 'crop_size': (64, 64), 'model.decode_head.num_classes': 2})
    init_default_scope(cfg.default_scope)
    fit_to_hardware(cfg, 'none')
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'a.pth')
    assert inspect_checkpoint(str(tmp_path / 'a.pth'))['config'] == (
        f'mae/segment_folder --cfg-options head={head} crop_size=64,64')


def built(head, size=(32, 48)):
    """The folder's config as the smallest model, in eval mode, whose every part has a say in the output."""
    options = {key: value for key, value in TINY.items() if key not in idle(head)}
    cfg = read_config(FOLDER, {**options, 'head': head, 'model.decode_head.num_classes': 3, 'crop_size': size})
    fit_to_hardware(cfg, 'none')
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    randomise(model)
    if head.startswith('mask'):
        model.decode_head.set_shares([0.] * 3)
    return model


@pytest.mark.parametrize('head, kind', [('mask', 'onnx'), ('mask_decoder', 'pt2')])
def test_any_size_is_exported(head, kind, tmp_path):
    model = Exportable(built(head))
    assert model(torch.rand(1, 3, 32, 48) * 255).std() > 1e-3
    assert export_model(model, str(tmp_path / f'any.{kind}'), dynamic=True) < 1e-4


def test_a_program_that_sizes_change_is_told(tmp_path):
    with pytest.raises(mae_mm.InputError, match='of DPTHead is not the same for all sizes'):
        export_model(Exportable(built('dpt')), str(tmp_path / 'any.pt2'), dynamic=True)


@torch.no_grad()
@pytest.mark.parametrize('head', HEADS)
def test_sliding_windows_are_mmsegs(head):
    """Of mmseg's segmentor, which runs one window after another, with our parts."""
    model, peer = built(head), built(head)
    peer.__class__ = PeerSegmentor
    images = torch.randn(2, 3, 40, 80)
    metas = [dict(ori_shape=(40, 80), img_shape=(40, 80), pad_shape=(40, 80), padding_size=[0] * 4)] * 2
    expected = peer.inference(images, metas)
    assert expected.std() > 1e-3
    torch.testing.assert_close(model.inference(images, metas), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_linear_head_is_a_norm_and_a_matrix():
    init_default_scope('mmseg')
    head = MODELS.build(dict(type='mae_mm.LinearHead', in_channels=24, num_classes=5, norm_cfg=dict(type='BN')))
    randomise(head)
    pairs = [(torch.randn(2, 6, 3, 4), torch.randn(2, 6)) for _ in range(2)]
    pixels = torch.cat([part for maps, token in pairs
                        for part in (maps, token[:, :, None, None].expand_as(maps))], dim=1)
    pixels = pixels.permute(0, 2, 3, 1).flatten(0, 2)
    for training in (False, True):
        head.train(training)
        mean, var = (pixels.mean(0), pixels.var(0, correction=0)) if training else (
            head.norm.running_mean, head.norm.running_var)
        normed = (pixels - mean) / (var + head.norm.eps).sqrt() * head.norm.weight + head.norm.bias
        expected = normed @ head.conv_seg.weight.flatten(1).t() + head.conv_seg.bias
        torch.testing.assert_close(head(pairs).permute(0, 2, 3, 1).flatten(0, 2), expected, rtol=0, atol=1e-5)
    assert head.dropout is None


@pytest.mark.parametrize('head', ['DPTHead', 'SegmenterMaskTransformerHead'])
def test_mmsegs_heads_are_mmsegs(head):
    ours, peer = MODELS.get(f'mae_mm.{head}'), MODELS.get(f'mmseg.{head}')
    assert issubclass(ours, peer) and ours.forward is peer.forward


@pytest.mark.parametrize('head, side, refused', [('dpt', 32, True), ('dpt', 48, False), ('linear', 16, True),
                                                 ('linear', 32, False), ('mask', 16, False)])
def test_a_norm_of_one_value_is_refused(head, side, refused, folder):
    cfg = read_config(FOLDER, {'head': head, 'crop_size': (side, side), 'batch_size': 1, 'data_root': str(folder)})
    with pytest.raises(mae_mm.InputError, match='needs two images') if refused else contextlib.nullcontext():
        settle(cfg, ('train_dataloader', 'val_dataloader'))


@pytest.mark.parametrize('options, says', [
    ({'head': 'masks'}, "head='masks' is none of linear, dpt, segmenter, mask, mask_decoder"),
    ({'head': 'dpt', 'model.backbone.out_type': 'featmap'}, "out_type='featmap', and model.decode_head reads "
                                                            "'featmap\\+cls_token'"),
    ({'head': 'segmenter', 'model.backbone.out_type': 'featmap+prefix'}, "reads 'featmap'"),
    ({'head': 'linear', 'model.backbone.out_type': 'featmap+cls_token'}, 'the backbone gives 384 channels'),
    ({'head': 'mask', 'class_weight': 'frequency'}, "'class_weight' changes no setting"),
])
def test_heads_and_backbones_that_do_not_fit(options, says):
    with pytest.raises(mae_mm.InputError, match=says):
        check_shapes(read_config(FOLDER, options))

"""A convolution of upsampled maps, and the segmentation head made of it beside mmsegmentation's."""
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mae_mm import InputError
from mae_mm.apis.exporting import Exportable
from mae_mm.models import upsampled
from mae_mm.models.heads import losses
from mae_mm.models.upsampled import conv_of_upsampled

from .conftest import ROOT
from .peers import randomise, segmentor
from .test_segmentor import BACKBONE, images, metas

SIZES = [  # of the full map, then of those that are upsampled to it
    ((16, 16), [(8, 8), (4, 4), (2, 2)]),
    ((33, 47), [(17, 24), (9, 12), (5, 6)]),
    ((7, 20), [(2, 13), (7, 3), (1, 1)]),
    ((6, 5), [(6, 5), (5, 5), (9, 2)]),  # no growth, too little, and a side that shrinks
    ((1, 9), [(1, 4), (1, 1)]),
    ((3, 2), []),
]
LEVELS = [(33, 47), (17, 24), (9, 12), (5, 6)]
WIDTHS = [5, 6, 7, 8]


def literally(x, maps, weight, bias, align_corners):
    large = [F.interpolate(m, x.shape[2:], mode='bilinear', align_corners=align_corners) for m in maps]
    return F.conv2d(torch.cat([x, *large], 1), weight, bias, padding=1)


@pytest.mark.parametrize('way', ['_add_by_taps', '_add_at_once'], ids=['processor', 'card'])
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size, sizes', SIZES, ids=lambda value: str(value))
def test_convolving_and_upsampling_commute(size, sizes, align_corners, way, monkeypatch):
    monkeypatch.setattr(upsampled, '_add_by_taps', getattr(upsampled, way))
    torch.manual_seed(0)
    tensors = [torch.randn(2, 3 + i, *s, dtype=torch.float64) for i, s in enumerate([size, *sizes])]
    weight = torch.randn(4, sum(t.shape[1] for t in tensors), 3, 3, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64)
    results = []
    for function in (literally, conv_of_upsampled):
        inputs = [t.clone().requires_grad_() for t in (weight, bias, *tensors)]
        with torch.no_grad():
            untracked = function(inputs[2], inputs[3:], *inputs[:2], align_corners)
        out = function(inputs[2], inputs[3:], *inputs[:2], align_corners)
        gradients = torch.autograd.grad(out.sin().sum(), inputs)
        results.append((untracked, out, *gradients))
    for expected, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


def test_no_input_is_changed():
    tensors = [torch.randn(1, 2, 8, 8), torch.randn(1, 2, 4, 4), torch.randn(3, 4, 3, 3), torch.randn(3)]
    before = [t.clone() for t in tensors]
    with torch.no_grad():
        conv_of_upsampled(tensors[0], tensors[1:2], *tensors[2:], align_corners=False)
    assert all(torch.equal(a, b) for a, b in zip(before, tensors, strict=True))


def test_mixed_precision():
    x, z, weight = torch.randn(1, 16, 8, 8), torch.randn(1, 16, 4, 4), torch.randn(8, 32, 3, 3)
    expected = conv_of_upsampled(x, [z], weight, None, False)
    with torch.autocast('cpu', torch.bfloat16):
        ours = conv_of_upsampled(x, [z], weight.requires_grad_(), None, False)
    assert ours.dtype == torch.bfloat16
    assert (ours - expected).std() < .02 * expected.std()
    ours.float().sum().backward()
    assert weight.grad is not None and weight.grad.isfinite().all()


def heads(**settings) -> list[nn.Module]:
    """mmsegmentation's head and ours, with the same weights."""
    init_default_scope('mmseg')
    common = dict(in_channels=WIDTHS, in_index=[0, 1, 2, 3], channels=9, num_classes=5, dropout_ratio=0.,
                  norm_cfg=dict(type='BN'))
    peer, ours = (MODELS.build({'type': name, **common, **settings}) for name in ('UPerHead', 'mae_mm.UPerHead'))
    randomise(peer)
    ours.load_state_dict(peer.state_dict(), strict=True)
    return [peer, ours]


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
@pytest.mark.parametrize('settings', [
    dict(align_corners=False), dict(align_corners=True), dict(norm_cfg=None), dict(act_cfg=None),
    dict(norm_cfg=dict(type='GN', num_groups=3)), dict(norm_cfg=None, act_cfg=dict(type='GELU')),
    dict(pool_scales=(1, 4)),
], ids=str)
def test_the_same_function_as_mmsegmentations_head(settings, training):
    torch.manual_seed(0)
    maps = [torch.randn(2, width, *size) for width, size in zip(WIDTHS, LEVELS, strict=True)]
    results = []
    for head in heads(**settings):
        head.train(training)
        inputs = [m.clone().requires_grad_() for m in maps]
        logits = head(inputs)
        logits.sin().sum().backward()
        gradients = {name: p.grad for name, p in head.named_parameters()}
        gradients.update((f'map {i}', m.grad) for i, m in enumerate(inputs))
        results.append((logits, gradients, dict(head.named_buffers())))
    (expected, gradients, buffers), (ours, our_gradients, our_buffers) = results
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-4)
    assert expected.std() > .01  # a constant would agree with anything
    assert our_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        largest = max(gradient.abs().max().item(), 1e-3)  # before a norm in training a bias has none but noise
        assert (our_gradients[name] - gradient).abs().max() < 1e-3 * largest, name
    for name, buffer in buffers.items():
        torch.testing.assert_close(our_buffers[name], buffer, rtol=0, atol=1e-5, msg=name)


def test_same_names_same_initial_weights():
    init_default_scope('mmseg')
    states = []
    for name in ('UPerHead', 'mae_mm.UPerHead'):
        torch.manual_seed(0)
        states.append(MODELS.build(dict(type=name, in_channels=WIDTHS, in_index=[0, 1, 2, 3], channels=9,
                                        num_classes=5)).state_dict())
    expected, ours = states
    assert list(ours) == list(expected)
    assert all(torch.equal(ours[name], expected[name]) for name in expected)


def test_other_convolutions_are_refused():
    init_default_scope('mmseg')
    with pytest.raises(InputError, match='Conv2dAdaptivePadding'):
        MODELS.build(dict(type='mae_mm.UPerHead', in_channels=WIDTHS, in_index=[0, 1, 2, 3], channels=9,
                          num_classes=5, conv_cfg=dict(type='Conv2dAdaptivePadding')))


def test_the_concatenated_map_does_not_exist():
    peer, ours = heads()
    shapes: list[list[int]] = []

    class Shapes(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if function is torch.cat:
                shapes[-1].append(result.shape[1])
            return result

    maps = [torch.randn(2, width, *size) for width, size in zip(WIDTHS, LEVELS, strict=True)]
    for head in (peer, ours):
        shapes.append([])
        with Shapes(), torch.no_grad():
            head.eval()(maps)
    assert 4 * 9 in shapes[0] and 4 * 9 not in shapes[1]


def test_upernet_configs_have_it():
    model = Config.fromfile(str(ROOT / 'configs/demo/upernet_mae-tiny_64x64_digits.py')).model
    init_default_scope('mmseg')
    segmentor = MODELS.build(model)
    assert type(segmentor.decode_head).__module__.startswith('mae_mm.models.heads.')


@torch.no_grad()
@pytest.mark.parametrize('head', [dict(type='EncHead', num_codes=4, in_channels=[48] * 4, in_index=[0, 1, 2, 3]),
                                  dict(type='EncHead', num_codes=4, in_channels=[48] * 2, in_index=[2, 3],
                                       use_se_loss=False),
                                  dict(type='DAHead', pam_channels=8, in_channels=48, in_index=3)])
def test_heads_that_predict_by_themselves_are_mmsegs(head):
    def build_with(type_):
        model = segmentor(BACKBONE, type_=type_)
        model.decode_head = MODELS.build(dict(**head, channels=16, num_classes=5, norm_cfg=dict(type='BN')))
        randomise(model)
        return model.eval()

    inputs = images(2, 100, 64)
    ours = build_with('mae_mm.EncoderDecoder')
    peer = build_with('EncoderDecoder').inference(inputs, metas(inputs))
    assert peer.std() > 1e-2
    torch.testing.assert_close(ours.inference(inputs, metas(inputs)), peer, rtol=0, atol=1e-5)
    window = inputs[:, :, :64] * 50 + 100
    whole = ours.encode_decode(window.flip(1), metas(window))  # BGR, as images are loaded
    torch.testing.assert_close(Exportable(ours)(window), whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize('ignored', [False, True])
def test_losses_and_accuracy_are_those_of_mmseg(ignored):
    """Where all pixels are ignored, ours says that none is right, and mmseg that all are."""
    init_default_scope('mmseg')
    settings = dict(in_channels=8, in_index=0, channels=8, num_classes=5, num_convs=1, dropout_ratio=0.,
                    loss_decode=[dict(type='CrossEntropyLoss', loss_name='loss_ce', loss_weight=.4),
                                 dict(type='DiceLoss', loss_name='loss_dice')])
    ours, theirs = (MODELS.build(dict(type=type_, **settings)) for type_ in ('mae_mm.FCNHead', 'FCNHead'))
    ours.load_state_dict(theirs.state_dict())
    labels = torch.randint(5, (2, 16, 12))
    labels[:, :4 if not ignored else None] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]
    maps = [torch.randn(2, 8, 8, 6)]
    found, expected = (head.loss(maps, samples, None) for head in (ours, theirs))
    if ignored:
        assert found.pop('acc_seg') == 0 and expected.pop('acc_seg') == 100
    assert set(found) == set(expected) >= {'loss_ce', 'loss_dice'}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value.squeeze(), msg=name)


@pytest.mark.parametrize('settings', [{}, {'avg_non_ignore': True}, {'class_weight': [1., .5, 2., 0., 3.]},
                                      {'loss_weight': .4}], ids=str)
def test_a_cross_entropy_is_mmsegs_and_sees_one_image_at_a_time(settings, monkeypatch):
    init_default_scope('mmseg')
    head = dict(in_channels=8, in_index=0, channels=8, num_classes=5, num_convs=1, dropout_ratio=0.,
                loss_decode=dict(type='CrossEntropyLoss', **settings))
    ours, theirs = (MODELS.build(dict(type=type_, **head)) for type_ in ('mae_mm.FCNHead', 'FCNHead'))
    ours.load_state_dict(theirs.state_dict())
    labels = torch.randint(5, (3, 16, 12))
    labels[1, 2:9] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]
    maps = torch.randn(3, 8, 8, 6)
    sizes, interpolate = [], F.interpolate
    monkeypatch.setattr(losses, 'PART_BYTES', 4 * 5 * 16 * 12)
    monkeypatch.setattr(F, 'interpolate', lambda x, *args, **kwargs: sizes.append(len(x)) or interpolate(
        x, *args, **kwargs))
    found, gradients = [], []
    for peer in (ours, theirs):
        inputs = maps.clone().requires_grad_()
        found.append(peer.loss([inputs], samples, None))
        (2 * found[-1]['loss_ce']).backward()
        gradients.append([inputs.grad, *(parameter.grad for parameter in peer.parameters())])
    assert sizes[:4] == [1, 1, 1, 3]
    torch.testing.assert_close(found[0]['loss_ce'], found[1]['loss_ce'])
    torch.testing.assert_close(found[0]['acc_seg'], found[1]['acc_seg'].squeeze())
    for mine, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-8)
    with torch.no_grad():
        torch.testing.assert_close(ours.loss([maps], samples, None)['loss_ce'], found[1]['loss_ce'].detach())


def test_class_weights_go_with_a_mean_over_the_pixels_that_count():
    """mmseg's own loss fails there; torch's is what its settings say."""
    weights = [1., .5, 2., 0., 3.]
    init_default_scope('mmseg')
    head = MODELS.build(dict(type='mae_mm.FCNHead', in_channels=8, in_index=0, channels=8, num_classes=5, num_convs=0,
                             concat_input=False, dropout_ratio=0., loss_decode=dict(
                                 type='CrossEntropyLoss', class_weight=weights, avg_non_ignore=True)))
    labels = torch.randint(5, (2, 16, 12))
    labels[0, :3] = 255
    logits = torch.randn(2, 5, 16, 12)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]
    expected = F.cross_entropy(logits, labels, torch.tensor(weights), ignore_index=255)
    torch.testing.assert_close(head.loss_by_feat(logits, samples)['loss_ce'], expected)


def test_the_preprocessor_is_mmsegs():
    settings = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True, size=(24, 32),
                    seg_pad_val=255)
    init_default_scope('mmseg')
    ours, theirs = (MODELS.build(dict(type=type_, **settings)) for type_ in (
        'mae_mm.SegPreprocessor', 'SegDataPreProcessor'))
    images = [torch.randint(256, (3, 20, 32), dtype=torch.uint8), torch.randint(256, (3, 24, 24), dtype=torch.uint8)]
    outputs = []
    for preprocessor in (ours, theirs):
        samples = [SegDataSample(metainfo=dict(img_shape=tuple(image.shape[1:])),
                                 gt_sem_seg=PixelData(data=torch.ones(1, *image.shape[1:]))) for image in images]
        outputs.append(preprocessor(dict(inputs=list(images), data_samples=samples), training=True))
    assert torch.equal(outputs[0]['inputs'], outputs[1]['inputs'])
    for mine, other in zip(*(output['data_samples'] for output in outputs), strict=True):
        assert torch.equal(mine.gt_sem_seg.data, other.gt_sem_seg.data)

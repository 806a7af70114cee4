"""The segmentor: sliding windows, padding, whole images of any shape."""
import weakref

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mae_mm.models import MAE
from mae_mm.models.attention import BiasTable, biased_attention, hide_keys
from mae_mm.models.bias_cache import BiasCache
from mae_mm.models.patches import patches_beyond
from mae_mm.models.position import relative_position_index
from mae_mm.models.segmentor import coverage, starts

from .peers import TINY, randomise, segmentor

BACKBONE = dict(type='mae_mm.MAE', img_size=64, rel_pos_bias=True, init_values=1., final_norm=False, **TINY)


def build(type_='mae_mm.EncoderDecoder', **test_cfg):
    model = segmentor(BACKBONE, type_=type_)
    model.test_cfg = ConfigDict({**model.test_cfg, **test_cfg})
    randomise(model)
    return model.eval()


def images(batch, height, width, seed=0):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def metas(inputs):
    shape = tuple(inputs.shape[2:])
    return [dict(ori_shape=shape, img_shape=shape, pad_shape=shape, padding_size=[0] * 4) for _ in inputs]


@pytest.mark.parametrize('side, window, stride', [
    (64, 64, 48), (65, 64, 48), (200, 64, 48), (160, 64, 64), (30, 30, 48)])
def test_windows_cover_a_side(side, window, stride):
    positions = starts(side, window, stride)
    assert positions[0] == 0 and positions[-1] == side - window and positions == sorted(set(positions))
    counts = coverage(side, window, positions)
    assert counts.min() >= 1 and counts.sum() == window * len(positions)


@torch.no_grad()
@pytest.mark.parametrize('size', [(64, 64), (64, 100), (130, 97), (200, 64)])
@pytest.mark.parametrize('window_batch', [1, 3, 100])
def test_sliding_windows_are_mmsegs(size, window_batch):
    inputs = images(2, *size)
    peer = build('EncoderDecoder').inference(inputs, metas(inputs))
    ours = build(window_batch=window_batch).inference(inputs, metas(inputs))
    assert peer.std() > 1e-2
    torch.testing.assert_close(ours, peer, rtol=0, atol=1e-5)
    half = build(window_batch=window_batch, logits_dtype='float16').inference(inputs, metas(inputs))
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), peer, rtol=0, atol=2e-3 * peer.abs().max().item())


class PeakMemory(TorchDispatchMode):
    """The most bytes that tensors made inside have taken at a time."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.known = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage):
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key, size):
        self.known.discard(key)
        self.now -= size


@torch.no_grad()
def test_a_sliding_test_takes_twice_the_memory_of_its_logits():
    model = build(window_batch=2)
    model.decode_head.conv_seg = torch.nn.Conv2d(16, 200, 1)  # so that logits outweigh the model
    model.out_channels = 200
    inputs = images(1, 320, 480)
    with PeakMemory() as window:
        model.decode_head(model.extract_feat(inputs[:, :, :64, :64].expand(2, -1, -1, -1)))
    with PeakMemory() as whole:
        sample = SegDataSample(metainfo=metas(inputs)[0])
        done = model.predict(inputs, [sample])
    logits = done[0].seg_logits.data
    assert logits.shape == (200, 320, 480)
    assert whole.peak <= 2 * logits.nbytes + window.peak + 200 * 64 * 64 * 4 + 10 * inputs.nbytes


@pytest.mark.parametrize('test_cfg, says', [
    (dict(stride=(65, 48)), r'a stride of \(65, 48\) leaves gaps between windows of \(64, 64\)'),
    (dict(crop=(8, 8), stride=(8, 8)), r'windows of \(8, 8\) are not multiples of the patch 16'),
    (dict(stride=(0, 48)), 'leaves gaps')])
def test_windows_that_cannot_be(test_cfg, says):
    with pytest.raises(ValueError, match=says):
        segmentor(BACKBONE, type_='mae_mm.EncoderDecoder', **test_cfg)


def test_hidden_keys_have_no_weight():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 13, 6, requires_grad=True)
    padding = torch.zeros(2, 13, dtype=torch.bool)
    padding[0, 9:] = padding[1, 5] = True
    bias = BiasTable(torch.randn(7 * 5 + 3, 4), relative_position_index((4, 3), torch.device('cpu')))
    expected = F.scaled_dot_product_attention(
        q, k, v, bias.spread().masked_fill(padding[:, None, None], -torch.inf))
    found = biased_attention(*hide_keys(q, k, v, padding), bias)
    torch.testing.assert_close(found[..., :6], expected)
    assert not found[..., 6:].any()
    weights = torch.randn_like(expected)
    for a, b in zip(*(torch.autograd.grad((out * weights).sum(), (q, k, v)) for out in (found[..., :6], expected)),
                    strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_patches_of_padding():
    beyond = patches_beyond([(32, 48), (17, 16)], (2, 3), 16, torch.device('cpu'))
    assert beyond.tolist() == [[False] * 6, [False, True, True, False, True, True]]


@pytest.mark.parametrize('bias', [False, True])
def test_padding_is_not_looked_at(bias):
    model = MAE(img_size=64, rel_pos_bias=bias, **TINY)
    randomise(model)
    batch = images(2, 48, 64).requires_grad_()
    sizes = [(48, 64), (32, 40)]
    kept = ~patches_beyond(sizes, (3, 4), 16, batch.device).view(2, 1, 3, 4)
    maps = model.train()(batch, sizes)
    sum((output * kept).square().sum() for output in maps).backward()
    assert not batch.grad[1, :, 32:].any() and not batch.grad[1, :, :, 48:].any() and batch.grad[1, :, :32, :48].all()
    other = batch.detach().clone()
    other[1, :, 32:] = 9.
    for a, b in zip(maps, model(other, sizes), strict=True):
        torch.testing.assert_close(a * kept, b * kept)
    for a, b in zip(model(other), model(other, [(48, 64)] * 2), strict=True):
        torch.testing.assert_close(a, b)


def test_a_padded_batch_of_a_segmentor_trains_on_its_images_alone():
    model = build().train()
    model.decode_head.dropout = None
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # statistics would be of the padding too
    samples = []
    for height, width in ((64, 96), (48, 64)):
        labels = torch.full((1, 64, 96), 255)
        labels[:, :height, :width] = torch.randint(5, (height, width))
        sample = SegDataSample(metainfo=dict(img_shape=(height, width), pad_shape=(64, 96)))
        sample.set_data(dict(gt_sem_seg=PixelData(data=labels)))
        samples.append(sample)
    seen = []
    forward = model.backbone.forward
    model.backbone.forward = lambda inputs, sizes=None: seen.append(sizes) or forward(inputs, sizes)
    losses = model.loss(images(2, 64, 96), samples)
    assert seen == [[(64, 96), (48, 64)]] and losses['decode.loss_ce'].isfinite()


@torch.no_grad()
def test_a_transposed_image_gives_the_transposed_logits():
    model, turned = build(mode='whole'), build(mode='whole')
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.dim() == 4:
            state[name] = tensor.transpose(2, 3)
        elif name.endswith('pos_embed'):
            turned_over = tensor[:, 1:].unflatten(1, (4, 4)).transpose(1, 2).flatten(1, 2)
            state[name] = torch.cat([tensor[:, :1], turned_over], dim=1)
        elif name.endswith('bias_table'):
            state[name] = torch.cat([tensor[:-3].unflatten(0, (7, 7)).transpose(0, 1).flatten(0, 1), tensor[-3:]])
    turned.load_state_dict(state)
    inputs = images(1, 64, 112)
    expected = model.inference(inputs, metas(inputs))
    found = turned.inference(inputs.transpose(2, 3), metas(inputs.transpose(2, 3)))
    torch.testing.assert_close(found.transpose(2, 3), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_little_wider_image_gives_nearly_the_same(trained, config):
    cfg = Config.fromfile(config)
    init_default_scope('mmseg')
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(trained[0] / 'iter_6.pth')['state_dict'])
    wide = resize(images(1, 4, 5), size=(32, 40), mode='bilinear')
    logits = [resize(model(part), size=part.shape[2:], mode='bilinear')[..., :32] for part in (wide[..., :32], wide)]
    centred = [part - part.mean(dim=(2, 3), keepdim=True) for part in logits]
    shifted = centred[1].roll(16, dims=3)
    near, chance = ((centred[0] - other).square().mean() for other in (centred[1], shifted))
    assert near < chance / 4


def test_biases_are_kept_within_a_bound():
    table = torch.randn(7 * 7 + 3, 2)
    cache = BiasCache(num_layers=2, limit_bytes=2 * 2 * 17 * 17 * 4 + 2 * 2 * 9 * 9 * 4)
    first = [cache.bias(layer, table, (4, 4), (4, 4)) for layer in (0, 1)]
    assert cache.bias(0, table, (4, 4), (4, 4)) is first[0] and first[0].shape == (1, 2, 17, 17)
    for layer in (0, 1):
        cache.bias(layer, table, (4, 4), (2, 4))
    assert set(cache.grids) == {(4, 4), (2, 4)} and cache.num_bytes() == cache.limit_bytes
    cache.bias(0, table, (4, 4), (4, 4))
    cache.bias(0, table, (4, 4), (4, 2))
    assert set(cache.grids) == {(4, 4), (4, 2)}  # the one that was used longest ago went
    assert isinstance(cache.bias(0, table, (4, 4), (5, 5)), BiasTable) and cache.num_bytes() <= cache.limit_bytes
    table += 1
    assert cache.bias(0, table, (4, 4), (4, 4)) is not first[0]


def test_attention_of_many_tokens_goes_by_heads(monkeypatch):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 13, 6)
    bias = BiasTable(torch.randn(7 * 5 + 3, 4), relative_position_index((4, 3), torch.device('cpu')))
    expected = biased_attention(q, k, v, bias)
    monkeypatch.setattr('mae_mm.models.attention.SPREAD_BYTES', 3 * 13 * 13 * 4)
    torch.testing.assert_close(biased_attention(q, k, v, bias), expected)


@torch.no_grad()
def test_an_image_of_any_size_is_padded_and_cut_back():
    model = build(mode='whole')
    model.data_preprocessor.test_cfg = dict(size_divisor=16)
    image = images(1, 50, 70)[0]
    done = model.test_step(dict(inputs=[image], data_samples=[SegDataSample(metainfo=metas(image[None])[0])]))[0]
    padded = F.pad(image[None], (0, 10, 0, 14))
    expected = resize(model._forward(padded), size=(64, 80), mode='bilinear')[0, :, :50, :70]
    torch.testing.assert_close(done.seg_logits.data, expected)
    assert done.pred_sem_seg.data.shape == (1, 50, 70)
    with pytest.raises(ValueError, match='50x70 image: not a multiple of the patch 16; crop or pad it to 64x80'):
        model.backbone(image[None])

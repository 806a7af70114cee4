"""What a CUDA card computes, beside float64 on the processor of the same machine and beside the installed peers."""
import copy
import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from mae_mm import MAE, MAEDecoder, MaskedAutoencoder
from mae_mm.checkpoint import load_weights
from mae_mm.engine.compiling import compile_model
from mae_mm.engine.late import LateOutputs
from mae_mm.models.attention import BiasTable, biased_attention, hide_keys
from mae_mm.models.interpolation import enlarge
from mae_mm.models.position import relative_position_index
from mae_mm.models.upsampled import conv_of_upsampled

from .conftest import run_inside
from .peers import TINY, randomise, segmentor

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no CUDA card on this machine')
OUTPUTS, GRADIENTS = 2e-5, 1e-4  # relative errors of float32
HALVES = [torch.bfloat16, torch.float16]
AS_PEER = 1.3  # times a peer's error in half precision


@pytest.fixture(autouse=True)
def float32_is_float32():
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('highest')
    tf32, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    yield
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = tf32


def difference(found, golden) -> float:
    """Relative error of tensors, or of all tensors in lists together."""
    if isinstance(found, torch.Tensor):
        found, golden = [found], [golden]
    pairs = [(f.detach().double().cpu(), g.detach().double().cpu()) for f, g in zip(found, golden, strict=True)]
    return math.sqrt(sum((f - g).square().sum().item() for f, g in pairs)
                     / sum(g.square().sum().item() for _, g in pairs))


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def check_against_float64(model, compute, *inputs):
    """Outputs and gradients on the card beside those of a float64 copy on the processor."""
    golden = copy.deepcopy(model).double()
    expected = compute(golden, *(x.double() if x.is_floating_point() else x for x in inputs))
    expected.square().sum().backward()
    model = model.cuda()
    found = compute(model, *(x.cuda() for x in inputs))
    found.square().sum().backward()
    assert difference(found, expected) < OUTPUTS
    theirs = gradients(golden)
    assert set(gradients(model)) == set(theirs) and theirs
    for name, gradient in gradients(model).items():
        assert difference(gradient, theirs[name]) < GRADIENTS, name


def pretrainer(**kwargs):
    model = MaskedAutoencoder(MAE(img_size=64, embed_dims=48, num_layers=4, num_heads=3, **kwargs),
                              MAEDecoder(embed_dims=32, num_layers=2, num_heads=4))
    randomise(model)
    return model


def orders(batch, patches):
    return torch.stack([torch.randperm(patches) for _ in range(batch)])


@pytest.mark.parametrize('with_cp', [False, True])
def test_pretraining(with_cp):
    def losses(model, images, ids):
        return model.loss(images, ids_shuffle=ids)['loss']

    check_against_float64(pretrainer(with_cp=with_cp).train(), losses, torch.randn(3, 3, 64, 96), orders(3, 24))


@pytest.mark.parametrize('out_type', ['cls_token', 'avg_featmap', 'featmap'])
@pytest.mark.parametrize('bias', [False, True])
def test_backbones(out_type, bias):
    """The pooled class token alone is one query of its last layer; its table learns too."""
    model = MAE(img_size=64, embed_dims=48, num_layers=3, num_heads=3, out_type=out_type, rel_pos_bias=bias)
    randomise(model)
    check_against_float64(model.train(), lambda model, images: model(images)[0], torch.randn(2, 3, 64, 80))


def our_segmentor(**kwargs):
    backbone = dict(type='mae_mm.MAE', img_size=(64, 64), rel_pos_bias=True, init_values=1.0, final_norm=False,
                    **{**TINY, **kwargs})
    model = segmentor(backbone, type_='mae_mm.EncoderDecoder')
    head = dict(type='mae_mm.UPerHead', in_channels=[48] * 4, in_index=[0, 1, 2, 3], pool_scales=(1, 2, 3, 6),
                channels=16, num_classes=5, norm_cfg=dict(type='BN'), align_corners=False, dropout_ratio=0.)
    init_default_scope('mmseg')
    model.decode_head = MODELS.build(head)
    randomise(model)
    return model


def samples_of(labels, sizes=None):
    samples = []
    for i, label in enumerate(labels):
        size = tuple(label.shape) if sizes is None else sizes[i]
        sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size, pad_shape=tuple(label.shape)))
        sample.gt_sem_seg = PixelData(data=label[None])
        samples.append(sample)
    return samples


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('sizes', [None, [(128, 128), (96, 64)]], ids=['whole', 'padded'])
def test_segmentation(sizes, with_cp):
    """The batch norms keep their statistics: those of float32 would be compared with others."""
    def losses(model, images, labels):
        return model.loss(images, samples_of(labels, sizes))['decode.loss_ce']

    model = our_segmentor(with_cp=with_cp).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    check_against_float64(model, losses, torch.randn(2, 3, 128, 128), torch.randint(5, (2, 128, 128)))


def test_enlarging_logits():
    logits = torch.randn(2, 5, 12, 20, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 5, 48, 80, dtype=torch.double)
    found = logits.detach().cuda().float().requires_grad_()
    (F.interpolate(logits, (48, 80), mode='bilinear') * weight).sum().backward()
    (enlarge(found, (48, 80), False) * weight.cuda()).sum().backward()
    assert difference(found.grad, logits.grad) < OUTPUTS


@pytest.mark.parametrize('dtype', HALVES, ids=str)
def test_a_cross_entropy_in_parts(dtype):
    """Its memory is that of one of the four images, whose logits at full size take 150 MiB in float32."""
    init_default_scope('mmseg')
    head = MODELS.build(dict(type='mae_mm.FCNHead', in_channels=8, in_index=0, channels=8, num_classes=150,
                             num_convs=0, concat_input=False, norm_cfg=None))
    labels = torch.randint(150, (4, 512, 512), device='cuda')
    labels[1, :100] = 255
    logits = torch.randn(4, 150, 128, 128, device='cuda', dtype=dtype, requires_grad=True)
    golden = logits.detach().double().cpu().requires_grad_()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with torch.autocast('cuda', dtype):
        loss = head.loss_by_feat(logits, samples_of(labels, None))['loss_ce']
    (1000 * loss).backward()
    assert torch.cuda.max_memory_allocated() - before < 4.5 * 150 * 2**20
    enlarged = F.interpolate(golden, (512, 512), mode='bilinear')
    expected = F.cross_entropy(enlarged, labels.cpu(), ignore_index=255, reduction='sum') / labels.numel()
    (1000 * expected).backward()
    assert difference(loss, expected) < 1e-3
    assert difference(logits.grad, golden.grad) < 1e-2


@pytest.mark.parametrize('side', [(16, 16), (64, 48)], ids=['few', 'many'])
def test_convolution_of_upsampled_maps(side):
    x, maps = torch.randn(2, 8, *side), [torch.randn(2, 8, side[0] // 2**i, side[1] // 2**i) for i in (1, 2, 3)]
    weight = torch.randn(4, 32, 3, 3)
    expected = F.conv2d(torch.cat([x, *(F.interpolate(m, side, mode='bilinear') for m in maps)], 1).double(),
                        weight.double(), padding=1)
    found = conv_of_upsampled(x.cuda(), [m.cuda() for m in maps], weight.cuda(), None, False)
    assert difference(found, expected) < OUTPUTS


def test_evaluating_between_steps_sees_the_new_tables():
    model = our_segmentor().cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=.1)
    images = torch.randn(2, 3, 64, 64, device='cuda')
    for _ in range(2):
        model.eval()
        with torch.no_grad():
            kept = model.backbone(images)
            again = model.backbone(images)
        golden = copy.deepcopy(model.backbone).double().cpu()
        golden._bias_cache.clear()
        with torch.no_grad():
            expected = golden(images.double().cpu())
        assert difference(kept, expected) < OUTPUTS
        assert all(torch.equal(a, b) for a, b in zip(kept, again, strict=True))
        model.train()
        model.loss(images, samples_of(torch.randint(5, (2, 64, 64), device='cuda')))['decode.loss_ce'].backward()
        optimizer.step()


@pytest.mark.parametrize('size', [(64, 64), (112, 80)])
def test_sliding_windows(size):
    model = our_segmentor().eval()
    image, meta = torch.randn(1, 3, *size), [dict(ori_shape=size, img_shape=size, pad_shape=size)]
    golden = copy.deepcopy(model).double()
    with torch.no_grad():
        expected = golden.slide_inference(image.double(), meta)
        assert difference(model.cuda().slide_inference(image.cuda(), meta), expected) < OUTPUTS


BACKENDS = [SDPBackend.MATH, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION]


@pytest.mark.parametrize('tokens', [50, 64, 65, 192, 197])
@pytest.mark.parametrize('wanted', [slice(None), slice(0, 1)], ids=['all', 'one'])
@pytest.mark.parametrize('backend', BACKENDS, ids=lambda backend: backend.name)
def test_every_attention_kernel(backend, wanted, tokens):
    """Also with one query, and with the numbers of tokens that kernels have got wrong."""
    q, k, v = (torch.randn(2, 3, tokens, 64, dtype=torch.double, requires_grad=True) for _ in range(3))
    F.scaled_dot_product_attention(q[:, :, wanted], k, v).square().sum().backward()
    golden = [x.grad for x in (q, k, v)]
    found = [x.detach().cuda().bfloat16().requires_grad_() for x in (q, k, v)]
    with sdpa_kernel(backend):
        F.scaled_dot_product_attention(found[0][:, :, wanted], *found[1:]).square().sum().backward()
    assert difference([x.grad for x in found], golden) < .02


@pytest.mark.parametrize('grid', [(4, 4), (7, 9)])
@pytest.mark.parametrize('dtype', [torch.float32, *HALVES])
@pytest.mark.parametrize('padded', [False, True])
def test_bias_of_a_table(grid, dtype, padded):
    """With the table's gradient, whose sums over thousands of pairs are float32's."""
    tokens, rows = grid[0] * grid[1] + 1, (2 * grid[0] - 1) * (2 * grid[1] - 1) + 3
    q, k, v = (torch.randn(2, 3, tokens, 16, dtype=torch.double) for _ in range(3))
    table = torch.randn(rows, 3, dtype=torch.double)
    padding = torch.zeros(2, tokens, dtype=torch.bool)
    padding[1, -5:] = True

    def run(device, kind):
        given = [x.clone().to(device, kind).requires_grad_() for x in (q, k, v)]
        learned = table.clone().to(device, torch.promote_types(kind, torch.float32)).requires_grad_()
        inputs = hide_keys(*given, padding.to(device)) if padded else given
        bias = BiasTable(learned, relative_position_index(grid, torch.device(device)))
        out = biased_attention(*inputs, bias)[..., :16]
        out.float().square().sum().backward() if kind != torch.double else out.square().sum().backward()
        return [out, *(x.grad for x in given), learned.grad]

    golden, found = run('cpu', torch.double), run('cuda', dtype)
    assert found[-1].dtype == torch.float32
    for mine, theirs in zip(found, golden, strict=True):
        assert difference(mine, theirs) < (GRADIENTS if dtype == torch.float32 else .02)


def error_in(dtype, model, compute, *inputs):
    """Error of outputs and of gradients under mixed precision, beside float64."""
    golden = copy.deepcopy(model).double()
    expected = compute(golden, *(x.double() if x.is_floating_point() else x for x in inputs))
    expected.sum().backward()
    model = copy.deepcopy(model).cuda()
    with torch.autocast('cuda', dtype):
        found = compute(model, *(x.cuda() for x in inputs))
    found.sum().backward()
    theirs, mine = gradients(golden), gradients(model)
    return difference(found, expected), difference([mine[name] for name in theirs], list(theirs.values()))


@pytest.mark.parametrize('dtype', HALVES)
def test_half_precision_of_pretraining_is_as_exact_as_the_peers(dtype, tmp_path):
    sizes = dict(hidden_size=96, num_hidden_layers=6, num_attention_heads=3, intermediate_size=384, image_size=112)
    config = ViTMAEConfig(**sizes, decoder_hidden_size=64, decoder_num_hidden_layers=3, decoder_num_attention_heads=4,
                          decoder_intermediate_size=256, layer_norm_eps=1e-6, norm_pix_loss=True,
                          attn_implementation='sdpa')
    peer = ViTMAEForPreTraining(config)
    peer.init_weights()
    peer.save_pretrained(tmp_path)
    ours = MaskedAutoencoder(MAE(img_size=112, embed_dims=96, num_layers=6, num_heads=3),
                             MAEDecoder(embed_dims=64, num_layers=3, num_heads=4))
    ours.load_state_dict(load_weights(str(tmp_path)))
    images, ids = torch.randn(8, 3, 112, 112), orders(8, 49)
    noise = ids.argsort(dim=1).double()  # which is sorted into these orders
    mine = error_in(dtype, ours.train(), lambda model, x: model.loss(x, ids_shuffle=ids.to(x.device))['loss'], images)
    theirs = error_in(dtype, peer.train(), lambda model, x: model(x, noise=noise.to(x.device)).loss, images)
    assert mine[1] < AS_PEER * theirs[1], (mine, theirs)
    assert mine[0] < max(AS_PEER * theirs[0], 1e-3), (mine, theirs)  # one number, which may agree by chance


@pytest.mark.parametrize('dtype', HALVES)
def test_half_precision_of_segmentation_is_as_exact_as_the_peers(dtype):
    peer = segmentor(dict(type='MAE', img_size=(64, 64), init_values=1.0, norm_cfg=dict(type='LN', eps=1e-6), **TINY))
    randomise(peer)
    ours = our_segmentor()
    ours.load_state_dict(peer.state_dict(), strict=True)

    def logits(model, images):
        return model.decode_head(model.extract_feat(images))

    images = torch.randn(4, 3, 64, 64)
    mine, theirs = (error_in(dtype, model.eval(), logits, images) for model in (ours, peer))
    assert mine[0] < AS_PEER * theirs[0] and mine[1] < AS_PEER * theirs[1], (mine, theirs)


def test_a_step_that_overflows_is_left_out_and_the_next_is_not():
    model = pretrainer().cuda()
    wrapper = AmpOptimWrapper(optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True),
                              dtype='float16', loss_scale=dict(init_scale=2.**15, growth_interval=1000))
    images = torch.randn(2, 3, 64, 64, device='cuda')

    def step(scale):
        with wrapper.optim_context(model):
            loss = model.loss(images * scale)['loss']
        wrapper.update_params(loss)
        return [parameter.detach().clone() for parameter in model.parameters()]

    start = [parameter.detach().clone() for parameter in model.parameters()]
    bad = step(float('inf'))
    assert all(torch.equal(a, b) for a, b in zip(start, bad, strict=True))
    assert wrapper.loss_scaler.get_scale() == 2.**14
    assert not all(torch.equal(a, b) for a, b in zip(bad, step(1.), strict=True))


def test_a_batch_in_four_parts_is_one_step():
    images, ids = torch.randn(8, 3, 64, 64, device='cuda'), orders(8, 16).cuda()
    results = []
    for parts in (1, 4):
        model = pretrainer().cuda()
        start = [parameter.detach().clone() for parameter in model.parameters()]
        wrapper = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True), accumulative_counts=parts)
        for part in range(parts):
            chunk = slice(part * 8 // parts, (part + 1) * 8 // parts)
            wrapper.update_params(model.loss(images[chunk], ids_shuffle=ids[chunk])['loss'])
        results.append([p.detach() - q for p, q in zip(model.parameters(), start, strict=True)])
    assert difference(results[1], results[0]) < 1e-3


@pytest.mark.parametrize('training', [False, True])
def test_compiled_models_compute_the_same(training):
    images, ids = torch.randn(2, 3, 64, 64, device='cuda'), orders(2, 16).cuda()
    labels = torch.randint(5, (2, 64, 64), device='cuda')
    for model, compute in ((pretrainer(), lambda model: model.loss(images, ids_shuffle=ids)['loss']),
                           (our_segmentor(), lambda model: model.loss(images, samples_of(labels))['decode.loss_ce'])):
        model = model.cuda().train(training)
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        with torch.set_grad_enabled(training):
            plain = compute(model)
            expected = torch.autograd.grad(plain, list(model.backbone.layers.parameters())) if training else []
            compile_model(model)
            compiled = compute(model)
            found = torch.autograd.grad(compiled, list(model.backbone.layers.parameters())) if training else []
        assert difference(compiled, plain) < OUTPUTS
        assert not training or difference(found, expected) < GRADIENTS


@pytest.mark.parametrize('road', ['pretrain', 'segment'])
def test_a_step_does_not_wait_for_the_card(road):
    model = (pretrainer() if road == 'pretrain' else our_segmentor()).cuda().train()
    wrapper = AmpOptimWrapper(optimizer=torch.optim.AdamW(model.parameters(), fused=True), dtype='bfloat16',
                              loss_scale=dict(enabled=False))
    images = torch.randn(2, 3, 64, 64, device='cuda')
    samples = samples_of(torch.randint(5, (2, 64, 64), device='cuda'))

    def step():
        with wrapper.optim_context(model):
            losses = model(images, samples, mode='loss')
        loss, scalars = model.parse_losses(losses)
        wrapper.update_params(loss)
        return scalars

    late = LateOutputs()
    for i in range(3):
        if i == 2:
            torch.cuda.set_sync_debug_mode('error')
        try:
            outputs = late.swap(step(), i, None)
        finally:
            torch.cuda.set_sync_debug_mode('default')
    assert outputs.iteration == 1 and math.isfinite(outputs['loss']) and late.read().iteration == 2


def test_a_run_in_two_halves_ends_as_a_whole_one(images, tmp_path, capsys, monkeypatch):
    """Through the command line, in bfloat16 with the fused optimizer; the loss of its last step is looked at too."""
    options = ['--cfg-options', f'data_root={images}', 'max_epochs=4', 'batch_size=4', 'img_size=64',
               'randomness.seed=1', 'default_hooks.checkpoint.interval=2', 'default_hooks.logger.interval=1',
               'randomness.deterministic=True']
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    whole, half = tmp_path / 'whole', tmp_path / 'half'
    assert run_inside('tools/train.py', 'pretrain/mae_vit_folder', '--work-dir', whole, *options) == 0
    assert run_inside('tools/train.py', 'pretrain/mae_vit_folder', '--work-dir', half, '--resume',
                      whole / 'epoch_2.pth', *options) == 0
    torch.use_deterministic_algorithms(False)
    text = (whole / 'mae_vit_folder.py').read_text()
    assert "dtype='bfloat16'" in text and 'fused=True' in text
    one, other = (load_weights(str(folder / 'epoch_4.pth')) for folder in (whole, half))
    assert all(torch.equal(one[name], other[name]) for name in one)
    bad = tmp_path / 'bad'
    assert run_inside('tools/train.py', 'pretrain/mae_vit_folder', '--work-dir', bad, *options, 'max_epochs=1',
                      'optim_wrapper.optimizer.lr=1e30') == 2
    assert 'the loss is nan in iteration' in capsys.readouterr().err and not list(bad.glob('*.pth'))

"""Masks by queries beside transformers' EoMT; matching, points, and what cannot be."""
import itertools
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
import transformers
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mae_mm import InputError, MaskHead
from mae_mm.checkpoint import load_weights
from mae_mm.checkpoint.loading import load_into
from mae_mm.engine import AnnealMasksHook
from mae_mm.models.heads import matching
from mae_mm.models.heads.matching import Objects, objects_of, query_losses
from mae_mm.models.heads.segments import instances, panoptic
from mae_mm.models.heads.upscale import Upscale

from .conftest import run_inside
from .peers import randomise

CLASSES, QUERIES, POINTS, REGISTERS = 5, 7, 150, 2
BACKBONE = dict(type='mae_mm.MAE', img_size=64, embed_dims=32, num_layers=4, num_heads=2, init_values=1.)
IN_ENCODER = dict(out_indices=[-3], out_type='featmap+prefix')  # two layers see the queries
BEHIND = dict(out_indices=[1, 3], norm_outputs=True)
DECODER = dict(embed_dims=16, num_layers=2, num_heads=2)


def segmentor(backbone=IN_ENCODER, **head):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    head = {**dict(num_queries=QUERIES, num_points=POINTS), **head}
    model = MODELS.build(dict(
        type='mae_mm.EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone={**BACKBONE, **backbone}, decode_head=dict(type='mae_mm.MaskHead', num_classes=CLASSES, **head),
        test_cfg=ConfigDict(mode='slide', crop_size=(64, 64), stride=(48, 48))))
    model.init_weights()
    return model


def behind(**backbone):
    return segmentor({**BEHIND, **backbone}, decoder=DECODER)


def samples(labels):
    return [SegDataSample(gt_sem_seg=PixelData(data=label[None]), metainfo=dict(img_shape=tuple(label.shape)))
            for label in labels]


def labelled(batch=2, height=64, width=64):
    """Images and label maps in blocks of 16 pixels."""
    generator = torch.Generator().manual_seed(1)
    blocks = torch.randint(CLASSES, (batch, height // 16, width // 16), generator=generator)
    labels = blocks.repeat_interleave(16, 1).repeat_interleave(16, 2)
    return torch.randn(batch, 3, height, width, generator=generator), labels


@pytest.fixture(scope='module')
def eomt(tmp_path_factory):
    """transformers' model with random weights, its folder, and ours with these weights."""
    config = transformers.EomtConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, image_size=64, patch_size=16, num_blocks=2,
        num_queries=QUERIES, num_register_tokens=REGISTERS, train_num_points=POINTS,
        id2label={i: f'class {i}' for i in range(CLASSES)})
    peer = transformers.EomtForUniversalSegmentation(config)
    weight = peer.criterion.empty_weight.clone()
    randomise(peer)
    peer.criterion.empty_weight.copy_(weight)
    for parameter in peer.parameters():
        parameter.data *= 2.5
    folder = tmp_path_factory.mktemp('eomt')
    peer.save_pretrained(folder)
    ours = segmentor(dict(IN_ENCODER, num_registers=REGISTERS))
    load_into(ours, load_weights(str(folder)), 'eomt')
    return peer, folder, ours


def set_shares(peer, ours, share):
    peer.attn_mask_probs.fill_(share)
    ours.decode_head.set_shares([share] * 2)


@torch.no_grad()
@pytest.mark.parametrize('share', [0., 1.])
def test_predictions_are_those_of_transformers(eomt, share):
    peer, _, ours = eomt
    set_shares(peer.eval(), ours.eval(), share)
    images, _ = labelled()
    expected = peer(images)
    masks, scores = ours.decode_head.predict_queries(ours.extract_feat(images))
    assert expected.masks_queries_logits.std() > .3 and expected.class_queries_logits.std() > .3
    torch.testing.assert_close(masks, expected.masks_queries_logits, rtol=0, atol=1e-4)
    torch.testing.assert_close(scores, expected.class_queries_logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize('share', [1e-9, .5, 1.])
def test_the_loss_and_its_gradients_are_those_of_transformers(eomt, share):
    peer, _, ours = eomt
    set_shares(peer.train(), ours.train(), share)
    images, labels = labelled()
    objects = [objects_of(label, 255) for label in labels]
    torch.manual_seed(3)  # of points, and of the queries that are kept within their masks
    expected = peer(images, mask_labels=[found.masks for found in objects],
                    class_labels=[found.classes for found in objects]).loss
    torch.manual_seed(3)
    losses = ours.loss(images, samples(labels))
    loss = sum(losses.values())
    assert set(losses) == {'decode.loss_mask', 'decode.loss_dice', 'decode.loss_cls'}
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-4)
    expected.backward()
    loss.backward()
    pairs = [(ours.decode_head.queries, peer.query.weight),
             (ours.backbone.layers[0].ffn.layers[1].weight, peer.layers[0].mlp.fc2.weight),
             (ours.decode_head.upscale[0].conv1.weight, peer.upscale_block.block[0].conv1.weight)]
    for mine, theirs in pairs:
        assert theirs.grad.abs().max() > 1e-3
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-4)
        mine.grad = theirs.grad = None
    peer.zero_grad()
    ours.zero_grad()


@torch.no_grad()
def test_weights_go_back_to_transformers(eomt, tmp_path):
    peer, _, ours = eomt
    model = segmentor(dict(IN_ENCODER, num_registers=REGISTERS))
    model.load_state_dict(ours.state_dict())
    model.backbone.pos_embed.data[:, 0] = .3  # the class token's position, which theirs does not have
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=tuple('abcde')))),
               tmp_path / 'ours.pth')
    assert run_inside('convert', tmp_path / 'ours.pth', tmp_path / 'hf', '--to', 'huggingface', '--num-heads', 2) == 0
    again = transformers.EomtForUniversalSegmentation.from_pretrained(tmp_path / 'hf')
    assert again.config.id2label == dict(enumerate('abcde')) and again.config.num_blocks == peer.config.num_blocks
    assert torch.equal(again.criterion.empty_weight, torch.tensor([1.] * CLASSES + [.1]))
    images, _ = labelled()
    set_shares(again.eval(), model.eval(), 0.)
    masks, scores = model.decode_head.predict_queries(model.extract_feat(images))
    torch.testing.assert_close(again(images).masks_queries_logits, masks, rtol=0, atol=1e-4)
    torch.testing.assert_close(again(images).class_queries_logits, scores, rtol=0, atol=1e-4)


def original_names(state_dict):
    """The names of tue-mps/eomt, of transformers'."""
    renamed = {}
    for name, tensor in state_dict.items():
        for old, new in (('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
                         ('embeddings.position_embeddings.weight', 'pos_embed'),
                         ('embeddings.register_tokens', 'reg_token'), ('embeddings.', ''),
                         ('layer_scale1.lambda1', 'ls1.gamma'), ('layer_scale2.lambda1', 'ls2.gamma'),
                         ('attention.out_proj', 'attn.proj'), ('layers.', 'blocks.'), ('layernorm.', 'norm.')):
            if not name.startswith(('mask_head', 'upscale', 'query', 'class', 'attn', 'criterion')):
                name = name.replace(old, new)
        head = name
        for old, new in (('query.', 'q.'), ('class_predictor', 'class_head'), ('mask_head.fc1', 'mask_head.0'),
                         ('mask_head.fc2', 'mask_head.2'), ('mask_head.fc3', 'mask_head.4'),
                         ('upscale_block.block', 'upscale'), ('layernorm2d', 'norm')):
            head = head.replace(old, new)
        of_head = head != name or name.startswith('attn_mask')
        renamed[head if 'criterion' in name else f'network.{"" if of_head else "encoder.backbone."}{head}'] = tensor
    for name in [name for name in renamed if 'attention.q_proj' in name]:
        parts = [renamed.pop(name.replace('q_proj', f'{part}_proj')) for part in 'qkv']
        renamed[name.replace('attention.q_proj', 'attn.qkv')] = torch.cat(parts)
    renamed['network.encoder.backbone.pos_embed'] = renamed['network.encoder.backbone.pos_embed'][None]
    return {**renamed, 'network.encoder.pixel_mean': torch.zeros(1, 3, 1, 1)}


def test_the_projects_own_files_are_read_too(eomt, tmp_path, error_of):
    peer, folder, _ = eomt
    torch.save(original_names(peer.state_dict()), tmp_path / 'eomt.bin')
    found, expected = load_weights(str(tmp_path / 'eomt.bin')), load_weights(str(folder))
    assert found.keys() == expected.keys()
    different = {name for name in expected if not torch.equal(found[name], expected[name])}
    assert different <= {'decode_head.masked_shares'}


def test_a_folder_of_transformers_is_converted_and_inspected(eomt, tmp_path, capsys):
    _, folder, ours = eomt
    assert run_inside('convert', folder, tmp_path / 'whole.pth', '--whole') == 0
    again = load_weights(str(tmp_path / 'whole.pth'))
    assert again.keys() == ours.state_dict().keys()
    assert run_inside('inspect', folder) == 0
    out = capsys.readouterr().out
    assert 'eomt' in out


@torch.no_grad()
def test_a_transposed_convolution_is_a_product():
    block = Upscale(6)
    randomise(block)
    maps = torch.randn(2, 6, 5, 3)
    expected = block.conv2(F.gelu(block.conv1(maps)))
    expected = block.norm(expected.permute(0, 2, 3, 1))
    torch.testing.assert_close(block(maps.permute(0, 2, 3, 1)), expected)


@pytest.mark.parametrize('shape', [(3, 3), (5, 2), (2, 4), (3, 0), (1, 1)])
def test_assignments_are_the_cheapest(shape):
    costs = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    rows, columns = matching.assign(costs)
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows) == len(columns) == min(shape)
    few = min(shape)
    longer, shorter = (costs, costs.t()) if shape[0] >= shape[1] else (costs.t(), costs)
    best = min(sum(longer[place, i].item() for i, place in enumerate(places))
               for places in itertools.permutations(range(len(longer)), few))
    assert costs[rows, columns].sum().item() == pytest.approx(best, abs=1e-5)
    assert shorter.shape[0] == few


def test_a_known_assignment():
    rows, columns = matching.assign(torch.tensor([[4., 1., 3.], [2., 0., 5.], [3., 2., 2.]]))
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 1: 0, 2: 2}
    rows, columns = matching.assign(torch.tensor([[float('nan'), 1.], [2., float('inf')]]))
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 1: 0}


def test_at_all_pixels_the_loss_at_points_is_the_dense_one(monkeypatch):
    """Points at the centres of all pixels, of masks as large as the label map."""
    masks, scores = torch.randn(1, QUERIES, 12, 20), torch.randn(1, QUERIES, CLASSES + 1)
    label = labelled(1)[1][0, :12, :20] % 3
    rows, columns = torch.meshgrid((torch.arange(12) + .5) / 12, (torch.arange(20) + .5) / 20, indexing='ij')
    centres = torch.stack([columns, rows], dim=-1).view(1, -1, 2)
    objects = [objects_of(label, 255)]
    monkeypatch.setattr(matching, 'important_points', lambda chosen, _: centres.expand(len(chosen), -1, -1))
    pairs = matching.match(masks, scores, objects, 4000)
    monkeypatch.setattr(matching, 'match', lambda *_: pairs)
    losses = query_losses(masks, scores, objects, POINTS)
    (queries, places), = pairs
    chosen, truth = masks[0, queries], objects[0].masks[places]
    crossed = F.binary_cross_entropy_with_logits(chosen, truth, reduction='none').mean((1, 2)).sum()
    shares = chosen.sigmoid()
    dice = 1 - (2 * (shares * truth).sum((1, 2)) + 1) / (shares.sum((1, 2)) + truth.sum((1, 2)) + 1)
    number = len(objects[0].classes)
    assert number > 1
    torch.testing.assert_close(losses['loss_mask'], 5 * crossed / number)
    torch.testing.assert_close(losses['loss_dice'], 5 * dice.sum() / number)


def test_points_are_where_a_mask_is_uncertain():
    mask = torch.full((1, 1, 10, 10), 8.)
    mask[..., 4:6] = 0.
    points = matching.important_points(mask, 200)
    assert points.shape == (1, 200, 2)
    important, others = matching.sample(mask, points).abs().split([150, 50], dim=2)
    assert important.mean() < 2 and important.max() < 5 < others.mean()


@pytest.mark.parametrize('build', [segmentor, behind])
def test_ignored_pixels_are_in_no_loss(build):
    """An image whose ignored half has any masks there, and what they are changes nothing."""
    _, labels = labelled(1)
    labels[:, :, 32:] = 255
    objects = [objects_of(labels[0], 255)]
    scores, masks = torch.randn(1, QUERIES, CLASSES + 1), torch.randn(1, QUERIES, 64, 64)
    other = masks.clone()
    other[..., 34:] = torch.randn(1, QUERIES, 64, 30) * 9
    found = []
    for mask in (masks, other):
        torch.manual_seed(0)
        (queries, places), = matching.match(mask, scores, objects, 500)
        points = torch.rand(len(queries), 500, 2)
        counted = matching._counted(objects[0].counted, points)
        found.append(torch.stack(matching.mask_losses(
            matching.sample(mask[0, queries][:, None], points)[:, 0],
            matching.sample(objects[0].masks[places][:, None], points)[:, 0], counted)))
        assert 200 < counted[0].sum() < 300
    torch.testing.assert_close(*found)


@pytest.mark.parametrize('build', [segmentor, behind])
def test_nothing_to_learn_gives_a_loss_of_zero(build):
    model, (images, labels) = build(), labelled()
    model.train()
    loss = sum(model.loss(images, samples(torch.full_like(labels, 255))).values())
    loss.backward()
    assert loss == 0 and all(p.grad is None or not p.grad.any() for p in model.parameters())
    labels[0] = 255  # one of two
    loss = sum(model.loss(images, samples(labels)).values())
    loss.backward()
    assert loss > 0 and all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_an_image_without_objects_teaches_that_there_is_none():
    empty = Objects(torch.zeros(0, dtype=torch.long), torch.zeros(0, 8, 8), None)
    scores = torch.zeros(1, QUERIES, CLASSES + 1, requires_grad=True)
    losses = query_losses(torch.randn(1, QUERIES, 8, 8), scores, [empty], POINTS)
    assert losses['loss_mask'] == losses['loss_dice'] == 0
    assert losses['loss_cls'].item() == pytest.approx(2 * torch.tensor(CLASSES + 1.).log().item())
    losses['loss_cls'].backward()
    assert (scores.grad[..., -1] < 0).all() and (scores.grad[..., :-1] > 0).all()


def test_more_objects_than_queries():
    model, (images, labels) = segmentor(num_queries=2), labelled()
    loss = sum(model.train().loss(images, samples(labels)).values())
    assert len(labels[0].unique()) > 2 and loss.isfinite()


@torch.no_grad()
@pytest.mark.parametrize('build', [segmentor, behind])
@pytest.mark.parametrize('size', [(16, 16), (16, 48), (112, 80)])
def test_images_of_any_size(build, size):
    model = build().eval()
    images = torch.randn(2, 3, *size)
    logits = model._forward(images)
    assert logits.shape == (2, CLASSES, size[0] // 4, size[1] // 4)
    metas = [dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0] * 4)] * 2
    assert model.inference(images, metas).shape == (2, CLASSES, *size)
    loss = model.train().loss(images, samples(torch.zeros(2, *size, dtype=torch.long)))
    assert sum(loss.values()).isfinite()


@torch.no_grad()
def test_logits_are_what_classes_and_masks_say():
    """One query is sure of a class in the left half, one of another in the right: softmax gives their shares."""
    model = segmentor().eval()
    masks, scores = torch.full((1, QUERIES, 4, 4), -9.), torch.zeros(1, QUERIES, CLASSES + 1)
    scores[..., -1] = 20
    scores[0, 0, 2] = scores[0, 1, 4] = 40
    masks[0, 0, :, :2] = masks[0, 1, :, 2:] = 9
    model.decode_head.predict_queries = lambda inputs: (masks, scores)
    shares = model.decode_head(None).softmax(dim=1)[0]
    assert (shares[2, :, :2] > .99).all() and (shares[4, :, 2:] > .99).all()
    torch.testing.assert_close(shares.sum(0), torch.ones(4, 4))


@pytest.mark.parametrize('build', [segmentor, behind])
def test_padding_is_neither_looked_at_nor_learnt(build):
    model, (images, labels) = build().train(), labelled(2)
    padded = F.pad(images, (0, 32, 0, 16))
    more = F.pad(labels, (0, 32, 0, 16), value=255)
    whole = samples(more)
    for sample in whole:
        sample.set_metainfo(dict(img_shape=(64, 64)))
    assert sum(model.loss(padded, whole).values()).isfinite()
    model.decode_head.set_shares([0.] * 2)  # the masks' convolutions reach across the border
    other = padded.clone()
    other[:, :, 64:] = 7.
    other[:, :, :, 64:] = -7.
    first, second = (model.decode_head._predictions(model.extract_feat(x, [(64, 64)] * 2), [(64, 64)] * 2)[-1]
                     for x in (padded, other))
    torch.testing.assert_close(first[1], second[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(first[0][..., :12, :12], second[0][..., :12, :12], rtol=0, atol=1e-5)


@pytest.mark.parametrize('build', [segmentor, behind])
def test_mixed_precision_and_recomputed_layers(build):
    model, (images, labels) = build(with_cp=True) if build is behind else segmentor(
        {**IN_ENCODER, 'with_cp': True}), labelled()
    model.train()
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        with torch.autocast('cpu', torch.bfloat16, enabled=dtype is torch.bfloat16):
            loss = sum(model.loss(images, samples(labels)).values())
        loss.backward()
        losses.append(loss.item())
        assert loss.dtype == torch.float32
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert losses[1] == pytest.approx(losses[0], rel=.03)


def test_a_frozen_encoder_stays_as_it_is():
    model, (images, labels) = behind(trainable_layers=0).train(), labelled()
    sum(model.loss(images, samples(labels)).values()).backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(p.grad is not None for p in model.decode_head.parameters())
    assert not any(name.startswith('decode_head') and 'encoder' in name for name in model.state_dict())


def test_masks_fade_layer_after_layer():
    model = segmentor()
    hook, shares = AnnealMasksHook(begin=.2, end=.8), []
    runner = SimpleNamespace(model=model, max_iters=10)
    for runner.iter in range(10):
        hook.before_train_iter(runner, 0)
        shares.append(model.decode_head.shares)
        assert model.decode_head.masked_shares.tolist() == pytest.approx(shares[-1])
    assert shares[:3] == [[1., 1.]] * 3 and shares[8:] == [[0., 0.]] * 2
    assert shares[3] == [pytest.approx((2 / 3)**.9), 1.] and shares[6][0] == 0 < shares[6][1] < 1
    again = segmentor()
    again.load_state_dict(model.state_dict())
    assert again.decode_head.shares == [0., 0.]
    with pytest.raises(InputError, match='begin=0.5 and end=0.5'):
        AnnealMasksHook(begin=.5, end=.5)


def test_instances_and_panoptic_maps_are_those_of_transformers():
    torch.manual_seed(4)
    masks, scores = F.interpolate(torch.randn(1, 12, 3, 3) * 9, 16), torch.randn(1, 12, CLASSES + 1) * 5
    processor = transformers.EomtImageProcessor(size=dict(shortest_edge=32, longest_edge=32))
    outputs = SimpleNamespace(masks_queries_logits=masks, class_queries_logits=scores, patch_offsets=None)
    sizes = [(32, 32)]
    expected, = processor.post_process_instance_segmentation(outputs, sizes, threshold=.5)
    found = instances(masks[0], scores[0], (32, 32), threshold=.5)
    theirs = sorted(((info['score'], info['label_id']) for info in expected['segments_info']), reverse=True)
    assert len(theirs) > 3 and found.classes.tolist() == [label for _, label in theirs]
    assert found.scores.tolist() == pytest.approx([score for score, _ in theirs], abs=1e-5)
    for stuff in ((), (0, 1, 2, 3, 4)):
        expected, = processor.post_process_panoptic_segmentation(
            outputs, sizes, threshold=.5, overlap_mask_area_threshold=.2, stuff_classes=list(stuff))
        whole = panoptic(masks[0], scores[0], (32, 32), threshold=.5, visible=.2, stuff=stuff)
        assert len(whole.classes) > 1 and torch.equal(whole.ids, expected['segmentation'].long())
        assert whole.classes.tolist() == [info['label_id'] for info in expected['segments_info']]
    none = panoptic(masks[0], scores[0], (32, 32), threshold=1.)
    assert (none.ids == -1).all() and not len(none.classes)


@pytest.mark.parametrize('backbone, head, says', [
    (dict(out_indices=[3], out_type='featmap+prefix'), {}, 'one negative out_indices'),
    (dict(out_indices=[0, 1], out_type='featmap+prefix'), {}, r'it has out_indices=\[0, 1\]'),
    (dict(out_indices=[1]), {}, 'out_type=featmap,'),
    (dict(IN_ENCODER, rel_pos_bias=True), {}, 'rel_pos_bias=True'),
    (dict(IN_ENCODER, final_norm=False), {}, 'final_norm=False'),
    (dict(out_indices=[1, 4]), dict(decoder=DECODER), 'layer 4, the backbone has 4 layers'),
    (IN_ENCODER, dict(decoder=DECODER), "out_type is 'featmap\\+prefix' and not 'featmap'"),
    (IN_ENCODER, dict(num_queries=0), 'num_queries=0'),
    (BEHIND, dict(decoder=dict(DECODER, depth=2)), 'and no depth'),
    (BEHIND, dict(decoder=dict(DECODER, num_layers=0)), 'a decoder of 0 layers'),
    (BEHIND, dict(decoder=dict(DECODER, num_heads=3)), '16 wide with 3 heads'),
])
def test_backbones_and_numbers_that_cannot_be(backbone, head, says):
    with pytest.raises(InputError, match=says):
        segmentor(backbone, **head)


def test_a_head_by_itself_says_what_it_needs():
    init_default_scope('mmseg')
    with pytest.raises(InputError, match='the segmentor is to be mae_mm.EncoderDecoder'):
        MaskHead(CLASSES)([torch.randn(1, 8, 2, 2)])
    with pytest.raises(InputError, match='needs a mae_mm.MAE'):
        MaskHead(CLASSES).connect(nn.Identity())

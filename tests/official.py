"""Figures that the official code computed from seeded weights: facebookresearch/mae and microsoft/unilm's BEiT.

The weights are made here, under their names and in alphabetical order, and were loaded strictly there.
"""
import torch
from torch import Tensor

WIDTH, DECODER_WIDTH, CLASSES = 32, 16, 7


def seeded(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Random weights of such shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shapes[name], generator=generator) * .1 + ('gamma' in name) for name in sorted(shapes)}


def _linear(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f'{name}.weight': (rows, columns), f'{name}.bias': (rows, )}


def _norm(name: str, width: int = WIDTH) -> dict[str, tuple[int, ...]]:
    return {f'{name}.weight': (width, ), f'{name}.bias': (width, )}


def _block(name: str, width: int = WIDTH) -> dict[str, tuple[int, ...]]:
    return {**_norm(f'{name}.norm1', width), **_norm(f'{name}.norm2', width),
            **_linear(f'{name}.attn.qkv', 3 * width, width), **_linear(f'{name}.attn.proj', width, width),
            **_linear(f'{name}.mlp.fc1', 4 * width, width), **_linear(f'{name}.mlp.fc2', width, 4 * width)}


def _encoder() -> dict[str, tuple[int, ...]]:
    projection = {'patch_embed.proj.weight': (WIDTH, 3, 8, 8), 'patch_embed.proj.bias': (WIDTH, )}
    return {'cls_token': (1, 1, WIDTH), **projection, **_block('blocks.0'), **_block('blocks.1')}


def mae_weights(classifier: str = '') -> dict[str, Tensor]:
    """A pre-training file's, or those of a classifier whose last norm is ``'norm'`` or ``'fc_norm'``."""
    shapes = {**_encoder(), 'pos_embed': (1, 17, WIDTH), **_norm(classifier or 'norm')}
    if classifier:
        return seeded({**shapes, **_linear('head', CLASSES, WIDTH)})
    return seeded({**shapes, 'mask_token': (1, 1, DECODER_WIDTH), 'decoder_pos_embed': (1, 17, DECODER_WIDTH),
                   **_linear('decoder_embed', DECODER_WIDTH, WIDTH), **_norm('decoder_norm', DECODER_WIDTH),
                   **_block('decoder_blocks.0', DECODER_WIDTH), **_block('decoder_blocks.1', DECODER_WIDTH),
                   **_linear('decoder_pred', 3 * 8 * 8, DECODER_WIDTH)})


def beit_weights(kind: str) -> dict[str, Tensor]:
    """BEiT's fine-tuned classifier with a bias table per layer, or BEiT v2's pre-training file with a shared one."""
    shapes = _encoder()
    blocks = ['blocks.0', 'blocks.1']
    if kind == 'finetuned':
        shapes.update({**_norm('fc_norm'), **_linear('head', CLASSES, WIDTH),
                       **{f'{block}.attn.relative_position_bias_table': (7 * 7 + 3, 2) for block in blocks}})
    else:
        shapes.update({**_norm('norm'), **_linear('lm_head', 5, WIDTH), 'mask_token': (1, 1, WIDTH),
                       'rel_pos_bias.relative_position_bias_table': (7 * 7 + 3, 2), **_block('cls_pt_layers.0'),
                       **_norm('cls_pt_norm'), **_linear('cls_pt_lm_head', 5, WIDTH)})
        blocks.append('cls_pt_layers.0')
    for block in blocks:
        del shapes[f'{block}.attn.qkv.bias']
        shapes.update({f'{block}.{name}': (WIDTH, ) for name in ('attn.q_bias', 'attn.v_bias', 'gamma_1', 'gamma_2')})
    return seeded(shapes)


# models_mae.py on foreign.images() with the mask foreign.IDS_SHUFFLE: pred[0, ::5, :5].
MAE_PREDICTION = [
    [-0.1327382, -0.0450445, 0.1537796, -0.0965728, 0.2277605],
    [-0.1507718, -0.0581562, 0.1657621, -0.1093163, 0.2455847],
    [-0.1422603, -0.0547638, 0.1418619, -0.127631, 0.274115],
    [-0.1138615, -0.0569795, 0.1303278, -0.1026942, 0.2409405]]
# models_vit.py, its logits with --global_pool and without.
MAE_LOGITS = {
    'fc_norm': [[-0.241416, 0.0402633, -0.045097, 0.1147087, 0.0260338, -0.095915, -0.054318]],
    'norm': [[0.0075936, 0.1929443, -0.2662922, 0.0424761, 0.0572926, -0.2482401, -0.0201865]]}
# beit/modeling_finetune.py, logits; beit2/modeling_pretrain.py, forward_features(images, no mask)[0][0, ::5, :5].
BEIT_LOGITS = [[-0.0715172, -0.2161151, 0.0163518, 0.1980888, -0.2221297, -0.1010375, -0.2202085]]
BEIT2_TOKENS = [
    [0.1359946, -0.1621405, 0.0082902, -0.0248575, -0.1095637],
    [0.1252365, -0.2365229, -0.0132033, -0.0125946, -0.0041118],
    [0.1308813, -0.2611461, -0.1521644, -0.038425, -0.0806837],
    [0.1564523, -0.0855051, 0.12606, -0.0025636, -0.1628282]]
# util/pos_embed.py, interpolate_pos_embed from 14x14 to 32x32 of torch.randn(1, 197, 8) from seed 7: some rows.
POSITION_ROWS = [0, 1, 2, 33, 500, 777, 1024]
POSITIONS = [
    [-0.8201345, 0.3956312, 0.8989085, -1.3884039, -0.166996],
    [1.4360965, -0.7575279, -1.506081, -0.5960439, 0.8968236],
    [0.7024912, -0.6784319, -0.6601335, -0.5257741, 0.7934483],
    [0.9164113, -0.2902046, -1.5046912, -0.3014273, 0.6005521],
    [0.3733817, -0.7052147, 0.7691212, -0.4025263, -0.760402],
    [-1.2213849, 0.4964459, 0.260792, -0.8741566, 1.5128202],
    [-0.4084502, 1.9919357, -1.2537996, -1.5316713, 0.945456]]
# beit/run_class_finetuning.py, a bias table from 7x7 to 16x16 patches, of torch.randn(172, 2) from seed 9; its cubic
# interp2d, which SciPy has no more, was replaced by RectBivariateSpline, which goes through the same spline.
BIAS_ROWS = [0, 1, 100, 333, 480, 500, 960]
BIASES = [
    [-1.0673947, -0.7172453], [-1.4246087, -3.3967998], [-2.7342556, -2.7871304], [-0.195333, -0.6086802],
    [-0.1682458, -0.1049162], [2.2035251, 0.9462546], [-0.4054407, 0.1914204]]

"""The formats that weights come in, as data: how to recognise each, and their names beside ours.

Our own names are the published ones of mmsegmentation's MAE (``backbone.layers.N.ln1``, ...); those of the decoder
and of the head are ``decoder.layers.N.*`` and ``head.fc.*``. In the tables ``#`` stands for the number of a layer and
``*`` for weight or bias, ``?`` for anything. The same rows serve both directions.
"""
from dataclasses import dataclass

Rows = tuple[tuple[str, str], ...]  # (their name, ours)


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        signatures: it is this format if a file has all the names of any of these.
        rows: their names and ours; without any, the names are ours already.
        aliases: (pattern, replacement) for other spellings, applied in turn before all else.
        dropped: patterns of names that have no place here: they follow from others, or belong to a task of theirs.
        pos_resize: how its positions become those of another grid, if it has no registers; with them: antialiased.
    """
    signatures: tuple[tuple[str, ...], ...]
    rows: Rows = ()
    aliases: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()
    pos_resize: str = 'plain'


def _layers(theirs: str, ours: str, **parts: str) -> Rows:
    """The rows of a stack of layers; ``parts`` has their name of each of our parts."""
    return tuple((f'{theirs}.#.{parts[part]}', f'{ours}.#.{name}') for part, name in _PARTS.items() if part in parts)


_PARTS = dict(ln1='ln1.*', ln2='ln2.*', qkv='attn.qkv.*', q='attn.q.*', k='attn.k.*', v='attn.v.*', proj='attn.proj.*',
              fc1='ffn.layers.0.0.*', fc2='ffn.layers.1.*', gamma_1='gamma_1', gamma_2='gamma_2',
              q_bias='attn.q.bias', v_bias='attn.v.bias', table='attn.relative_position_bias_table')

# facebookresearch/mae: models_vit.py and models_mae.py. timm's ViTs have the same names.
_BLOCK = dict(ln1='norm1.*', ln2='norm2.*', qkv='attn.qkv.*', proj='attn.proj.*', fc1='mlp.fc1.*', fc2='mlp.fc2.*')
_ENCODER: Rows = (
    ('cls_token', 'backbone.cls_token'),
    ('pos_embed', 'backbone.pos_embed'),
    ('patch_embed.proj.*', 'backbone.patch_embed.projection.*'),
    *_layers('blocks', 'backbone.layers', **_BLOCK),
    ('norm.*', 'backbone.ln1.*'),
    ('fc_norm.*', 'backbone.fc_norm.*'),
    ('head.*', 'head.fc.*'),
)
_DECODER: Rows = (
    ('mask_token', 'decoder.mask_token'),
    ('decoder_pos_embed', 'decoder.pos_embed'),
    ('decoder_embed.*', 'decoder.embed.*'),
    *_layers('decoder_blocks', 'decoder.layers', **_BLOCK),
    ('decoder_norm.*', 'decoder.ln1.*'),
    ('decoder_pred.*', 'decoder.pred.*'),
)
# timm's layer scale and registers, those of facebookresearch/dinov2 (dinov2/models/vision_transformer.py), and
# microsoft/unilm's BEiT and BEiT v2 (modeling_finetune.py, modeling_pretrain.py).
_LAYER_SCALE = _layers('blocks', 'backbone.layers', gamma_1='ls1.gamma', gamma_2='ls2.gamma')
_TIMM_REGISTERS: Rows = (('reg_token', 'backbone.register_tokens'), )
_DINOV2: Rows = (*_ENCODER, *_LAYER_SCALE, ('register_tokens', 'backbone.register_tokens'))
_BEIT = (*_layers('blocks', 'backbone.layers', gamma_1='gamma_1', gamma_2='gamma_2', q_bias='attn.q_bias',
                  v_bias='attn.v_bias', table='attn.relative_position_bias_table'),
         ('rel_pos_bias.relative_position_bias_table', 'backbone.relative_position_bias_table'))
_VIT_SIGNATURE = ('patch_embed.proj.weight', 'blocks.0.norm1.weight', 'blocks.0.attn.qkv.weight')
_INDEX = r'(.+\.)?relative_position_index'  # follows from the grid

# Hugging Face's files; transformers 5 has other names in memory, which are spelt back by the aliases.
_HF_LAYER = dict(ln1='layernorm_before.*', ln2='layernorm_after.*', q='attention.attention.query.*',
                 k='attention.attention.key.*', v='attention.attention.value.*', proj='attention.output.dense.*',
                 fc1='intermediate.dense.*', fc2='output.dense.*')
_HF: Rows = (
    ('vit.embeddings.cls_token', 'backbone.cls_token'),
    ('vit.embeddings.position_embeddings', 'backbone.pos_embed'),
    ('vit.embeddings.patch_embeddings.projection.*', 'backbone.patch_embed.projection.*'),
    *_layers('vit.encoder.layer', 'backbone.layers', **_HF_LAYER),
    ('vit.layernorm.*', 'backbone.ln1.*'),
    ('classifier.*', 'head.fc.*'),
    ('decoder.mask_token', 'decoder.mask_token'),
    ('decoder.decoder_pos_embed', 'decoder.pos_embed'),
    ('decoder.decoder_embed.*', 'decoder.embed.*'),
    *_layers('decoder.decoder_layers', 'decoder.layers', **_HF_LAYER),
    ('decoder.decoder_norm.*', 'decoder.ln1.*'),
    ('decoder.decoder_pred.*', 'decoder.pred.*'),
)
_HF_ALIASES = (
    (r'^(?=(embeddings|encoder|layers|layernorm|pooler)\.)', 'vit.'),  # the encoder by itself
    (r'^vit\.layers\.', 'vit.encoder.layer.'),
    (r'^decoder\.decoder_encoder\.layer\.', 'decoder.decoder_layers.'),
    (r'\.attention\.q_proj\.', '.attention.attention.query.'),
    (r'\.attention\.k_proj\.', '.attention.attention.key.'),
    (r'\.attention\.v_proj\.', '.attention.attention.value.'),
    (r'\.attention\.o_proj\.', '.attention.output.dense.'),
    (r'\.mlp\.fc1\.', '.intermediate.dense.'),
    (r'\.mlp\.fc2\.', '.output.dense.'),
)

# EoMT: masks by queries in the encoder's last layers (mae_mm.MaskHead); transformers' names and those of its own files
# (tue-mps/eomt), whose encoder is timm's.
EOMT: Rows = (
    ('embeddings.cls_token', 'backbone.cls_token'),
    ('embeddings.register_tokens', 'backbone.register_tokens'),
    ('embeddings.position_embeddings.weight', 'backbone.pos_embed'),  # of the patches alone
    ('embeddings.patch_embeddings.projection.*', 'backbone.patch_embed.projection.*'),
    *_layers('layers', 'backbone.layers', ln1='norm1.*', ln2='norm2.*', q='attention.q_proj.*', k='attention.k_proj.*',
             v='attention.v_proj.*', proj='attention.out_proj.*', fc1='mlp.fc1.*', fc2='mlp.fc2.*',
             gamma_1='layer_scale1.lambda1', gamma_2='layer_scale2.lambda1'),
    ('layernorm.*', 'backbone.ln1.*'),
    ('query.weight', 'decode_head.queries'),
    ('class_predictor.*', 'decode_head.classify.*'),
    *((f'mask_head.fc{n + 1}.*', f'decode_head.mask_mlp.{2 * n}.*') for n in range(3)),
    ('upscale_block.block.#.conv?', 'decode_head.upscale.#.conv?'),
    ('upscale_block.block.#.layernorm2d.*', 'decode_head.upscale.#.norm.*'),
    ('attn_mask_probs', 'decode_head.masked_shares'),
)
_EOMT_OFFICIAL: Rows = (
    *_ENCODER[:-2], *_LAYER_SCALE, *_TIMM_REGISTERS,
    ('q.weight', 'decode_head.queries'),
    ('class_head.*', 'decode_head.classify.*'),
    ('mask_head.#.*', 'decode_head.mask_mlp.#.*'),
    ('upscale.#.?', 'decode_head.upscale.#.?'),
    ('attn_mask_probs', 'decode_head.masked_shares'),
)

# Hugging Face's Pixio and DINOv2, with or without registers.
_HF_EMBEDDINGS: Rows = (
    ('embeddings.cls_token', 'backbone.cls_token'),
    ('embeddings.register_tokens', 'backbone.register_tokens'),
    ('embeddings.position_embeddings', 'backbone.pos_embed'),
    ('embeddings.patch_embeddings.projection.*', 'backbone.patch_embed.projection.*'),
    ('layernorm.*', 'backbone.ln1.*'),
)
_HF_NORMS = dict(ln1='norm1.*', ln2='norm2.*')
HF_PIXIO: Rows = (*_HF_EMBEDDINGS, *_layers('encoder.layer', 'backbone.layers', **{**_HF_LAYER, **_HF_NORMS}))
HF_DINOV2: Rows = (*_HF_EMBEDDINGS, *_layers('encoder.layer', 'backbone.layers', **{
    **_HF_LAYER, **_HF_NORMS, 'fc1': 'mlp.fc1.*', 'fc2': 'mlp.fc2.*', 'gamma_1': 'layer_scale1.lambda1',
    'gamma_2': 'layer_scale2.lambda1'}))
_HF_LATER_ALIASES = ((r'^(pixio|dinov2|dinov2_with_registers)\.', ''), (r'^layers\.', 'encoder.layer.'),
                     *(alias for alias in _HF_ALIASES if '_proj' in alias[0]))
_HF_LATER_SIGNATURE = ('embeddings.cls_token', 'encoder.layer.0.norm1.weight')

# mmpretrain and mmsegmentation share most names with ours.
_OWN_LAYER = dict(ln1='ln1.*', ln2='ln2.*', qkv='attn.qkv.*', proj='attn.proj.*', fc1='ffn.layers.0.0.*',
                  fc2='ffn.layers.1.*')
_OWN_ENCODER: Rows = (
    *((f'backbone.{name}', f'backbone.{name}') for name in ('cls_token', 'pos_embed', 'patch_embed.projection.*')),
    *_layers('backbone.layers', 'backbone.layers', **_OWN_LAYER),
    ('backbone.ln1.*', 'backbone.ln1.*'),
)
MMPRETRAIN_CLASS_TOKEN: Rows = (('head.layers.head.*', 'head.fc.*'), )  # the head of a classifier without pooling
_MMPRETRAIN: Rows = (
    *_OWN_ENCODER,
    ('backbone.ln2.*', 'backbone.fc_norm.*'),  # of the mean of the patches
    ('head.fc.*', 'head.fc.*'),
    ('neck.mask_token', 'decoder.mask_token'),
    ('neck.decoder_pos_embed', 'decoder.pos_embed'),
    ('neck.decoder_embed.*', 'decoder.embed.*'),
    *_layers('neck.decoder_blocks', 'decoder.layers', **_OWN_LAYER),
    ('neck.ln1.*', 'decoder.ln1.*'),
    ('neck.decoder_pred.*', 'decoder.pred.*'),
)
_OWN_ALIASES = (
    # a backbone by itself
    (r'^(?=(cls_token|register_tokens|pos_embed|patch_embed|layers|ln1|fc_norm)(\.|$))', 'backbone.'),
    (r'\.attn\.([qv])_bias$', r'.attn.\1.bias'),  # mmsegmentation's BEiT
)
_OWN_SIGNATURE = ('backbone.patch_embed.projection.weight', 'backbone.layers.0.ln1.weight',
                  'backbone.layers.0.attn.qkv.weight', 'backbone.cls_token')
# mmsegmentation's beit2mmseg wrote the projection under both names.
_OWN_DROPPED = (r'backbone\.patch_embed\.proj\..+', _INDEX)

# Format -> what it is, in the order in which they are tried.
FORMATS: dict[str, Format] = {
    'beit': Format(((*_VIT_SIGNATURE, 'blocks.0.gamma_1'), (*_VIT_SIGNATURE, 'blocks.0.attn.q_bias')),
                   _ENCODER + _BEIT,
                   # the prediction of visual tokens, and BEiT v2's second road to it
                   dropped=(_INDEX, r'(cls_pt_)?lm_head\..+', r'mask_token', r'cls_pt_(layers|norm)\..+')),
    'eomt': Format((('query.weight', 'embeddings.cls_token', 'layers.0.layer_scale1.lambda1'), ), EOMT,
                   dropped=(r'criterion\.empty_weight', )),
    'eomt_official': Format((('q.weight', 'class_head.weight', 'patch_embed.proj.weight'), ), _EOMT_OFFICIAL,
                            ((r'^network\.', ''), (r'^encoder\.(backbone\.)?', '')),
                            dropped=(r'criterion\.empty_weight', r'pixel_(mean|std)')),
    'dinov2': Format(((*_VIT_SIGNATURE, 'blocks.0.ls1.gamma', 'mask_token'), ), _DINOV2,
                     ((r'^blocks\.[0-9]+\.([0-9]+)\.', r'blocks.\1.'), ),  # layers in chunks
                     dropped=(r'mask_token', ), pos_resize='offset'),
    'timm': Format(((*_VIT_SIGNATURE, 'blocks.0.ls1.gamma'), (*_VIT_SIGNATURE, 'reg_token')),
                   _ENCODER + _LAYER_SCALE + _TIMM_REGISTERS, pos_resize='antialias'),
    'mae': Format(((*_VIT_SIGNATURE, 'pos_embed'), ), _ENCODER + _DECODER),
    'huggingface': Format((('vit.embeddings.cls_token', 'vit.encoder.layer.0.layernorm_before.weight'), ),
                          _HF, _HF_ALIASES, dropped=(r'vit\.pooler\..+', )),
    'huggingface-pixio': Format(((*_HF_LATER_SIGNATURE, 'encoder.layer.0.intermediate.dense.weight'), ), HF_PIXIO,
                                _HF_LATER_ALIASES),
    'huggingface-dinov2': Format(((*_HF_LATER_SIGNATURE, 'encoder.layer.0.layer_scale1.lambda1'), ), HF_DINOV2,
                                 _HF_LATER_ALIASES, dropped=(r'embeddings\.mask_token', )),
    'mmpretrain': Format(((*_OWN_SIGNATURE, 'neck.decoder_embed.weight'),
                          (*_OWN_SIGNATURE, 'head.layers.head.weight'), (*_OWN_SIGNATURE, 'backbone.ln2.weight')),
                         MMPRETRAIN_CLASS_TOKEN + _MMPRETRAIN),
    'mmseg': Format(((*_OWN_SIGNATURE, 'backbone.layers.0.attn.relative_position_index'), ),
                    aliases=_OWN_ALIASES, dropped=_OWN_DROPPED),
    'mae_mm': Format((_OWN_SIGNATURE, ), aliases=_OWN_ALIASES, dropped=_OWN_DROPPED),
}

# What tools/model_converters/export.py writes -> (their names and ours, our names that are left out).
_SEGMENTOR: Rows = tuple((f'{part}.?', f'{part}.?') for part in ('decode_head', 'auxiliary_head', 'neck'))
TARGETS: dict[str, tuple[Rows, str]] = {
    'official': (_ENCODER + _DECODER, '(?!)'),
    'dinov2': (_DINOV2, r'decoder\..+'),
    'timm': (_ENCODER + _LAYER_SCALE + _TIMM_REGISTERS, r'decoder\..+'),
    'huggingface': (_HF, '(?!)'),
    'mmpretrain': (_MMPRETRAIN, '(?!)'),
    'mmseg': (_OWN_ENCODER + _layers('backbone.layers', 'backbone.layers', gamma_1='gamma_1', gamma_2='gamma_2',
                                     table='attn.relative_position_bias_table') + _SEGMENTOR, r'decoder\..+'),
}

# A name of a tensor -> what the encoder that has it computes and ours does not.
REFUSED: tuple[tuple[str, str], ...] = (
    (r'.*\.mlp\.(w12|w3|weights_in|weights_out|gate_proj|fc1_g)\.weight', 'an MLP with a gate (SwiGLU), as '
                                                                               "DINOv2's giant"),
    (r'(.*\.)?(pre_layrnorm|pre_layernorm|norm_pre|ln_pre)\.weight', "a norm before its layers, as CLIP's"),
    (r'(.*\.)?(head\.attention\.in_proj_weight|attn_pool\..+|head\.probe)', "pooling by attention, as SigLIP's"),
    (r'(.*\.)?rope_embed\.periods|.*\.mlp\.up_proj\.weight', "rotary positions, as DINOv3's"),
    (r'.*\.attn\.q_norm\.weight', 'a norm of queries and keys'),
)

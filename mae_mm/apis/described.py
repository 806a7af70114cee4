"""A config for a checkpoint that holds none, from what its weights tell."""
from typing import Any

from mmengine.config import Config

from ..checkpoint import convert, tensors_of
from ..checkpoint.describing import Description, describe, encoder_settings, layer_settings
from ..checkpoint.reading import meta_of
from ..config.reading import read_config
from ..config.stored import stored_config
from ..errors import InputError

FOLDER = 'pretrain/mae_vit_folder'  # whose pipeline and normalisation images get


def own_config(loaded: Any, source: str) -> Config:
    """The config that a checkpoint holds; or one of an encoder, and of a decoder if there is one, as its weights are.

    Raises:
        ValueError: it has neither; with what is missing.
    """
    if isinstance(meta_of(loaded).get('cfg'), str):
        return stored_config(loaded, source)
    try:
        model = describe(convert(tensors_of(loaded)).weights)
    except InputError:
        return stored_config(loaded, source)  # which tells that there is none
    if model.num_classes or model.heads:
        return stored_config(loaded, source)
    return _config_of(model, source)


def _config_of(model: Description, source: str) -> Config:
    config = 'give the config of its model before it'
    if model.backbone.num_heads is None or model.decoder and model.decoder.num_heads is None:
        parts = '--whole --num-heads N --decoder-num-heads M' if model.decoder else '--num-heads N'
        raise InputError(f'{source} holds no config, and does not store the number of attention heads; {config}, or '
                         f'`mae-mm convert FILE NEW.pth {parts}`')
    if model.backbone.grid is None:
        raise InputError(f'{source} holds no config, and does not store the shape of its grid; {config}, or `mae-mm '
                         f'convert FILE NEW.pth {"--whole " if model.decoder else ""}--grid HEIGHT WIDTH`')
    if model.in_channels != 3:
        raise InputError(f'{source} holds no config, and is for {model.in_channels} bands, whose statistics it does '
                         f'not store; {config}')
    cfg = read_config(FOLDER, dict(img_size=min(model.backbone.grid) * model.patch_size))
    backbone = dict(type='mae_mm.MAE', **encoder_settings(model),
                    out_type='avg_featmap' if model.pooled else 'featmap')
    if model.decoder is None:
        colours = {key: cfg.model.data_preprocessor[key] for key in ('mean', 'std')}
        kept: dict[str, Any] = dict(type='mmpretrain.ImageClassifier', backbone=backbone,
                    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', to_rgb=True, **colours))
    else:
        kept = dict(cfg.model, backbone=backbone, norm_pix=model.norm_pix is not False,
                    decoder=dict(type='mae_mm.MAEDecoder', **layer_settings(model.decoder)))
    return Config(dict(model=kept, default_scope=cfg.default_scope, test_dataloader=cfg.test_dataloader,
                       norm_pix_unknown=model.decoder is not None and model.norm_pix is None))

"""Loading loudly: what a checkpoint did not match is an error with the names."""
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..errors import InputError, listed
from .architectures import advice
from .bands import PROJECTION, Rule, take_bands, told_bands
from .formats import convert
from .grids import ASK, decide_grid, taken_again
from .reading import read_checkpoint, tensors_of
from .shapes import check_plain, shape_text

# Sized by the image and resized by the backbone when they are loaded.
RESIZED = re.compile(r'(.+\.)?(pos_embed|relative_position_bias_table)')
# What pre-training does not have, and fine-tuning starts anew.
NEW_IN_BACKBONE = r'layers\.\d+\.(attn\.relative_position_bias_table|gamma_[12])|fc_norm\.(weight|bias)'
# Last normalisations, of the tokens or of their mean: a backbone has one of them or none.
LAST_NORM = ('ln1.', 'fc_norm.')
NOTHING = '(?!)'  # a pattern that no name has
INIT_OPTIONS = ('type', 'checkpoint', 'grid', 'bias_resize', 'bands')


def load_weights(source: str, trust: bool = False) -> 'OrderedDict[str, Tensor]':
    """The weights of a file, a folder or a URL of any known format, in our names.

    The names are those of ``MaskedAutoencoder`` if it holds a decoder, of a classifier or segmentor
    (``backbone.*``, ...) if it holds a head, else the backbone's.

    Raises:
        ValueError: an unreadable file or an unknown format.
    """
    checkpoint = read_checkpoint(source, trust)
    try:
        return convert(tensors_of(checkpoint)).weights
    except InputError as error:
        raise InputError(f'{source}: {error}') from None


def encoder_of(weights: Mapping[str, Tensor]) -> 'tuple[OrderedDict[str, Tensor], list[str]]':
    """The backbone's own weights, in its names, and the names of all others."""
    metadata = getattr(weights, '_metadata', {})
    if 'cls_token' in weights:
        encoder, aside = OrderedDict(weights), []
    else:
        encoder = OrderedDict((name.removeprefix('backbone.'), tensor) for name, tensor in weights.items()
                              if name.startswith('backbone.'))
        aside = [name for name in weights if not name.startswith('backbone.')]
        metadata = {'': metadata.get('backbone', {})}
    encoder._metadata = metadata  # type: ignore[attr-defined]
    return encoder, aside


def in_full(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The weights as those of a model with a backbone, if they are a backbone's own."""
    if 'cls_token' not in weights:
        return weights
    full = OrderedDict((f'backbone.{name}', tensor) for name, tensor in weights.items())
    metadata = getattr(weights, '_metadata', {})
    full._metadata = {f'backbone.{key}'.rstrip('.'): facts  # type: ignore[attr-defined]
                      for key, facts in metadata.items()}
    return full


def weights_for(model: nn.Module, checkpoint: Any, source: str) -> Mapping[str, Tensor]:
    """The weights of a checkpoint of any known format, or of the model's own, in the model's names.

    Raises:
        ValueError: an unknown format, or weights that are not finite.
    """
    try:
        return in_full(convert(tensors_of(checkpoint), own=model.state_dict()).weights)
    except InputError as error:
        raise InputError(f'{source}: {error}') from None


def load_into(model: nn.Module, weights: Mapping[str, Tensor], source: str, new: str = NOTHING,
              ignored: Sequence[str] = (), grid: Any = None, bias_resize: str = 'bicubic',
              bands: Rule | None = None) -> None:
    """Load weights that must match the model by name and, but for positions, by shape; and report it.

    Args:
        source: where they come from, for the messages.
        new: pattern of parameters that may be missing from the weights; they keep their values.
        ignored: names that were left aside, for the report.
        grid: ``(height, width)`` in patches of the weights' positions, if their file does not store it.
        bias_resize: how tables are resized, ``'bicubic'`` or ``'geometric'``.
        bands: which of the weights' bands each of the model's starts from; see :func:`.bands.take_bands`.

    A model that was built on the device ``meta`` takes the tensors themselves: they are in memory once.

    Raises:
        ValueError: with the names of what does not match; nothing has been loaded then.
    """
    state = model.state_dict()
    projection = next((tensor for name, tensor in state.items() if PROJECTION.fullmatch(name)), None)
    try:
        check_plain(weights)
        _check_types(weights, state)
        if projection is not None:
            weights = take_bands(weights, bands, projection.shape[1])
        if new == NOTHING:  # training may change what a decoder predicts
            _check_target(model, getattr(weights, '_metadata', {}).get('', {}).get('norm_pix'))
    except InputError as error:
        raise InputError(f'{source}: {error}') from None
    missing = [name for name in state if name not in weights]
    shared = [name for name in weights if name in state]
    problems = {
        'another shape': [f'{name} is {shape_text(weights[name])} where the model has {shape_text(state[name])}'
                          for name in shared if not _fits(name, weights[name], state[name])],
        'missing': [name for name in missing if not re.fullmatch(new, name)],
        'not in the model': [
            name for name in weights if name not in state and not name.endswith('relative_position_index')],
    }
    if any(problems.values()):
        told = '; '.join(f'{what}: {listed(names)}' for what, names in problems.items() if names)
        raise InputError(f'{source} does not fit the model: {told}. {advice(weights, state)}')
    placed = OrderedDict(weights)
    try:
        placed._metadata = _with_grids(model, placed, weights, grid, bias_resize)  # type: ignore[attr-defined]
    except InputError as error:
        raise InputError(f'{source}: {error}') from None
    without_values = any(tensor.is_meta for tensor in state.values())
    if without_values:
        placed.update((name, placed[name].to(state[name].dtype)) for name in shared)
    model.load_state_dict(placed, strict=False, assign=without_values)
    resized = [name for name in shared if placed[name].shape != state[name].shape]
    print_log(
        f'{source}: {len(state) - len(missing)} tensors loaded, {len(resized)} of them resized; '
        f'{len(missing)} newly initialised{_examples(missing)}; {len(ignored)} ignored{_examples(ignored)}'
        f'{told_bands(bands)}',
        logger='current')


def _check_types(weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Refuse integers for weights, which torch would take for them."""
    wrong = [f'{name} is {_type(tensor)} where the model has {_type(state[name])}' for name, tensor in weights.items()
             if name in state and tensor.is_floating_point() != state[name].is_floating_point()]
    if wrong:
        raise InputError(f'another type: {listed(wrong)}')


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix('torch.')


def _examples(names: Sequence[str]) -> str:
    return f' ({listed(names)})' if names else ''


def _fits(name: str, tensor: Tensor, own: Tensor) -> bool:
    if RESIZED.fullmatch(name):
        return (tensor.dim() == own.dim() and tensor.shape[-1] == own.shape[-1]
                and tensor.shape[:-2] == own.shape[:-2] and tensor.shape[-2] > 1)
    return tensor.shape == own.shape


def _with_grids(model: nn.Module, placed: dict[str, Tensor], weights: Mapping[str, Tensor], grid: Any,
                bias_resize: str) -> dict[str, dict]:
    """The weights' metadata, in which every module with positions is told the grid that its come from."""
    metadata = {key: dict(facts) for key, facts in getattr(weights, '_metadata', {}).items()}
    for name in [name for name in weights if re.fullmatch(r'(.+\.)?pos_embed', name)]:
        prefix = name.removesuffix('pos_embed')
        rows = {len(tensor) for key, tensor in weights.items()
                if key.startswith(prefix) and key.endswith('relative_position_bias_table')}
        part: Any = model.get_submodule(prefix[:-1])
        own = getattr(part, 'grid', None)
        if own is not None:  # not so in backbones of other packages, which resize nothing
            facts = metadata.setdefault(prefix[:-1], {})
            _check_heads(part, facts.get('num_heads'), prefix[:-1] or 'the encoder')
            told = facts.get('grid') if grid is None else grid
            T, asked = part.num_cls_tokens, tuple(told) if isinstance(told, (list, tuple)) else own
            again = taken_again(weights[name], T, asked, facts.pop('padded', False))
            if again is not None and told is None:
                raise InputError(f'its {again.shape[1]} positions may be of a square of patches or, as in the model, '
                                 f'of class tokens ({T}) and {own[0]}x{own[1]} patches; {ASK}')
            placed[name] = weights[name] if again is None else again
            facts.update(grid=decide_grid(placed[name].shape[1] - T, rows, told, own), bias_resize=bias_resize)
    return metadata


def _check_target(model: nn.Module, told: bool | None) -> None:
    """Refuse a decoder that was trained to predict something else than the model takes its output for."""
    own = getattr(model, 'norm_pix', None)
    if None not in (told, own) and told != own:
        raise InputError(f'the decoder in the file predicts {"" if told else "un"}normalised patches, and the '
                         f'model\'s {"" if own else "un"}normalised ones; set model.norm_pix={told}')


def _check_heads(module: Any, told: int | None, name: str) -> None:
    """Refuse another number of attention heads: the weights have the same shapes, and compute something else."""
    own = module.layers[0].attn.num_heads
    if told is not None and told != own:
        setting = f'model.{name}.num_heads' if name in ('backbone', 'decoder') else 'num_heads'
        raise InputError(f'{name} has {told} attention heads in the file and {own} in the model; set {setting}={told}')


def initialise_backbone(backbone: BaseModule, source: str | None) -> None:
    """Load a pre-trained encoder from a file, a folder or a URL of any known format.

    Bias tables, layer scale and the normalisation of pooled tokens may be missing, as pre-training has none; a
    head, a decoder, or a last normalisation that the backbone does not have, is left aside. The backbone's
    ``init_cfg`` may say ``grid``, ``bias_resize`` and ``bands``; see :func:`load_into`.

    Raises:
        ValueError: no file, an unreadable one, an unknown format, or another encoder.
    """
    if not source:
        raise InputError('this config starts from a pre-trained encoder and names none: --cfg-options '
                         'checkpoint=FILE, or model.backbone.init_cfg=None to start from random weights')
    options: dict[str, Any] = dict(backbone.init_cfg or {})
    unknown = set(options) - set(INIT_OPTIONS)
    if unknown or options.get('bias_resize', 'bicubic') not in ('bicubic', 'geometric'):
        raise InputError(f'init_cfg={options}: it takes {", ".join(INIT_OPTIONS)}, and bias_resize is \'bicubic\' or '
                         '\'geometric\'')
    encoder, ignored = encoder_of(load_weights(source))
    own = backbone.state_dict()
    for name in [name for name in encoder if name.startswith(LAST_NORM) and name not in own]:
        ignored.append(name)
        del encoder[name]
    load_into(backbone, encoder, source, NEW_IN_BACKBONE, ignored, options.get('grid'),
              options.get('bias_resize', 'bicubic'), options.get('bands'))


def start_from(model: nn.Module, weights: Mapping[str, Tensor], source: str, bands: Rule | None = None) -> None:
    """Load a model's start for training: of its parts (backbone, decoder, heads), those that the weights have.

    A part that the weights lack altogether is new, and one that the model lacks altogether is ignored; within the
    parts that both have, everything must match but what :func:`initialise_backbone` may leave out.

    Args:
        weights: named :func:`in_full`.
        bands: see :func:`load_into`.

    Raises:
        ValueError: see :func:`load_into`.
    """
    state = model.state_dict()
    own, theirs = ({name.split('.')[0] for name in names} for names in (state, weights))
    ignored = [name for name in weights if name.split('.')[0] not in own or (
        name.removeprefix('backbone.').startswith(LAST_NORM) and name not in state)]
    kept = OrderedDict((name, tensor) for name, tensor in weights.items() if name not in ignored)
    kept._metadata = getattr(weights, '_metadata', {})  # type: ignore[attr-defined]
    new = '|'.join([rf'backbone\.({NEW_IN_BACKBONE})', *(rf'{re.escape(part)}\..+' for part in own - theirs)])
    load_into(model, kept, source, new, ignored, bands=bands)

"""Loading loudly: what a checkpoint did not match is an error with the names."""
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from ..errors import InputError
from .formats import convert
from .reading import read_checkpoint

# Sized by the image and resized by the backbone when they are loaded.
RESIZED = re.compile(r'(.+\.)?(pos_embed|relative_position_bias_table)')
# What pre-training does not have, and fine-tuning starts anew.
NEW_IN_BACKBONE = re.compile(r'layers\.\d+\.(attn\.relative_position_bias_table|gamma_[12])')


def tensors_of(checkpoint: Any) -> Mapping[str, Tensor]:
    """The state dict inside a checkpoint: under ``state_dict`` or ``model``, or the checkpoint itself.

    Raises:
        ValueError: it holds no tensors.
    """
    if isinstance(checkpoint, dict):
        for key in ('state_dict', 'model'):
            if isinstance(checkpoint.get(key), dict):
                checkpoint = checkpoint[key]
                break
        if checkpoint and all(isinstance(value, Tensor) for value in checkpoint.values()):
            return checkpoint
    raise InputError('a file without weights: neither tensors by name, nor a "state_dict" or "model" of them')


def load_weights(source: str) -> 'OrderedDict[str, Tensor]':
    """The weights of a file or URL of any known format, in our names.

    The names are a segmentor's or a classifier's (``backbone.*``, ...) if the file holds one, else the backbone's.

    Raises:
        ValueError: an unreadable file or an unknown format.
    """
    checkpoint = read_checkpoint(source)
    try:
        return convert(tensors_of(checkpoint)).weights
    except InputError as error:
        raise InputError(f'{source}: {error}') from None


def load_into(model: nn.Module, weights: Mapping[str, Tensor], source: str, new: str = '(?!)') -> None:
    """Load weights that must match the model by name and, but for positions, by shape.

    Args:
        source: where they come from, for the messages.
        new: pattern of parameters that may be missing from the weights; they keep their values.

    Raises:
        ValueError: with the names of what does not match; nothing has been loaded then.
    """
    state = model.state_dict()
    problems: list[str] = []

    def complain(what: str, names: list[str]) -> None:
        if names:
            more = f' and {len(names) - 3} more' if len(names) > 3 else ''
            problems.append(f'{what} {", ".join(names[:3])}{more}')

    complain('another shape:', [
        f'{name} is {_shape(tensor)} where the model has {_shape(state[name])}' for name, tensor in weights.items()
        if name in state and not _fits(name, tensor, state[name])])
    missing = [name for name in state if name not in weights]
    complain('missing:', [name for name in missing if not re.fullmatch(new, name)])
    complain('not in the model:', [
        name for name in weights if name not in state and not name.endswith('relative_position_index')])
    if problems:
        raise InputError(f'{source} does not fit the model: {"; ".join(problems)}. '
                         'Use the config that the checkpoint was made with')
    model.load_state_dict(weights, strict=False)
    resized = [name for name, tensor in weights.items() if name in state and tensor.shape != state[name].shape]
    print_log(
        f'{source}: loaded {len(state) - len(missing)} tensors, of them resized {len(resized)}; '
        f'newly initialised {len(missing)}', logger='current')


def _shape(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'scalar'


def _fits(name: str, tensor: Tensor, own: Tensor) -> bool:
    if RESIZED.fullmatch(name):
        return tensor.dim() == own.dim() and tensor.shape[-1] == own.shape[-1]
    return tensor.shape == own.shape


def initialise_backbone(backbone: nn.Module, source: str) -> None:
    """Load a pre-trained encoder from a file or URL of any known format.

    Bias tables and layer scale may be missing, as pre-training has none; a head, a decoder, or a last
    normalisation that the backbone does not have, is left aside.

    Raises:
        ValueError: an unreadable file, an unknown format, or another encoder.
    """
    weights = load_weights(source)
    prefix = 'backbone.' if any(name.startswith('backbone.') for name in weights) else ''
    own = backbone.state_dict()
    encoder: OrderedDict[str, Tensor] = OrderedDict()
    ignored = []
    for name, tensor in weights.items():
        local = name.removeprefix(prefix)
        if name.startswith(prefix) and (local in own or not local.startswith('ln1.')):
            encoder[local] = tensor
        else:
            ignored.append(name)
    metadata = getattr(weights, '_metadata', {})
    encoder._metadata = {'': metadata.get(prefix.rstrip('.'), {})}  # type: ignore[attr-defined]
    load_into(backbone, encoder, source, new=NEW_IN_BACKBONE.pattern)
    if ignored:
        print_log(f'{source}: ignored {len(ignored)} tensors that are not the encoder\'s, such as {ignored[0]}',
                  logger='current')

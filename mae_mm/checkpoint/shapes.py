"""What weights in our names must be before anything is made of them: plain numbers, of shapes that fit each other.

Letters in shapes: E width of the encoder, D of the decoder, H and G their MLPs', C bands, p side of a patch, T class
tokens, S registers, N and M positions, R rows of a bias table, K heads, L classes, P values of a patch.
"""
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..errors import InputError, listed

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LEARNED = re.compile(r'(.+\.)?(weight|bias|running_mean|running_var)')


def _layer(width: str, hidden: str) -> dict[str, str]:
    """Pattern of a layer's parameters -> their shapes."""
    E, H = width, hidden
    return {
        r'(ln[12]\.(weight|bias)|gamma_[12]|attn\.(q|k|v|proj)\.bias|ffn\.layers\.1\.bias)': E,
        r'attn\.qkv\.weight': f'3{E} {E}', r'attn\.qkv\.bias': f'3{E}', r'attn\.(q|k|v|proj)\.weight': f'{E} {E}',
        r'attn\.relative_position_bias_table': 'R K', r'ffn\.layers\.0\.0\.weight': f'{H} {E}',
        r'ffn\.layers\.0\.0\.bias': H, r'ffn\.layers\.1\.weight': f'{E} {H}'}


SHAPES: dict[str, str] = {
    r'backbone\.cls_token': '1 T E', r'backbone\.register_tokens': '1 S E',
    r'backbone\.pos_embed': '1 N E', r'backbone\.(ln1|fc_norm)\.(weight|bias)': 'E',
    r'backbone\.patch_embed\.projection\.weight': 'E C p p', r'backbone\.patch_embed\.projection\.bias': 'E',
    r'backbone\.relative_position_bias_table': 'R K',
    **{rf'backbone\.layers\.[0-9]+\.{name}': shape for name, shape in _layer('E', 'H').items()},
    r'decoder\.mask_token': '1 1 D', r'decoder\.pos_embed': '1 M D', r'decoder\.ln1\.(weight|bias)': 'D',
    r'decoder\.embed\.weight': 'D E', r'decoder\.embed\.bias': 'D', r'decoder\.pred\.weight': 'P D',
    r'decoder\.pred\.bias': 'P',
    **{rf'decoder\.layers\.[0-9]+\.{name}': shape for name, shape in _layer('D', 'G').items()},
    r'head\.fc\.weight': 'L E', r'head\.fc\.bias': 'L',
}
_PATTERNS = [re.compile(pattern) for pattern in SHAPES]


def check_plain(tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not stored number by number.

    Raises:
        ValueError: with the names of sparse, nested, quantised or complex tensors, or of ones without values.
    """
    strange = [f'{name} ({kind})' for name, tensor in tensors.items() if (kind := strangeness(tensor))]
    if strange:
        raise InputError(f'tensors that are not plain numbers: {listed(strange)}')


def strangeness(tensor: Tensor) -> str | None:
    """What keeps a tensor from being plain numbers; None if nothing does."""
    if tensor.is_nested:
        return 'nested'
    if tensor.layout is not torch.strided:
        return str(tensor.layout).removeprefix('torch.')
    if tensor.device.type == 'meta':
        return 'without values'
    return 'quantised' if tensor.is_quantized else 'complex' if tensor.is_complex() else None


def check_weights(weights: Mapping[str, Tensor], called: Mapping[str, str] | None = None) -> None:
    """Refuse what would become another model than the file's, or none.

    Args:
        weights: in our names, those of a model with a backbone; q, k and v may be apart.
        called: our name -> the file's, for messages.

    Raises:
        ValueError: with the names of empty tensors, weights that are not floating-point numbers, or shapes that do not
            fit the others; or layers that are missing between others.
    """
    called = called or {}
    shapes = {name: shape for name in weights if (shape := _shape_of(name))}
    empty = [called.get(name, name) for name, tensor in weights.items() if not tensor.numel()]
    if empty:
        raise InputError(f'empty tensors: {listed(empty)}')
    numbers = [f'{called.get(name, name)} ({str(tensor.dtype).removeprefix("torch.")})'
               for name, tensor in weights.items()
               if tensor.dtype not in FLOATS and (name in shapes or LEARNED.fullmatch(name))]
    if numbers:
        raise InputError(f'weights that are not floating-point numbers: {listed(numbers)}')
    _check_layers(weights)
    in_order = sorted(shapes, key=lambda name: not name.endswith('.0.ln1.weight'))  # which tell the widths
    _check_shapes({name: weights[name] for name in in_order}, shapes, called)


def _shape_of(name: str) -> str | None:
    return next((shape for pattern, shape in zip(_PATTERNS, SHAPES.values(), strict=True) if pattern.fullmatch(name)),
                None)


def _check_layers(weights: Mapping[str, Tensor]) -> None:
    for part in ('backbone', 'decoder'):
        found = {int(match[1]) for name in weights if (match := re.match(rf'{part}\.layers\.([0-9]{{1,9}})\.', name))}
        if found and max(found) + 1 != len(found):
            raise InputError(f'{part}: layer {max(found)} is there, and only {len(found)} layers are')


def _check_shapes(weights: Mapping[str, Tensor], shapes: Mapping[str, str], called: Mapping[str, str]) -> None:
    """Bind each letter to its first size, and compare."""
    sizes = {'1': 1}
    wrong = []
    for name, tensor in weights.items():
        letters = shapes[name].split()
        bound = _bound(letters, tensor.shape, sizes)
        sizes = sizes if bound is None else bound
        if bound is None:
            wanted = 'x'.join(_told(letter, sizes) for letter in letters)
            wrong.append(f'{called.get(name, name)} is {shape_text(tensor)}, not {wanted}')
    if wrong:
        raise InputError(f'weights whose shapes do not fit each other: {listed(wrong)}')


def _bound(letters: Sequence[str], shape: Sequence[int], sizes: Mapping[str, int]) -> dict[str, int] | None:
    """The sizes of letters with those of a shape; None if it does not fit them."""
    bound = dict(sizes)
    fits = len(letters) == len(shape)
    for letter, size in zip(letters, shape, strict=False):
        factor = 3 if len(letter) > 1 else 1
        fits &= bound.setdefault(letter[-1], size // factor) * factor == size
    return bound if fits else None


def _told(letter: str, sizes: Mapping[str, int]) -> str:
    size = sizes.get(letter[-1])
    return '?' if size is None else str(size * (3 if len(letter) > 1 else 1))


def shape_text(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or 'a scalar'

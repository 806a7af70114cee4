"""``mae-mm convert SRC DST [--to FORMAT]``: weights in the format of this or another project.

SRC is a checkpoint of any known format: a path, a Hugging Face folder or a URL. DST is a file (``.pth`` or
``.safetensors``), or for ``--to huggingface`` the folder that ``from_pretrained`` opens. Without ``--to`` it is the
encoder in our names, or with ``--whole`` all that SRC holds; configs take files of any known format as they are.
"""
import argparse
import os
from collections.abc import Sequence
from typing import Any

from ..checkpoint import convert, export, read_checkpoint, tensors_of, write_checkpoint
from ..checkpoint.describing import describe
from ..checkpoint.download import HASH_SUFFIX
from ..checkpoint.facts import add_facts
from ..checkpoint.huggingface import CONFIG, WEIGHTS, config_of
from ..checkpoint.loading import encoder_of
from ..checkpoint.reading import add_trust_option, class_names_of, meta_of
from ..checkpoint.tables import TARGETS
from ..checkpoint.writing import to_plain, write_folder
from ..errors import InputError
from ..outputs import check_replaces_nothing, check_writable

OURS, HUGGINGFACE = 'ours', 'huggingface'
SUFFIXES = ('.pth', '.pt', '.bin', '.safetensors')
FACTS = ('grid', 'num_heads', 'decoder_num_heads', 'norm_pix')  # options that tell what SRC does not


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Write weights in the format of this or another project')
    parser.add_argument('src', help='path or URL of the weights, or a Hugging Face folder')
    parser.add_argument('dst', help='path of the file to write, .pth or .safetensors; for huggingface a folder')
    parser.add_argument('--to', default=OURS, choices=(OURS, *TARGETS), help='the format; default: %(default)s')
    parser.add_argument('--whole', action='store_true', help='for ours: with the decoder and heads')
    told = parser.add_argument_group('facts that SRC does not hold, for ours and huggingface; the latter needs them')
    told.add_argument('--grid', nargs=2, type=int, metavar=('HEIGHT', 'WIDTH'), help='grid of patches')
    told.add_argument('--num-heads', type=int, help='attention heads of the encoder')
    told.add_argument('--decoder-num-heads', type=int, help='attention heads of the decoder')
    told.add_argument('--norm-pix', choices=('yes', 'no'), help='whether the decoder predicts normalised patches')
    parser.add_argument('--overwrite', action='store_true', help='replace DST if it is there')
    add_trust_option(parser)
    args = parser.parse_args(argv)
    check_writable(args.dst)
    try:
        _check(args)
        print(to_ours(args) if args.to == OURS else to_others(args))
    except InputError as error:
        text = str(error)
        raise InputError(text if args.src in text else f'{args.src}: {text}') from None


def _check(args: argparse.Namespace) -> None:
    """Refuse options without effect, and files that are not to be replaced."""
    idle = [] if args.to in (OURS, HUGGINGFACE) else [name for name in FACTS if getattr(args, name) is not None]
    idle += ['whole'] if args.whole and args.to != OURS else []
    if idle:
        raise InputError(f'--{idle[0].replace("_", "-")} has no effect with --to {args.to}')
    of_decoder = [name for name in FACTS[2:] if getattr(args, name) is not None]
    if of_decoder and args.to == OURS and not args.whole:
        raise InputError(f'--{of_decoder[0].replace("_", "-")} is of the decoder, which only --whole writes')
    folder = args.to == HUGGINGFACE
    targets = [os.path.join(args.dst, name) for name in (CONFIG, *WEIGHTS)] if folder else [args.dst]
    check_replaces_nothing(targets, [args.src])
    if os.path.exists(args.dst + HASH_SUFFIX):
        raise InputError(f'{args.dst} is a checkpoint of a run, whose hash is beside it; choose another name')
    if not folder and not args.dst.endswith(SUFFIXES):
        raise InputError(f'{args.dst}: weights are written to a file named {", ".join(SUFFIXES)}')
    there = list(filter(os.path.exists, targets))
    if there and not args.overwrite:
        raise InputError(f'{there[0]} is there already; choose another name, or --overwrite replaces it')


def _facts(args: argparse.Namespace) -> dict[str, Any]:
    return dict(grid=tuple(args.grid) if args.grid else None, num_heads=args.num_heads,
                decoder_num_heads=args.decoder_num_heads,
                norm_pix=None if args.norm_pix is None else args.norm_pix == 'yes')


def to_ours(args: argparse.Namespace) -> str:
    """Write the encoder, or all parts, in our names; what was done."""
    checkpoint = read_checkpoint(args.src, args.trust)
    source = tensors_of(checkpoint)
    converted = convert(source)
    weights, aside = (converted.weights, []) if args.whole else encoder_of(converted.weights)
    add_facts(weights, **_facts(args))
    meta = to_plain(meta_of(checkpoint)) if args.whole and not args.dst.endswith('.safetensors') else None
    write_checkpoint(dict(state_dict=weights, meta=meta) if meta else weights, args.dst)
    kept = sum(name in source for name in weights)
    return (f'{args.src} ({converted.format}): {len(weights) - kept} tensors renamed, {kept} kept, '
            f'{len(converted.dropped) + len(aside)} dropped; written to {args.dst}')


def to_others(args: argparse.Namespace) -> str:
    """Write weights in the names of ``args.to``; what was done."""
    checkpoint = read_checkpoint(args.src, args.trust)
    weights = convert(tensors_of(checkpoint)).weights
    exported, aside = export(weights, args.to)
    if args.to == HUGGINGFACE:
        add_facts(weights, **_facts(args))
        write_folder(exported, config_of(describe(weights), class_names_of(checkpoint)), args.dst)
    else:
        nested = args.to == 'official' and not args.dst.endswith('.safetensors')
        write_checkpoint({'model': exported} if nested else exported, args.dst)
    parts = ' and the '.join(dict.fromkeys(name.partition('.')[0] for name in aside))
    return (f'{args.src}: {len(exported)} tensors written to {args.dst}'
            + (f'; left out {len(aside)} tensors of the {parts}, which {args.to} has no names for' if aside else ''))

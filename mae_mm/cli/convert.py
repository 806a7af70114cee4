"""``mae-mm convert SRC DST [--to {ours,official,timm,huggingface,mmpretrain,mmseg}]``: weights under other names.

SRC is a checkpoint of any known format: a path, a Hugging Face folder or a URL. DST is a file (``.pth`` or
``.safetensors``), or for ``--to huggingface`` the folder that ``from_pretrained`` opens. Without ``--to`` it is the
encoder in our names; configs take files of any known format as they are.
"""
import argparse
from collections.abc import Sequence
from dataclasses import replace

from ..checkpoint import convert, export, load_weights, read_checkpoint, tensors_of, write_checkpoint
from ..checkpoint.describing import describe
from ..checkpoint.huggingface import config_of
from ..checkpoint.loading import encoder_of
from ..checkpoint.reading import add_trust_option
from ..checkpoint.tables import TARGETS
from ..checkpoint.writing import write_folder
from ..errors import InputError
from ..outputs import check_writable

OURS = 'ours'


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Write weights under the names of this or another project')
    parser.add_argument('src', help='path or URL of the weights, or a Hugging Face folder')
    parser.add_argument('dst', help='path of the file to write, .pth or .safetensors; for huggingface a folder')
    parser.add_argument('--to', default=OURS, choices=(OURS, *TARGETS))
    parser.add_argument('--grid', nargs=2, type=int, metavar=('HEIGHT', 'WIDTH'),
                        help='of patches, for huggingface; needed if the file does not store it')
    parser.add_argument('--num-heads', type=int, help='of attention heads, for huggingface; needed if the file '
                                                             'does not store it')
    parser.add_argument('--decoder-num-heads', type=int, help='the same for the decoder')
    add_trust_option(parser)
    args = parser.parse_args(argv)
    check_writable(args.dst, [args.src])
    for option in ('grid', 'num_heads', 'decoder_num_heads'):
        value = getattr(args, option)
        if value is not None and min(value if isinstance(value, list) else [value]) < 1:
            raise InputError(f'--{option.replace("_", "-")} {value} is not of numbers from 1 on')
    try:
        print(to_ours(args) if args.to == OURS else to_others(args))
    except InputError as error:
        text = str(error)
        raise InputError(text if args.src in text else f'{args.src}: {text}') from None


def to_ours(args: argparse.Namespace) -> str:
    """Write the encoder in our names; what was done."""
    source = tensors_of(read_checkpoint(args.src, args.trust))
    converted = convert(source)
    encoder, aside = encoder_of(converted.weights)
    write_checkpoint(encoder, args.dst)
    kept = sum(name in source for name in encoder)
    return (f'{args.src} ({converted.format}): {len(encoder) - kept} tensors renamed, {kept} kept, '
            f'{len(converted.dropped) + len(aside)} dropped; written to {args.dst}')


def to_others(args: argparse.Namespace) -> str:
    """Write weights in the names of ``args.to``; what was done."""
    weights = load_weights(args.src, args.trust)
    exported, aside = export(weights, args.to)
    if args.to == 'huggingface':
        write_folder(exported, _config(weights, args), args.dst)
    else:
        nested = args.to == 'official' and not args.dst.endswith('.safetensors')
        write_checkpoint({'model': exported} if nested else exported, args.dst)
    return (f'{args.src}: {len(exported)} tensors written to {args.dst}'
            + (f'; left out {len(aside)} tensors of the decoder, which {args.to} has no names for' if aside else ''))


def _config(weights, args: argparse.Namespace) -> dict:
    """Hugging Face's config.json: what the weights tell, and what the command line adds."""
    model = describe(weights)
    told = dict(grid=tuple(args.grid) if args.grid else None, num_heads=args.num_heads)
    model.backbone = replace(model.backbone, **{key: value for key, value in told.items() if value})
    if model.decoder and args.decoder_num_heads:
        model.decoder = replace(model.decoder, num_heads=args.decoder_num_heads)
    return config_of(model)

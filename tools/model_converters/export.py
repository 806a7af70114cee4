"""Weights for elsewhere: ``python tools/model_converters/export.py SRC DST --to {official,timm,huggingface,...}``.

SRC is a checkpoint of any known format. DST is a file (``.pth`` or ``.safetensors``), or the folder that
``from_pretrained`` opens for ``--to huggingface``.
"""
import argparse
from collections.abc import Sequence
from dataclasses import replace

try:
    from mae_mm.checkpoint import export, load_weights, write_checkpoint
    from mae_mm.checkpoint.describing import describe
    from mae_mm.checkpoint.huggingface import config_of
    from mae_mm.checkpoint.reading import add_trust_option
    from mae_mm.checkpoint.tables import TARGETS
    from mae_mm.checkpoint.writing import write_folder
    from mae_mm.engine.cli import run_tool
    from mae_mm.errors import InputError
except ImportError as error:
    raise SystemExit(f'error: {error}') from None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Write weights under the names of another project')
    parser.add_argument('src', help='path or URL of the weights, or a Hugging Face folder')
    parser.add_argument('dst', help='path of the file to write, .pth or .safetensors; for huggingface a folder')
    parser.add_argument('--to', required=True, choices=TARGETS)
    parser.add_argument('--grid', nargs=2, type=int, metavar=('HEIGHT', 'WIDTH'),
                        help='in patches, for huggingface, if the file does not tell it')
    parser.add_argument('--num-heads', type=int, help='for huggingface, if neither file nor width tell it')
    parser.add_argument('--decoder-num-heads', type=int, help='the same of the decoder')
    add_trust_option(parser)
    args = parser.parse_args(argv)

    weights = load_weights(args.src, args.trust)
    try:
        exported, aside = export(weights, args.to)
        if args.to == 'huggingface':
            write_folder(exported, _config(weights, args), args.dst)
    except InputError as error:
        raise InputError(f'{args.src}: {error}') from None
    if args.to != 'huggingface':
        nested = args.to == 'official' and not args.dst.endswith('.safetensors')
        write_checkpoint({'model': exported} if nested else exported, args.dst)
    print(f'{args.src}: {len(exported)} tensors written to {args.dst}'
          + (f'; left out {len(aside)} of the decoder, for which {args.to} has no place' if aside else ''))


def _config(weights, args: argparse.Namespace) -> dict:
    """Hugging Face's config.json: what the weights tell, and what the command line adds."""
    model = describe(weights)
    told = dict(grid=tuple(args.grid) if args.grid else None, num_heads=args.num_heads)
    model.backbone = replace(model.backbone, **{key: value for key, value in told.items() if value})
    if model.decoder and args.decoder_num_heads:
        model.decoder = replace(model.decoder, num_heads=args.decoder_num_heads)
    return config_of(model)


if __name__ == '__main__':
    run_tool(main)

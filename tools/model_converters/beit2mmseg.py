"""Official MAE and BEiT weights to our names: ``python tools/model_converters/beit2mmseg.py SRC DST``.

SRC is a path or a URL. Configs take the official files as they are; this is for whoever wants the converted file.
"""
import argparse
from collections.abc import Sequence

try:
    from mae_mm.checkpoint import convert, read_checkpoint, write_checkpoint
    from mae_mm.checkpoint.loading import tensors_of
    from mae_mm.engine.cli import run_tool
    from mae_mm.errors import InputError
except ImportError as error:
    raise SystemExit(f'error: {error}') from None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Convert official MAE and BEiT weights to our names')
    parser.add_argument('src', help='path or URL of the weights')
    parser.add_argument('dst', help='path of the file to write')
    args = parser.parse_args(argv)
    try:
        converted = convert(tensors_of(read_checkpoint(args.src)))
    except InputError as error:
        raise InputError(f'{args.src}: {error}') from None
    write_checkpoint(converted.weights, args.dst)
    print(f'{args.src} ({converted.format}): {converted.renamed} tensors renamed, {converted.kept} kept, '
          f'{len(converted.dropped)} dropped; written to {args.dst}')


if __name__ == '__main__':
    run_tool(main)

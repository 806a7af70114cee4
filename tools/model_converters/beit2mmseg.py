"""The encoder of any known checkpoint in our names: ``python tools/model_converters/beit2mmseg.py SRC DST``.

SRC is a path, a Hugging Face folder or a URL. Configs take such files as they are; this is for whoever wants the
converted one.
"""
import argparse
from collections.abc import Sequence

try:
    from mae_mm.checkpoint import convert, read_checkpoint, tensors_of, write_checkpoint
    from mae_mm.checkpoint.loading import encoder_of
    from mae_mm.checkpoint.reading import add_trust_option
    from mae_mm.engine.cli import run_tool
    from mae_mm.errors import InputError
except ImportError as error:
    raise SystemExit(f'error: {error}') from None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Convert MAE and BEiT weights of any known format to our names')
    parser.add_argument('src', help='path or URL of the weights, or a Hugging Face folder')
    parser.add_argument('dst', help='path of the file to write, .pth or .safetensors')
    add_trust_option(parser)
    args = parser.parse_args(argv)
    try:
        source = tensors_of(read_checkpoint(args.src, args.trust))
        converted = convert(source)
    except InputError as error:
        raise InputError(f'{args.src}: {error}') from None
    encoder, aside = encoder_of(converted.weights)
    write_checkpoint(encoder, args.dst)
    kept = sum(name in source for name in encoder)
    print(f'{args.src} ({converted.format}): {len(encoder) - kept} tensors renamed, {kept} kept, '
          f'{len(converted.dropped) + len(aside)} dropped; written to {args.dst}')


if __name__ == '__main__':
    run_tool(main)

"""What a patch, or the class token, attends to; or the relative position bias that a backbone has learned.

    mae-mm attention CHECKPOINT IMAGE_OR_FOLDER ... [--out FILE.png] [--layers 0 -1] [--heads 0 2] [--patch ROW COLUMN]
    mae-mm attention CHECKPOINT --bias [--layers 0 -1]
"""
import argparse
from collections.abc import Sequence

from ..apis.inputs import check_outside_shards, sources_of
from ..apis.pictures import attention_sheet, bias_sheet
from ..config.names import is_config
from ..errors import InputError
from .models import add_model_options, images_of, loaded_model, model_of
from .pictures import add_bands, add_out, add_pictures, check_out, set_bands, write


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Attention of a patch or of the class token, or the relative '
                                                 'position bias')
    add_model_options(parser)
    add_out(parser, 'attention.png')
    parser.add_argument('--layers', nargs='+', type=int, default=[-1],
                        help='counted from 0, or from the end; default: the last')
    parser.add_argument('--heads', nargs='+', type=int, help='counted from 0; default: all')
    looks = parser.add_mutually_exclusive_group()
    looks.add_argument('--patch', nargs=2, type=int, metavar=('ROW', 'COLUMN'),
                       help='the patch whose attention is shown, counted from 0; default: the class token')
    looks.add_argument('--token', type=int, default=0,
                       help='which one, of several tokens before the patches; default: 0')
    looks.add_argument('--bias', action='store_true', help='show the relative position bias; takes no images')
    add_pictures(parser, 4)
    add_bands(parser)
    args = parser.parse_args(argv)

    if args.bias:
        given = args.inputs[is_config(args.inputs[0]):]
        if len(given) != 1:
            raise InputError('--bias takes [CONFIG] CHECKPOINT, and no images' if given else 'there is no checkpoint')
        check_out(args.out, given)
        write(args.out, bias_sheet(loaded_model(args, 'attention', given[0]), args.layers, args.heads))
        return
    checkpoint, images = images_of(args.inputs)
    check_out(args.out, [checkpoint, *images])
    check_outside_shards(args.out, images)
    sources = sources_of(images)
    model = model_of(args, 'attention')
    set_bands(model, args.bands)
    write(args.out, attention_sheet(model, sources, args.layers, args.patch, args.token, args.heads, args.pictures))

"""A trained model as one file that runs without this package: ONNX, or a program of ``torch.export``.

    mae-mm export CONFIG CHECKPOINT OUT.onnx [--size HEIGHT WIDTH | --dynamic] [--opset N]
    mae-mm export CONFIG CHECKPOINT OUT.pt2 [--size HEIGHT WIDTH | --dynamic]

It takes RGB images of 0 to 255, ``(B, 3, H, W)``, and gives logits; B is free. What is written has been compared with
the model on two inputs. docs/export.md has a script that uses it.
"""
import argparse
import math
from collections.abc import Sequence

from mmengine.logging import MMLogger

from ..apis.exporting import OPSETS, TOLERANCE, Exportable, check_target, export_model
from ..apis.trained import trained_model
from ..checkpoint.reading import read_checkpoint
from ..config.hardware import fit_to_hardware
from ..config.reading import read_config
from ..errors import InputError
from ..outputs import check_writable
from .common import add_config

MOST_PIXELS = 200_000_000  # as of images that are read


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Write a trained model as ONNX or as a program of torch.export')
    add_config(parser)
    parser.add_argument('checkpoint', help='a checkpoint file or URL')
    parser.add_argument('out', help='path of the file to write, .onnx or .pt2')
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument('--size', nargs=2, type=int, metavar=('HEIGHT', 'WIDTH'),
                       help='of the images in pixels; default: the size in training')
    sizes.add_argument('--dynamic', action='store_true',
                       help='images whose sides are any multiples of the patch, at least 4 patches')
    parser.add_argument('--opset', type=int, choices=OPSETS,
                        help='version of the ONNX operators; default: that of torch.onnx')
    parser.add_argument('--tolerance', type=float, default=TOLERANCE, metavar='DIFFERENCE',
                        help='write the file only if its outputs differ from those of the model by no more than this; '
                             'default: %(default)s')
    args = parser.parse_args(argv)

    if args.size and (min(args.size) < 1 or math.prod(args.size) > MOST_PIXELS):
        raise InputError(f'--size {args.size[0]} {args.size[1]}: height and width are pixels from 1 on, and no more '
                         f'than {MOST_PIXELS:,} in all')
    if not 0 <= args.tolerance < math.inf:
        raise InputError(f'--tolerance {args.tolerance}: it is a number from 0 on')
    check_target(args.out)
    if args.opset is not None and not args.out.endswith('.onnx'):
        raise InputError(f'--opset is for ONNX, which {args.out} is not')
    check_writable(args.out, [args.config, args.checkpoint])
    MMLogger.get_instance('export', log_level='WARNING')
    cfg = read_config(args.config, dict(args.cfg_options or {}, load_from=args.checkpoint))
    cfg.pop('optim_wrapper', None)  # nothing trains: no word on mixed precision
    fit_to_hardware(cfg, 'none')
    alone = not {'head', 'decode_head'} & set(cfg.model)  # what is exported of a model for pre-training: the encoder
    model, metainfo = trained_model(cfg, read_checkpoint(args.checkpoint), args.checkpoint, encoder_suffices=alone)
    nodata = (cfg.get('statistics') or {}).get('nodata')
    exportable = Exportable(model, nodata)
    metadata = dict(patch_size=exportable.backbone.patch_size, **({} if nodata is None else {'nodata': nodata}),
                    **{key: metainfo[key] for key in ('classes', 'palette') if metainfo.get(key) is not None})
    size = tuple(args.size) if args.size else exportable.size
    difference = export_model(exportable, args.out, size, args.dynamic, args.opset, metadata, args.tolerance)
    p = exportable.backbone.patch_size
    sizes_said = f'multiples of {p} from {p * exportable.smallest} on' if args.dynamic else f'{size[0]}x{size[1]}'
    print(f'{args.out}: images of {sizes_said}; largest difference from the model {difference:.1e}')

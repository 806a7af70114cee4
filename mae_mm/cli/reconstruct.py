"""Hide patches of images and have a model fill them in.

    mae-mm reconstruct CHECKPOINT IMAGE_OR_FOLDER ... [--out FILE.png] [--mask block] [--mask-ratio .75] [--seed 0]

The picture has a row for each image: all of it, its visible part, what the model makes of that, and the same with the
visible patches.
"""
import argparse
from collections.abc import Sequence

from ..apis.inputs import check_outside_shards, sources_of
from ..apis.masks import KINDS
from ..apis.pictures import reconstruction_sheet
from ..visualization.reconstruction import STATISTICS
from .models import add_model_options, images_of, model_of
from .pictures import add_bands, add_out, add_pictures, check_out, set_bands, write


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Hide patches of images and have a model fill them in')
    add_model_options(parser)
    add_out(parser, 'reconstruction.png')
    parser.add_argument('--mask', default='random', metavar='{random,block,grid,FILE.png}',
                        help='which patches are hidden: at random, in rectangles, on a grid, or where a picture is '
                             'white; default: %(default)s')
    parser.add_argument('--mask-ratio', type=float, help="the hidden share; default: the model's")
    parser.add_argument('--seed', type=int, default=0, help='of the masks; default: %(default)s')
    parser.add_argument('--statistics', choices=STATISTICS, default='visible',
                        help='mean and standard deviation with which normalised predictions are shown: those of the '
                             'visible patches around, or the true ones; default: %(default)s')
    add_pictures(parser)
    add_bands(parser)
    args = parser.parse_args(argv)

    checkpoint, images = images_of(args.inputs)
    painted = [] if args.mask in KINDS else [args.mask]
    check_out(args.out, [checkpoint, *images, *painted])
    check_outside_shards(args.out, images)
    sources = sources_of(images)
    model = model_of(args, 'reconstruct')
    set_bands(model, args.bands)
    write(args.out, reconstruction_sheet(model, sources, args.mask, args.mask_ratio, args.seed, args.statistics,
                                         args.pictures))

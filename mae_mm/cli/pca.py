"""The features of patches as colours: their principal components, with one basis for all images.

    mae-mm pca CHECKPOINT IMAGE_OR_FOLDER ... [--out FILE.png] [--layer -1]
"""
import argparse
from collections.abc import Sequence

from ..apis.inputs import check_outside_shards, sources_of
from ..apis.pictures import pca_sheet
from .models import add_model_options, images_of, model_of
from .pictures import add_bands, add_out, add_pictures, check_out, set_bands, write


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='The features of patches as colours')
    add_model_options(parser)
    add_out(parser, 'pca.png')
    parser.add_argument('--layer', type=int, default=-1, help='counted from 0, or from the end')
    add_pictures(parser)
    add_bands(parser)
    args = parser.parse_args(argv)

    checkpoint, images = images_of(args.inputs)
    check_out(args.out, [checkpoint, *images])
    check_outside_shards(args.out, images)
    sources = sources_of(images)
    model = model_of(args, 'pca')
    set_bands(model, args.bands)
    write(args.out, pca_sheet(model, sources, args.layer, args.pictures))

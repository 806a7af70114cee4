"""Classify or segment images.

    mae-mm predict CHECKPOINT IMAGE_OR_FOLDER ... [--out DIR]            # a checkpoint of ours, which holds its config
    mae-mm predict CONFIG CHECKPOINT IMAGE_OR_FOLDER ... [--out DIR]

It writes pictures, label maps of a segmentor, and a line for each image in predictions.csv and predictions.json.
"""
import argparse
import os
import sys
from collections.abc import Sequence

from ..apis.inputs import check_outside_shards, sources_of
from ..apis.predictions import PredictionFiles
from ..errors import Incomplete, listed
from ..outputs import check_target
from .models import add_model_options, images_of, model_of


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Classify or segment images')
    add_model_options(parser)
    parser.add_argument('--out', metavar='DIR', help='output folder; default: predictions, beside the checkpoint')
    parser.add_argument('--topk', type=int, default=3,
                        help='how many of the most probable classes to write; default: %(default)s')
    parser.add_argument('--opacity', type=float, default=0.5,
                        help="of the classes' colours over the image, 0 to 1; default: %(default)s")
    parser.add_argument('--probabilities', action='store_true',
                        help='also write the probabilities of all classes for each pixel')
    parser.add_argument('--batch-size', type=int, default=1,
                        help='images that go through the model at a time; default: %(default)s')
    args = parser.parse_args(argv)

    checkpoint, images = images_of(args.inputs)
    out_dir = args.out or os.path.join(os.path.dirname(checkpoint) or '.', 'predictions')
    check_target(out_dir, images)
    check_outside_shards(out_dir, images)
    sources = sources_of(images)
    model = model_of(args, 'predict')
    files = PredictionFiles(model, sources, out_dir, args.opacity, args.topk)
    broken: dict[str, str] = {}
    for source, prediction in model.predictions(sources, args.batch_size, args.probabilities, broken):
        files.add(source, prediction)
    files.close(broken)
    print(f'{len(files.rows)} predictions are in {out_dir}')
    for reason in broken.values():
        print(reason, file=sys.stderr)
    if broken:
        raise Incomplete(f'{len(broken)} of {len(sources)} images could not be read: {listed(broken)}')

"""Features of images, as arrays.

    mae-mm features CHECKPOINT IMAGE_OR_FOLDER ... --out FILE.npz [--layers -1 -4] [--kind maps]

FILE.npz holds ``paths`` and ``features``: ``(N, C)``, of maps ``(N, C, h, w)``; of several layers ``features_LAYER``.
"""
import argparse
import io
from collections.abc import Sequence

import numpy as np

from ..apis.inputs import check_outside_shards, sources_of
from ..apis.models import KINDS
from ..checkpoint.writing import AtomicBackend
from ..errors import InputError
from ..evaluation.features import BATCH
from ..outputs import check_writable
from .models import add_model_options, images_of, model_of


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Features of images')
    add_model_options(parser)
    parser.add_argument('--out', required=True, metavar='FILE.npz', help='file to write')
    parser.add_argument('--layers', nargs='+', type=int, help='counted from 0, or from the end; default: the last')
    parser.add_argument('--kind', choices=KINDS, default='pooled',
                        help='the pooled token or the mean of the patches, the class token, a map, or all tokens; '
                             'default: %(default)s')
    parser.add_argument('--batch-size', type=int, default=BATCH,
                        help='images that go through the model at a time; default: %(default)s')
    args = parser.parse_args(argv)

    if not args.out.endswith('.npz'):
        raise InputError(f'--out {args.out}: features are written to a file named .npz')
    checkpoint, images = images_of(args.inputs)
    check_writable(args.out, [checkpoint, *images])
    check_outside_shards(args.out, images)
    sources = sources_of(images)
    model = model_of(args, 'features')
    several = args.layers is not None and len(args.layers) > 1
    layers = args.layers[0] if args.layers and not several else args.layers
    features = model.features(sources, layers, args.kind, args.batch_size, as_numpy=True)
    by_name = {f'features_{layer}': rows for layer, rows in zip(layers, features, strict=True)} if several else {
        'features': features}
    if any(isinstance(rows, list) for rows in by_name.values()):
        raise InputError('the images differ in size, and so do their maps; --kind pooled, or a folder for each size')
    buffer = io.BytesIO()
    np.savez(buffer, paths=np.array([source.path for source in sources]), **by_name)
    AtomicBackend().put(buffer.getvalue(), args.out)
    shapes = ', '.join(f'{name} {"x".join(map(str, rows.shape))}' for name, rows in by_name.items())
    print(f'{args.out}: {shapes}')

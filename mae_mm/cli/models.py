"""What the subcommands that use a trained model on images share: ``[CONFIG] CHECKPOINT IMAGE_OR_FOLDER ...``."""
import argparse
import os
from collections.abc import Sequence

import torch
from mmengine.logging import MMLogger

from ..apis.models import Model, load
from ..config.names import find_config, is_config
from ..errors import InputError
from .common import add_settings

DTYPES = {'float32': None, 'float16': torch.float16, 'bfloat16': torch.bfloat16}


def add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('inputs', nargs='+', metavar='[CONFIG] CHECKPOINT IMAGE_OR_FOLDER',
                        help='file or name of a config, unless the checkpoint holds its own; a checkpoint, file or '
                             'URL; images and folders')
    parser.add_argument('--device', help='such as cuda:1 or cpu; default: an accelerator if there is one')
    parser.add_argument('--dtype', choices=tuple(DTYPES), default='float32',
                        help='precision of the computation; default: %(default)s')
    add_settings(parser, 'img_size=96')


def images_of(inputs: Sequence[str]) -> tuple[str, list[str]]:
    """The checkpoint, and the images and folders after it.

    Raises:
        ValueError: there are none.
    """
    first = inputs[0]
    if not (is_config(first) or os.path.exists(first) or os.path.splitext(first)[1] or '://' in first):
        find_config(first)  # which says what is like it
    checkpoint, *images = inputs[1:] if is_config(first) else inputs
    if not images:
        raise InputError('there are no images: [CONFIG] CHECKPOINT IMAGE_OR_FOLDER ...')
    return checkpoint, images


def model_of(args: argparse.Namespace, name: str) -> Model:
    """The model that the command line names; ``name`` is that of its log, which is quiet."""
    return loaded_model(args, name, images_of(args.inputs)[0])


def loaded_model(args: argparse.Namespace, name: str, checkpoint: str) -> Model:
    """:func:`model_of`, where the command line may name no images."""
    MMLogger.get_instance(name, log_level='WARNING')
    config = args.inputs[0] if is_config(args.inputs[0]) else None
    first = (config, checkpoint) if config else (checkpoint, )
    return load(*first, device=args.device, dtype=DTYPES[args.dtype], cfg_options=args.cfg_options)

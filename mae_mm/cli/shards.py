"""Shards, for what outgrows a disk of small files: tar files of images that a `data_root` can be.

    mae-mm shards make SOURCE OUT [--shard-mb 256] [--skip-broken]
    mae-mm shards index TARS [--classes FILE] [--skip-broken]
    mae-mm shards verify OUT

SOURCE is a folder of images, flat, nested, or in class folders, with or without {train,val}. The same command goes on
where one was interrupted, and mends shards that are missing or cut short. TARS is a folder of tar files that other
tools have written in WebDataset's format; `index` leaves them as they are.
"""
import argparse
import shlex
from collections.abc import Sequence
from typing import Any

from mmengine.logging import MMLogger

from ..apis.sharding import SHARD_BYTES, make_shards, verify_shards
from ..apis.tar_index import index_tars
from ..engine.summary import counted
from ..errors import InputError


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Images as tar files, for use as a data_root')
    actions = parser.add_subparsers(dest='action', required=True, metavar='make | index | verify')
    make = actions.add_parser('make', help='write the images of a folder into shards; continues where it was stopped',
                              description='Write the images of a folder into shards')
    make.add_argument('source', metavar='SOURCE', help='images, flat or nested, or class folders, or these in '
                                                       '{train,val}')
    make.add_argument('out', metavar='OUT', help='folder of the shards, apart from the images')
    make.add_argument('--shard-mb', type=int, default=SHARD_BYTES >> 20, metavar='MIB',
                      help='size of the images in a shard, at most; default: %(default)s')
    index = actions.add_parser('index', help='write an index of tar files of other tools, which become shards',
                               description="Write an index of tar files in WebDataset's format")
    index.add_argument('out', metavar='TARS', help='folder of tar files: KEY.jpg and, of classes, KEY.cls; names with '
                                                   'train, val or test tell the splits')
    index.add_argument('--classes', metavar='FILE', help='the name of class 0, 1, ... in each line, or imagenet-1k; '
                                                         'default: classes.txt in TARS, else numbers')
    for writer in (make, index):
        writer.add_argument('--skip-broken', action='store_true', help='leave out images that cannot be read')
    verify = actions.add_parser('verify', help='compare shards with their hashes',
                                description='Compare shards with their hashes')
    verify.add_argument('out', metavar='OUT', help='folder of the shards')
    args = parser.parse_args(argv)

    MMLogger.get_instance('shards', log_level='WARNING')
    if args.action == 'verify':
        print(f'{summary(verify_shards(args.out))}: all as they were made')
        return
    if args.action == 'make' and args.shard_mb < 1:
        raise InputError(f'--shard-mb {args.shard_mb} is not a whole number from 1 on')
    try:
        if args.action == 'make':
            head = make_shards(args.source, args.out, args.shard_mb << 20, args.skip_broken)
        else:
            head = index_tars(args.out, args.classes, args.skip_broken)
    except KeyboardInterrupt:
        raise KeyboardInterrupt('the same command goes on from here') from None
    print(f'{summary(head)}; the setting that uses them, in every command:\n'
          f'--cfg-options {shlex.quote("data_root=" + args.out)}')


def summary(head: dict[str, Any]) -> str:
    size = sum(shard['bytes'] for shard in head['shards'])
    number = len(head.get('classes') or ())
    classes = f', {number} class{"es" * (number > 1)}' if number else ''
    left_out = f' ({head["left_out"]} left out, which cannot be used)' if head.get('left_out') else ''
    return (f'{counted(head["images"], "image")}{left_out}{classes} in {counted(len(head["shards"]), "shard")} of '
            f'{size / 2**20:,.1f} MiB')

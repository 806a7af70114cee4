"""Published weights by name, checked against their published hash.

    mae-mm download             lists the names
    mae-mm download NAME ...    fetches once, into torch's cache ($TORCH_HOME/hub/checkpoints); prints the path
"""
import argparse
import sys
from collections.abc import Sequence

from ..apis.zoo import download_published, find_published, zoo_table


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Fetch published weights, once, and check their hash; the paths go '
                                                 'to the standard output')
    parser.add_argument('names', nargs='*', metavar='NAME', help='of the model zoo; without one, the names are listed')
    args = parser.parse_args(argv)

    if not args.names:
        print('\n'.join(zoo_table()))
    for name in args.names:
        find_published(name)  # a misspelt last name is told before the first file is fetched
    for name in args.names:
        path, checked = download_published(name)
        print(f'{name}: {checked}', file=sys.stderr)
        print(path)

"""What a checkpoint is, holds and can be used for: ``mae-mm inspect SRC`` (a path, a Hugging Face folder or a URL)."""
import argparse
from collections.abc import Sequence

from ..apis.inspecting import inspect_checkpoint
from ..checkpoint.reading import add_trust_option


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Say what a checkpoint is, holds and can be used for')
    parser.add_argument('src', help='path or URL of the weights, or a Hugging Face folder')
    add_trust_option(parser)
    args = parser.parse_args(argv)
    for title, text in inspect_checkpoint(args.src, args.trust).items():
        print(f'{title + ":":<19} {text}')

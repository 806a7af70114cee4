"""``mae-mm inspect``, under its OpenMMLab name: ``python tools/inspect_checkpoint.py --help``."""
import sys

try:
    from mae_mm.cli import run
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

if __name__ == '__main__':
    run(['inspect', *sys.argv[1:]])

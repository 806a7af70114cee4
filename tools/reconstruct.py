"""``mae-mm reconstruct``, under its OpenMMLab name: ``python tools/reconstruct.py --help``."""
import sys

try:
    from mae_mm.cli import run
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

if __name__ == '__main__':
    run(['reconstruct', *sys.argv[1:]])

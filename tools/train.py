"""``mae-mm train``, under its OpenMMLab name: ``python tools/train.py --help``."""
import sys

try:
    from mae_mm.cli import run
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

if __name__ == '__main__':
    run(['train', *sys.argv[1:]])

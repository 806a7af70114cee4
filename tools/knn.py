"""``mae-mm knn``, under its OpenMMLab name: ``python tools/knn.py --help``."""
import sys

try:
    from mae_mm.cli import run
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

if __name__ == '__main__':
    run(['knn', *sys.argv[1:]])

"""``mae-mm predict``, under its OpenMMLab name: ``python tools/predict.py --help``."""
import sys

try:
    from mae_mm.cli import run
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

if __name__ == '__main__':
    run(['predict', *sys.argv[1:]])

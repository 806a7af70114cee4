"""``mae-mm convert``, under its OpenMMLab name: ``python tools/model_converters/export.py --help``."""
import sys

try:
    from mae_mm.cli import run
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

if __name__ == '__main__':
    run(['convert', *sys.argv[1:]])

"""``mae-mm evaluate``, under its OpenMMLab name: ``python tools/evaluate.py --help``."""
import sys

try:
    from mae_mm.cli import run
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

if __name__ == '__main__':
    run(['evaluate', *sys.argv[1:]])

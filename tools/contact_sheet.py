"""Put pictures of a folder on one sheet: ``python tools/contact_sheet.py FOLDER OUT.png``; prints its path."""
import argparse
import glob
import os

try:
    from mae_mm.visualization import contact_sheet, read_rgb, write_rgb
except ImportError as error:
    raise SystemExit(f'error: {error}') from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder')
    parser.add_argument('out')
    parser.add_argument('--pictures', type=int, default=16, help='how many, from the first on')
    parser.add_argument('--columns', type=int, default=2)
    args = parser.parse_args()
    paths = sorted(glob.glob(os.path.join(args.folder, '*.png')))[:args.pictures]
    if not paths:
        raise SystemExit(f'error: {args.folder} holds no PNG')
    write_rgb(contact_sheet([read_rgb(path) for path in paths], args.columns), args.out)
    print(args.out)


if __name__ == '__main__':
    main()

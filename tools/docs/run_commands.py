"""Run the commands of the documents, each page in a new folder, with small data and short trainings.

    python tools/docs/run_commands.py [PAGE ...] [--keep DIR]     # all pages: a quarter of an hour on two cores
    python tools/docs/run_commands.py --list                      # what is not run, and why

A command is run as it stands, but for these changes: words in capitals become files that this tool makes, an epoch or
two iterations are enough, a ViT-B becomes a ViT-Ti, and what is in square brackets is left out. The code blocks of a
page are run in order, then the commands within its text.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile
from skimage import data

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', *sorted(ROOT.glob('configs/*/README.md')), *sorted(ROOT.glob('docs/*.md'))]
ELSEWHERE = {'docs/coming_from.md': 'tests/test_coming_from.py runs each of its rows'}
# What is not run -> why.
NOT_RUN = {
    r'dist_(train|test)\.sh': 'several processes, and public data: tests/test_tools.py has two processes',
    r'_in1k|_ade20k': 'ImageNet or ADE20K: tests build these configs, and train some on images of the same layout',
    r'https?://|mae-mm download \w|image_folder\.py': 'a download: tests/test_zoo.py has a server of its own',
    r'pixio_|dinov2_': 'published weights: tests/test_encoders.py has random ones of the same formats',
    r'^pip |^make ': 'installs, or is a target of its own',
    r'^mae-mm demo': 'a page that is served until it is stopped: tests/test_page.py, tests/test_browser.py',
    r'(benchmark|crash_test|soak_test|fuzz_checkpoints|(cifar|recipe|heads)_table)\.py':
        'a measurement, of minutes to hours or on a GPU: the page has what came out',
}
PARTS = re.compile(r'\| |SUBCOMMAND|FORMAT|NAME|CONFIG|PARTITION|shards make$|(folder|\.py)$')  # of commands
# What words in capitals stand for, apart from the folders that have these names.
WORDS = {
    'CHECKPOINT': 'pretrained.pth', 'DIR': 'CLASSES', 'FINETUNED': 'classifier.pth', 'IMAGE_OR_FOLDER': 'NEW_IMAGES',
    'IMAGES': 'PHOTOS', 'SRC': 'pretrained.pth', 'HEIGHT WIDTH': '4 4', 'FILE': 'pretrained.pth',
    'statistics=FILE': 'statistics=work_dirs/stats/FIELDS.json', 'RGB.pth': 'pretrained.pth',
    'encoder.pth': 'pretrained.pth', 'TEACHER.pth': 'pretrained.pth',
    'camvid:DIR': 'camvid:SCENES', 'FILE.npz': 'features.npz'}
OF_PAGE = {
    'configs/finetune/README.md': {'CONFIG': 'finetune/vit_folder'},
    'configs/mae/README.md': {'CHECKPOINT': 'work_dirs/upernet_mae-tiny_1x8_256x256_400_camvid/iter_2.pth'},
    'docs/bands.md': {'DIR': 'FIELDS'},
    'docs/export.md': {'CONFIG': 'mae/upernet_folder', 'CHECKPOINT': 'segmentor.pth'},
    'docs/long_runs.md': {'CONFIG': 'mine.py'}}
OF_COMMAND = {  # the last that matches
    r'\bmae/\w': {'DIR': 'SCENES'}, 'test mae/|--bias': {'CHECKPOINT': 'segmentor.pth'},
    'test finetune/': {'CHECKPOINT': 'classifier.pth'}, '_cifar': {'DIR': 'SMALL'}, '_camvid': {'DIR': 'CAMVID'}}
NEW_FOLDER = {  # where a page starts again
    'README.md': 'lr=1e-3', 'configs/pretrain/README.md': 'norm_pix=False', 'docs/own_data.md': 'stats CLASSES'}
SHORTER = {
    r' \.\.\.': '', r'(?<=/)epoch_(\d+|\{[\d,]+\})': 'epoch_1', r'(?<=/)iter_\d+': 'iter_2',
    r'\bmax_epochs=\d+': 'max_epochs=1', r'\bmax_iters=\d+': 'max_iters=2',
    r'\bwarmup_epochs=\d+': 'warmup_epochs=0', r'interval=\d+': 'interval=1',
    r'\b(teacher_)?arch=base': r'\1arch=tiny', r'--seeds 3': '--seeds 1'}
LENGTHS = {r'train(\.py)? \S*\bmae/\w': ('max_iters=2', 'batch_size=2'),
           r'train(\.py)? \S*\b(pretrain|finetune|linear_probe)/\w': ('max_epochs=1', )}


def commands_of(text: str) -> Iterator[str]:
    """The lines of a page's blocks, without comments and without what is optional, then the commands in its text."""
    variables: dict[str, str] = {}
    for kind, block in re.findall(r'^```(\w*)\n(.*?)^```', text, re.S | re.M):
        if kind == 'shell':
            for line in re.sub(r'\\\n\s*|\n {3,}', ' ', block).splitlines():
                line = re.sub(r'(^|\s)#.*', '', line).strip()
                if given := re.fullmatch(r'(\w+)="?([^"]*)"?', line):
                    variables[given[1]] = given[2]
                elif line:
                    line = re.sub(r'\$\{?(\w+)\}?', lambda name: variables.get(name[1], name[0]), line)
                    yield line if line.startswith('until') else without_options(line)
    for span in re.findall(r'`([^`]+)`', re.sub(r'^```.*?^```', '', text, flags=re.S | re.M)):
        if re.match(r'(mae-mm \w+|python tools/\S+|tools/\S+) \S', span) and not PARTS.search(span):
            yield without_options(span)


def without_options(command: str) -> str:
    while '[' in command and (shorter := re.sub(r'\s*\[[^][]*\]', '', command)) != command:
        command = shorter
    return ' '.join(command.split())


def reason_against(command: str) -> str | None:
    """Why a command is not run."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.search(pattern, command)), None)


def small(command: str, page: str) -> str:
    """A command with files that there are, and short."""
    words = dict(WORDS)
    for pattern, more in OF_COMMAND.items():
        words |= more if re.search(pattern, command) else {}
    words |= OF_PAGE.get(page, {})
    for word in sorted(words, key=len, reverse=True):
        command = re.sub(rf'(?<![A-Z_]){re.escape(word)}(?![A-Z_])', words[word], command)
    for longer, shorter in SHORTER.items():
        command = re.sub(longer, shorter, command)
    for pattern, settings in LENGTHS.items():
        if re.search(pattern, command):
            command += '' if '--cfg-options' in command else ' --cfg-options'
            more = [setting for setting in settings if setting.partition('=')[0] + '=' not in command]
            command = command.replace('--cfg-options', ' '.join(['--cfg-options', *more]))
    return command


def make_data(folder: Path) -> None:
    """Photographs, in class folders and not; scenes with label maps; five bands; small images; tar files."""
    rng = np.random.default_rng(0)
    photos = {name: getattr(data, name)()[..., ::-1] for name in ('astronaut', 'chelsea', 'coffee')}

    def write(path: Path, side_px: int = 64, photo: str = 'coffee') -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        y, x = (rng.integers(side - side_px) for side in photos[photo].shape[:2])
        crop = np.ascontiguousarray(photos[photo][y:y + side_px, x:x + side_px])
        if path.suffix == '.tif':
            bands = np.dstack([crop, crop[..., 1:]]).astype(np.uint16) * 40
            tifffile.imwrite(path, bands, photometric='minisblack', planarconfig='contig')
        else:
            cv2.imwrite(str(path), crop)

    for i in range(15):
        for name in photos:
            write(folder / f'CLASSES/{name}/{i:02d}.jpg', photo=name)
            write(folder / f'FIELDS/{name}/{i:02d}.tif', photo=name)
        write(folder / f'NEW_IMAGES/{i}.jpg')
    for i in range(1000):
        write(folder / f'SMALL/train/{i % 10}/{i}.png', 32)
        if i < 40:
            write(folder / f'SMALL/val/{i % 10}/{i}.png', 32)
    for images, labels, side_px in (('SCENES/images', 'SCENES/labels', 64),
                                    ('CAMVID/images/train', 'CAMVID/annotations/train', 288),
                                    ('CAMVID/images/val', 'CAMVID/annotations/val', 288)):
        (folder / labels).mkdir(parents=True)
        for i in range(20):
            write(folder / images / f'{i}.jpg', side_px)
            cv2.imwrite(str(folder / labels / f'{i}.png'), rng.integers(3, size=(4, 4), dtype=np.uint8)
                        .repeat(side_px // 4, 0).repeat(side_px // 4, 1))
    (folder / 'SCENES/classes.txt').write_text('background\nsquare\ndisc\n')
    shutil.copytree(folder / 'CLASSES', folder / 'PHOTOS')
    shutil.copy(folder / 'NEW_IMAGES/0.jpg', folder / 'photo.jpg')
    (folder / 'TARS').mkdir()
    with tarfile.open(folder / 'TARS/0.tar', 'w') as tar:
        for path in sorted((folder / 'CLASSES').rglob('*.jpg')):
            tar.add(path, f'{path.parent.name}-{path.name}')
    (folder / 'mine.py').write_text("_base_ = 'mae_mm::pretrain/mae_vit_folder.py'\ndata_root = 'PHOTOS'\n"
                                    "img_size = 64\nmax_epochs = 1\n")
    for name in ('configs', 'tools'):
        (folder / name).symlink_to(ROOT / name)


def make_models(folder: Path) -> None:
    """Two runs of pre-training, and a classifier and a segmentor that start from the first."""
    pretrain = ('pretrain/mae_vit_folder --cfg-options max_epochs=2 interval=1 img_size=64 data_root=PHOTOS '
                'default_hooks.logger.interval=1')
    for command, made, name in (
            (f'{pretrain} --work-dir work_dirs/one', 'one/epoch_2.pth', 'pretrained.pth'),
            (f'{pretrain} --work-dir work_dirs/other', 'other/epoch_1.pth', 'epoch_100.pth'),
            ('finetune/vit_folder --work-dir models --cfg-options max_epochs=1 data_root=CLASSES '
             'checkpoint=pretrained.pth', '../models/epoch_1.pth', 'classifier.pth'),
            ('mae/upernet_folder --work-dir models --overwrite --cfg-options max_iters=2 batch_size=2 crop_size=64,64 '
             'data_root=SCENES checkpoint=pretrained.pth', '../models/iter_2.pth', 'segmentor.pth')):
        if output := run(f'mae-mm train {command}', folder):
            sys.exit(f'error: {command}\n{output}')
        shutil.copy(folder / 'work_dirs' / made, folder / name)
    shutil.copy(folder / 'pretrained.pth', folder / 'epoch_200.pth')


def run(command: str, folder: Path) -> str:
    """Nothing, or how a command failed and the end of what it printed."""
    env = {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}', 'COLUMNS': '120'}
    done = subprocess.run(['bash', '-c', command], cwd=folder, env=env, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return f'exit status {done.returncode}\n{done.stdout[-2000:]}' if done.returncode else ''


def main(argv: Sequence[str] | None = None) -> bool:
    parser = argparse.ArgumentParser(description='Run the commands of the documents')
    parser.add_argument('pages', nargs='*', type=Path, default=PAGES, metavar='PAGE')
    parser.add_argument('--keep', type=Path, metavar='DIR', help='a new folder for what the commands make')
    parser.add_argument('--list', action='store_true', help='what is not run, and why')
    args = parser.parse_args(argv)
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        root = (args.keep or Path(work)).absolute()
        if not args.list:
            (root / 'given').mkdir(parents=True)
            make_data(root / 'given')
            make_models(root / 'given')
        for path in args.pages:
            page = path.resolve().relative_to(ROOT).as_posix()
            folder = root / page.replace('/', '_')
            commands = list(dict.fromkeys(commands_of(path.read_text(encoding='utf-8'))))
            for command in commands:
                if reason := ELSEWHERE.get(page) or reason_against(command):
                    print(f'{page}: not run: {command}\n    {reason}')
            if args.list or page in ELSEWHERE:
                continue
            shutil.copytree(root / 'given', folder, symlinks=True)
            for command in filter(lambda command: not reason_against(command), commands):
                if page in NEW_FOLDER and NEW_FOLDER[page] in command:
                    folder = folder.with_name(f'{folder.name}-2')
                    shutil.copytree(root / 'given', folder, symlinks=True)
                shorter, start = small(command, page), time.monotonic()
                output = run(shorter, folder)
                failed += bool(output)
                print(f'{page}: {"FAILED" if output else "ok"}, {time.monotonic() - start:.0f} s: {shorter}\n{output}',
                      end='', flush=True)
    print(f'{failed} failed')
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())

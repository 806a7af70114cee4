"""The commands that write pictures of what a model does, and their page in the documentation."""
import re
import shlex
import shutil

import cv2
import numpy as np

from .conftest import ROOT, run_inside, run_tool


def test_the_commands_write_a_picture(here, trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos, mask = here / 'photos', tmp_path / 'mask.png'
    cv2.imwrite(str(mask), np.repeat([[0, 255]], 16, 0).repeat(8, 1).repeat(2, 0).repeat(2, 1).astype(np.uint8))
    for command, *options in (
            ('reconstruct', here / 'whole.pth', photos, '--mask', mask), ('pca', here / 'whole.pth', photos),
            ('reconstruct', here / 'config.py', here / 'whole.pth', photos / 'a.png', '--statistics', 'true'),
            ('attention', here / 'encoder.pth', photos, '--patch', 0, 3), ('curves', trained[0]),
            ('attention', here / 'biased.pth', '--bias', '--layers', 0, 1)):
        assert run_inside(command, *options) == 0
        name = capsys.readouterr().out.strip()
        assert name == f'{dict(reconstruct="reconstruction").get(command, command)}.png'
        assert cv2.imread(name).shape[1] == 800
        (tmp_path / name).unlink()
    assert 'mae-mm reconstruct' in run_tool('tools/reconstruct.py', '--help')


def test_the_page_of_the_documentation_runs(here, trained, tmp_path, monkeypatch):
    text = (ROOT / 'docs/pictures.md').read_text()
    shutil.copytree(here / 'photos', tmp_path / 'photos')
    shutil.copy(here / 'photos/b.jpg', tmp_path / 'photo.jpg')
    shutil.copy(here / 'whole.pth', tmp_path / 'pretrained.pth')
    for name in ('one', 'other'):
        (tmp_path / f'work_dirs/{name}/1/vis_data').mkdir(parents=True)
        (tmp_path / f'work_dirs/{name}/1/vis_data/scalars.json').write_text(
            '{"loss": 1, "iter": 1, "step": 1}\n{"held_out_mse": 1, "step": 1}\n')
    monkeypatch.chdir(tmp_path)
    lines = [line for block in re.findall(r'```shell\n(.*?)```', text, re.S) for line in block.splitlines()]
    lines = [line for line in lines if not line.startswith(('pip ', 'mae-mm demo '))]  # tests/test_page.py
    assert len(lines) == 6
    for line in lines:
        words = shlex.split(line.replace('PHOTOS', 'photos').replace(
            'CHECKPOINT', str(here / 'biased.pth') if '--bias' in line else 'pretrained.pth'), comments=True)
        assert run_inside(*words[1:]) == 0
    snippet, = re.findall(r'```python\n(.*?)```', text, re.S)
    exec(compile(snippet, 'docs/pictures.md', 'exec'), {})
    assert {path.name for path in tmp_path.glob('*.png')} == {
        'reconstruction.png', 'attention.png', 'pca.png', 'curves.png', 'sheet.png'}


def test_what_the_commands_cannot_do_is_told(here, error_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, photos = here / 'whole.pth', here / 'photos'
    for command, *options, says in (
            ('reconstruct', here / 'encoder.pth', photos, 'has no decoder, without which nothing is reconstructed'),
            ('reconstruct', whole, 'there are no images'),
            ('reconstruct', whole, 'none.jpg', 'none.jpg: no such image'),
            ('reconstruct', whole, photos, '--out', 'x.jpg', 'named .png'),
            ('reconstruct', whole, photos, '--out', photos / 'x.png', 'the output would be among the data'),
            ('reconstruct', whole, photos / 'a.png', '--out', photos / 'a.png', 'would replace'),
            ('reconstruct', whole, photos, '--mask', 'rnadom', 'rnadom'),
            ('reconstruct', whole, photos, '--mask-ratio', '1.5', 'mask_ratio=1.5'),
            ('reconstruct', whole, photos, '--mask-ratio', 'nan', 'mask_ratio=nan'),
            ('reconstruct', whole, photos, '--pictures', '0', 'pictures=0'),
            ('reconstruct', whole, photos, '--bands', '0', '--bands is for images other than RGB'),
            ('attention', whole, photos, '--layers', '3', 'has layer 3'),
            ('attention', whole, photos, '--heads', '2', 'head 2: there are 2'),
            ('attention', whole, photos, '--patch', '4', '0', '4 rows and 4 columns'),
            ('attention', whole, photos, '--token', '1', 'token 1: there are 1'),
            ('attention', whole, '--bias', 'has no relative position bias'),
            ('attention', whole, photos, '--bias', '--bias takes [CONFIG] CHECKPOINT, and no images'),
            ('pca', 'none.pth', photos, 'none.pth: no such checkpoint'),
            ('curves', tmp_path, 'no vis_data/scalars.json'),
            ('curves', 'none', 'none: no such folder')):
        assert says in error_of(command, *options)
    assert not list(tmp_path.iterdir())

"""The project's own files: the index of models, dependencies, scripts."""
import os
import subprocess
import sys

import modelindex
import pytest
import yaml

from mae_mm.checkpoint.download import MD5, published_hash

from .conftest import ROOT


def test_index_of_models_points_at_what_is_there():
    index = modelindex.load(str(ROOT / 'metafile.yml'))
    index.build_models_with_collections()
    assert {model.name for model in index.models} >= {'upernet_mae-base_fp16_8x2_512x512_160k_ade20k'}
    for model in index.models:
        assert (ROOT / model.config).is_file()
        assert model.metadata.data['Source']
        stem = (ROOT / model.config).stem
        arch = '_'.join(stem.split('-')[:2])  # two projects' fine-tuned files are for one config
        others = model.config.startswith('configs/finetune/') and arch in model.name.replace('-', '_')
        assert model.results is None or stem == model.name or others


def test_published_hashes_are_those_that_downloads_are_checked_against():
    indices = [yaml.safe_load(path.read_text()) for path in ROOT.glob('configs/*/mae.yml')]
    entries = [model for index in indices for model in index['Models']]
    known = {entry['Weights']: entry['Metadata'].get('Hash') for entry in entries if 'Weights' in entry}
    assert len(known) == 22 and set(MD5) <= set(known)
    for url, digits in known.items():
        assert published_hash(url) == (tuple(digits.split()) if digits else None)


@pytest.mark.parametrize('content, says', [
    ("__version__ = '0.30.0'", "mae_mm needs mmseg >= 1.2.0, found 0.30.0; install it with: "),
    ("raise ModuleNotFoundError(\"No module named 'mmseg'\", name='mmseg')",
     'mae_mm needs mmseg >= 1.2.0, which is not there; install it with: '),
    ("raise ImportError('libthing.so is missing')", 'mmseg, which does not import here (libthing.so is missing)'),
], ids=['old', 'missing', 'broken'])
def test_a_dependency_that_is_missing_or_too_old_is_one_line(tmp_path, content, says):
    (tmp_path / 'mmseg.py').write_text(content)
    done = subprocess.run([sys.executable, ROOT / 'tools/train.py', 'any.py'], text=True, capture_output=True,
                          env={**os.environ, 'PYTHONPATH': f'{tmp_path}:{ROOT}'})
    assert done.returncode == 1 and done.stdout == ''
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and says in lines[0] and "pip install 'onedl-mmsegmentation>=1.2.0'" in lines[0]


@pytest.mark.parametrize('script', sorted(path.name for path in (ROOT / 'tools').glob('*.sh')))
def test_scripts_parse_and_say_how_to_call_them(script):
    subprocess.run(['bash', '-n', ROOT / 'tools' / script], check=True)
    done = subprocess.run(['bash', ROOT / 'tools' / script], text=True, capture_output=True)
    assert done.returncode == 2 and done.stderr.startswith(f'tools/{script} ')
    assert os.access(ROOT / 'tools' / script, os.X_OK)


def test_slurm_scripts_call_the_tool_with_their_arguments(tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    done = subprocess.run(['bash', ROOT / 'tools/slurm_test.sh', 'gpu', 'job', 'c.py', 'w.pth', '--eval', 'mIoU'],
                          text=True, capture_output=True, check=True,
                          env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'GPUS': '4'})
    assert done.stdout.split()[-7:] == [str(ROOT / 'tools/test.py'), 'c.py', 'w.pth', '--launcher', 'slurm', '--eval',
                                        'mIoU']
    assert '--ntasks=4' in done.stdout and '--gres=gpu:4' in done.stdout

"""The package: what a wheel holds, how it is found, what it needs."""
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile

import cv2
import pytest
import torch

from mae_mm import MAE
from mae_mm.config.names import config_names, resources

from .conftest import ROOT
from .own_data import class_folders, scenes

WITHOUT_HOSTS = """
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('mmseg', 'mmpretrain'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Block())
"""
SIZES = 'img_size=32, patch_size=8, embed_dims=16, num_layers=2, num_heads=2'


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """What `pip install` of a wheel puts into site-packages."""
    source, wheels, site = (tmp_path_factory.mktemp(name) for name in ('source', 'wheels', 'site'))
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, text=True, capture_output=True)
    for name in listed.stdout.split('\n')[:-1]:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '--no-index', '-q',
                    '-w', wheels, source], check=True)
    wheel, = wheels.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run_python(code: str, cwd, *paths, **environment) -> str:
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, paths)), 'OMP_NUM_THREADS': '1', **environment}
    done = subprocess.run([sys.executable, '-c', code], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def test_a_wheel_holds_configs_tools_and_types(site):
    package = site / 'mae_mm'
    for name in ('configs', 'tools'):
        held = {str(path.relative_to(package / '.mim')) for path in (package / '.mim' / name).rglob('*')
                if path.is_file() and '__pycache__' not in path.parts}
        here = {str(path.relative_to(ROOT)) for path in (ROOT / name).rglob('*')
                if path.is_file() and '__pycache__' not in path.parts}
        assert held == here and held
    assert (package / '.mim/metafile.yml').read_text() == (ROOT / 'metafile.yml').read_text()
    assert (package / 'py.typed').is_file()
    assert len((package / 'datasets/imagenet_synsets.txt').read_text().split()) == 1000
    scripts = next(site.glob('mae_mm-*.dist-info')).joinpath('entry_points.txt').read_text()
    assert 'mae-mm = mae_mm.cli:main' in scripts
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / 'mae_mm').rglob('*.py') if '.mim' not in path.parts}
    assert modules == {str(path.relative_to(site)) for path in package.rglob('*.py') if '.mim' not in path.parts}
    assert not (ROOT / 'mae_mm/.mim').is_dir() or (ROOT / 'mae_mm/.mim/configs').is_symlink()  # nothing copied here


def test_a_wheel_from_a_source_distribution_holds_the_same(site, tmp_path):
    source = tmp_path / 'source'
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns('.git', '.venv', '.mim', 'build', 'data', 'work_dirs'))
    done = subprocess.run([sys.executable, 'setup.py', '-q', 'sdist', '-d', tmp_path], cwd=source, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    archive, = tmp_path.glob('*.tar.gz')
    shutil.unpack_archive(archive, tmp_path / 'unpacked')
    root, = (tmp_path / 'unpacked').iterdir()
    lacking = {str(path.relative_to(site / 'mae_mm/.mim')) for path in (site / 'mae_mm/.mim').rglob('*')
               if path.is_file() and path.name != 'model-index.yml' and path.suffix != '.pyc'
               and not (root / path.relative_to(site / 'mae_mm/.mim')).is_file()}
    assert not lacking
    assert (root / 'mae_mm/py.typed').is_file() and (root / 'mae_mm/datasets/imagenet_synsets.txt').is_file()


def test_an_installed_package_has_its_configs_from_any_folder(site, tmp_path):
    found = run_python("import mae_mm; from mae_mm.config.names import find_config, resources; "
                       "print(mae_mm.__file__, resources(), find_config('pretrain/mae_vit_folder'), sep='\\n')",
                       tmp_path, site).splitlines()
    assert found == [str(site / 'mae_mm/__init__.py'), str(site / 'mae_mm/.mim'),
                     str(site / 'mae_mm/.mim/configs/pretrain/mae_vit_folder.py')]


def test_compiled_configs_are_no_configs(site, tmp_path):
    out = run_python("import compileall; from mae_mm.config.names import config_names, resources\n"
                     "from mae_mm.cli.test import evaluation_sets\n"
                     "before = config_names(), evaluation_sets()\n"
                     "assert compileall.compile_dir(resources(), quiet=2)  # as pip does\n"
                     "print((config_names(), evaluation_sets()) == before, '__pycache__' in before[1])",
                     tmp_path, site)
    assert out == 'True False'


def test_the_configs_of_a_checkout_are_its_own():
    assert (resources() / 'configs').resolve() == ROOT / 'configs' and 'pretrain/mae_vit_folder' in config_names()


def test_the_first_five_minutes_with_an_installed_package(site, tmp_path):
    """The README's commands as they are, apart from the lengths of the trainings, on one's own photographs."""
    block = re.search(r'in five minutes.*?```shell\n(.*?)```', (ROOT / 'README.md').read_text(), re.S)[1]
    for length, shorter in (('epoch_200', 'epoch_1'), ('lr=1e-3', 'max_epochs=1'),
                            ('iter_100', 'iter_2'), ('max_iters=100', 'max_iters=2 batch_size=2')):
        assert length in block
        block = block.replace(length, shorter)
    class_folders(tmp_path / 'PHOTOS')
    scenes(tmp_path / 'SCENES')
    commands = [shlex.split(line)[1:] for line in block.replace('\\\n', '').splitlines()]
    run_python(f'''
from mae_mm.cli import run
for command in {commands}:
    try:
        run(command)
    except SystemExit as ended:
        assert not ended.code, command
''', tmp_path, site)
    assert all(cv2.imread(str(tmp_path / name)).shape[1] == 800 for name in ('reconstruction.png', 'features.png'))
    assert len(list((tmp_path / 'predictions/pictures').iterdir())) == 12


@pytest.mark.parametrize('first', ['import mae_mm', 'import mmengine.hub, mae_mm'], ids=['before', 'after'])
def test_mmengine_finds_the_configs_and_models_by_name(site, tmp_path, first):
    (tmp_path / 'mine.py').write_text("_base_ = 'mae_mm::finetune/vit_folder.py'\nmax_epochs = 3\n")
    (tmp_path / 'bin').mkdir()
    for name in ('pip', 'python'):  # what mmengine would call for a package that it does not find
        (tmp_path / 'bin' / name).write_text('#!/bin/sh\necho called >> ' + str(tmp_path / 'called'))
        (tmp_path / 'bin' / name).chmod(0o755)
    out = run_python(f'''{first}
from mmengine.config import Config
from mmengine.hub import get_config, get_model
print(get_config('mae_mm::pretrain/mae_vit_folder.py').filename)
print(get_config('mae_mm::mae/upernet_mae-base_fp16_8x2_512x512_160k_ade20k.py', pretrained=True).model_path)
cfg = Config.fromfile('mine.py')
print(cfg.max_epochs, '_scope_' in cfg.train_dataloader.dataset)
for name in ('pretrain/mae_vit_folder', 'finetune/vit-tiny-p4_1xb50-coslr-20e_cifar10',
             'mae/upernet_mae-tiny_1x8_256x256_400_camvid'):
    print(type(get_model(f'mae_mm::{{name}}.py')).__name__)
''', tmp_path, site, PATH=f'{tmp_path / "bin"}:{os.environ["PATH"]}').splitlines()
    assert out[0] == str(site / 'mae_mm/.mim/configs/pretrain/mae_vit_folder.py')
    assert out[1].endswith('upernet_mae-base_fp16_8x2_512x512_160k_ade20k_20220426_174752-f92a2975.pth')
    assert out[2] == '3 False'
    models = [line for line in out[3:] if ' - ' not in line]  # and lines of mmpretrain's log
    assert models == ['MaskedAutoencoder', 'ImageClassifier', 'EncoderDecoder']
    assert not (tmp_path / 'called').exists()


def test_the_package_imports_in_the_folder_that_holds_the_checkout(tmp_path):
    (tmp_path / 'mae_mm').mkdir()  # a folder of the package's name, as a checkout's is
    shutil.copytree(ROOT / 'mae_mm', tmp_path / 'site/mae_mm', ignore=shutil.ignore_patterns('.mim'))
    assert run_python("from mae_mm import MAE; print(MAE.__name__)", tmp_path, tmp_path / 'site') == 'MAE'


def test_the_backbone_needs_neither_mmseg_nor_mmpretrain(tmp_path):
    out = run_python(WITHOUT_HOSTS + f'''
import torch, mae_mm
from mmengine.registry import MODELS
print(mae_mm.MAE({SIZES}, out_indices=[0, 1])(torch.rand(2, 3, 32, 48))[1].shape)
model = mae_mm.MaskedAutoencoder(
    dict(type='mae_mm.MAE', {SIZES}), dict(type='mae_mm.MAEDecoder', embed_dims=16, num_layers=1, num_heads=2))
model.loss(torch.rand(2, 3, 32, 32))['loss'].backward()
print(model.reconstruct(torch.rand(2, 3, 32, 32)).pred.shape)
print(type(MODELS.build(dict(type='mae_mm.MAE', {SIZES}))).__name__)
print(sorted(name for name in sys.modules if name in ('mmseg', 'mmpretrain')))
''', tmp_path, ROOT)
    assert out.splitlines() == ['torch.Size([2, 16, 4, 6])', 'torch.Size([2, 16, 192])', 'MAE', '[]']


def test_what_needs_a_missing_host_says_what_to_install(tmp_path):
    out = run_python(WITHOUT_HOSTS + '''
import mae_mm.utils
from mmengine import registry
mae_mm.utils.register_all_modules()
for root, name in ((registry.MODELS, 'EncoderDecoder'), (registry.DATASETS, 'ImageFolder'),
                   (registry.METRICS, 'Accuracy'), (registry.METRICS, 'IoUMetric'),
                   (registry.OPTIM_WRAPPER_CONSTRUCTORS, 'LayerDecayConstructor')):
    try:
        root.build(dict(type=f'mae_mm.{name}', optim_wrapper_cfg={}))
    except ImportError as error:
        print(error)
''', tmp_path, ROOT)
    lacks = {host: f"{host} >= 1.2.0, which is not there; install it with: pip install '{name}>=1.2.0'"
             for host, name in (('mmseg', 'onedl-mmsegmentation'), ('mmpretrain', 'onedl-mmpretrain'))}
    assert out.splitlines() == [f'mae_mm.{name} needs {lacks[host]}' for name, host in (
        ('EncoderDecoder', 'mmseg'), ('ImageFolder', 'mmpretrain'), ('Accuracy', 'mmpretrain'),
        ('IoUMetric', 'mmseg'), ('LayerDecayConstructor', 'mmpretrain'))]


def test_a_host_that_does_not_import_is_told_in_a_line(tmp_path):
    """mmpretrain imports models for transformers 4 wherever pycocotools is installed."""
    (tmp_path / 'pycocotools-2.0.dist-info').mkdir()
    (tmp_path / 'pycocotools').mkdir()
    for module in ('__init__', 'coco', 'mask'):
        (tmp_path / 'pycocotools' / f'{module}.py').write_text('COCO = encode = decode = None')
    (tmp_path / 'pycocotools-2.0.dist-info' / 'METADATA').write_text('Name: pycocotools\nVersion: 2.0\n')
    out = run_python('from mae_mm.dependencies import missing; print(missing("mmpretrain"))', tmp_path, tmp_path, ROOT)
    assert 'does not import here' in out and 'pip uninstall pycocotools, or install transformers<5' in out


def test_help_answers_without_torch(tmp_path):
    out = run_python("import sys; sys.argv = ['mae-mm', '--help']\n"
                     "from mae_mm.cli import main\n"
                     "try:\n    main()\nexcept SystemExit as stopped:\n    print('status', stopped.code)\n"
                     "print([name for name in ('torch', 'mmengine', 'numpy') if name in sys.modules])", tmp_path, ROOT)
    assert out.splitlines()[-2:] == ['status 0', '[]']
    assert 'mae-mm train pretrain/mae_vit_folder --cfg-options data_root=' in out


@pytest.mark.parametrize('arguments', [['--help'], ['inspect', 'WEIGHTS']])
def test_a_reader_that_stops_reading_is_no_error(tmp_path, arguments):
    torch.save(MAE(embed_dims=8, num_layers=1, num_heads=1).state_dict(), tmp_path / 'weights.pth')
    arguments = [str(tmp_path / 'weights.pth') if text == 'WEIGHTS' else text for text in arguments]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, '-m', 'mae_mm', *arguments], stdout=write, stderr=subprocess.PIPE,
                          text=True)
    os.close(write)
    assert done.returncode == 128 + signal.SIGPIPE and done.stderr == ''

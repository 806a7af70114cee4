"""Measuring: accuracy of each class, neighbours and probes of one's own classes, what a file is for, bad folders."""
import json
import os

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mae_mm.apis.inspecting import inspect_checkpoint
from mae_mm.apis.report import as_json
from mae_mm.checkpoint.architectures import ARCHITECTURES, arch_of
from mae_mm.config import check_data, class_checks, find_config, read_config, settle
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.datasets.files import files_in
from mae_mm.errors import InputError
from mae_mm.evaluation.classification import Accuracy, unique_names
from mae_mm.evaluation.segmentation import IoUMetric
from mae_mm.models import MAE
from mae_mm.registry import MODELS
from mae_mm.visualization.confusion import confusion_picture, most_confused

from .conftest import run_inside
from .own_data import class_folders

SMALL = ('arch=None', 'model.backbone.embed_dims=16', 'model.backbone.num_layers=2', 'model.backbone.num_heads=2',
         'img_size=32', 'model.head.in_channels=16')
FOLDER_CONFIGS = ('pretrain/mae_vit_folder', 'finetune/vit_folder', 'linear_probe/vit_linear_folder',
                  'knn/vit_knn_folder', 'mae/upernet_folder')


def photos(root, counts, side=32):
    """``root/CLASS/*.png`` of so many images of each class, brighter from class to class."""
    rng = np.random.default_rng(0)
    for i, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            image = rng.integers(50 * i, 50 * i + 40, size=(side, side + 3, 3)).astype(np.uint8)
            cv2.imwrite(str(root / name / f'{number}.png'), image)
    return root


@pytest.fixture(scope='session')
def three(tmp_path_factory):
    root = tmp_path_factory.mktemp('three')
    class_folders(root, count=6, side_px=32)
    return root


@pytest.fixture(scope='session')
def encoder(tmp_path_factory):
    """The file of a pre-training encoder of random weights with the sizes of ``SMALL``."""
    path = tmp_path_factory.mktemp('encoder') / 'encoder.pth'
    torch.manual_seed(0)
    backbone = MAE(img_size=32, embed_dims=16, num_layers=2, num_heads=2)
    backbone.init_weights()
    torch.save(backbone.state_dict(), path)
    return path


@pytest.mark.parametrize('number', [3, 4])
def test_a_few_classes_are_trained_and_tested(number, encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / 'data', {name: 5 + i for i, name in enumerate('abcd'[:number])})
    options = ('--cfg-options', 'data_root=data', *SMALL, 'max_epochs=1', f'checkpoint={encoder}',
               'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False')
    assert run_inside('tools/train.py', 'finetune/vit_folder', *options) == 0
    best, = (tmp_path / 'work_dirs/vit_folder').glob('best_accuracy_top1_*.pth')
    assert run_inside('tools/test.py', 'finetune/vit_folder', best, *options[:3 + len(SMALL)]) == 0
    text = (tmp_path / 'work_dirs/vit_folder/metrics.json').read_text()
    report = json.loads(text, parse_constant=pytest.fail)
    assert set(report['metrics']) == {'accuracy/top1'}
    assert list(report['classes']) == report['confusion']['classes'] == list('abcd'[:number])
    matrix = np.array(report['confusion']['images'])
    assert matrix.sum(axis=1).tolist() == [values['images'] for values in report['classes'].values()]
    assert report['metrics']['accuracy/top1'] == pytest.approx(100 * matrix.trace() / matrix.sum(), abs=1e-4)
    assert f'[{", ".join(map(str, matrix[0]))}]' in text  # a row is a line
    assert cv2.imread(str(tmp_path / 'work_dirs/vit_folder/confusion.png')).shape[1] == 800


def scored(labels, predictions, classes):
    metric = Accuracy(topk=1)
    metric.dataset_meta = dict(classes=classes)
    scores = torch.nn.functional.one_hot(torch.tensor(predictions), len(classes)).float()
    metric.process(None, [dict(pred_score=score, gt_label=torch.tensor([label]))
                          for score, label in zip(scores, labels, strict=True)])
    return metric, metric.evaluate(len(labels))


def test_rows_are_the_truth_and_columns_the_prediction():
    metric, figures = scored([0, 0, 0, 1, 1], [0, 0, 1, 1, 0], ['cat', 'dog', 'owl'])
    assert metric.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert metric.per_class == {'cat': dict(accuracy=66.67, images=3), 'dog': dict(accuracy=50., images=2),
                                'owl': dict(accuracy=None, images=0)}
    assert figures['accuracy/top1'] == pytest.approx(60.)


def test_names_that_occur_twice_stay_two_classes():
    assert unique_names(['crane', 'owl', 'crane']) == ('crane (0)', 'owl', 'crane (2)')
    metric, _ = scored([0, 2], [0, 0], ['crane', 'owl', 'crane'])
    assert metric.per_class['crane (2)'] == dict(accuracy=0., images=1)


def test_json_has_no_nan():
    text = as_json(dict(a=float('nan'), b=[np.float32('inf'), np.int64(3)], c={1: (1, 2)}, name='[1,  2]'))
    assert json.loads(text, parse_constant=pytest.fail) == dict(a=None, b=[None, 3], c={'1': [1, 2]}, name='[1,  2]')


def test_pixels_that_are_confused_are_counted():
    torch.manual_seed(0)
    names, metric = ['a', 'b', 'c'], IoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = dict(classes=names)
    pairs = [(torch.randint(3, (5, 7)), torch.tensor([0, 1, 2, 255])[torch.randint(4, (5, 7))]) for _ in range(3)]
    metric.process({}, [dict(pred_sem_seg=dict(data=pred[None]), gt_sem_seg=dict(data=label[None]))
                        for pred, label in pairs])
    found = metric.evaluate(3)
    expected = [[sum(int(((label == true) & (pred == guess)).sum()) for pred, label in pairs) for guess in range(3)]
                for true in range(3)]
    assert metric.confusion.tolist() == expected
    assert found['aAcc'] == pytest.approx(100 * np.trace(expected) / np.sum(expected), abs=.005)
    assert metric.per_class['b']['Acc'] == pytest.approx(100 * expected[1][1] / sum(expected[1]), abs=.005)


@pytest.mark.parametrize('number', [2, 30, 31, 400])
def test_a_confusion_matrix_of_any_size_is_drawn(number):
    matrix = np.eye(number, dtype=np.int64) * 5
    matrix[0, 1] = 7
    names = [f'$x_{i} 猫' * 8 for i in range(number)]
    assert most_confused(matrix, names) == [(names[0], names[1], 7)]
    picture = cv2.imdecode(np.frombuffer(confusion_picture(matrix, names), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[0] == 800 and picture.std() > 5


def table(capsys):
    """Title -> figure of the last line of a table that was printed, and its checkpoint."""
    *_, titles, figures = capsys.readouterr().out.splitlines()
    *figures, checkpoint = figures.split()
    return dict(zip(titles.split(), map(float, figures), strict=False)), checkpoint


@pytest.mark.parametrize(('command', 'name', 'titles'), [
    ('knn', 'knn/vit_knn_folder', {'k=1', 'k=10'}), ('probe', 'linear_probe/vit_linear_folder', {'top-1'})])
def test_own_classes_need_one_command(command, name, titles, encoder, three, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ('--cfg-options', f'data_root={three}', *SMALL,
               *(['model.neck.input_features=16'] if command == 'probe' else []))
    assert run_inside(f'tools/{command}.py', name, *options, f'checkpoint={encoder}') == 0
    figures, checkpoint = table(capsys)
    assert set(figures) == titles and checkpoint == str(encoder)
    out = tmp_path / 'out.json'
    assert run_inside(f'tools/{command}.py', name, 'untrained', encoder, '--out', out, *options) == 0
    printed = capsys.readouterr().out
    assert '15 training images and 3 test images of 3 classes' in printed
    report = json.loads(out.read_text())
    assert list(report['accuracy']) == ['untrained', str(encoder)]
    again = {title: round(figure, 2) for title, figure in report['accuracy'][str(encoder)].items()}
    assert again == figures and report['most_frequent_class'] == pytest.approx(100 / 3)
    assert os.listdir(tmp_path) == ['out.json']  # no work dir


def test_what_the_measures_cannot_use_is_told(three, encoder, tmp_path, error_of):
    def told(*args, config='knn/vit_knn_folder', tool='tools/knn.py'):
        return error_of(tool, config, *args, '--cfg-options', f'data_root={three}', *SMALL)

    assert '-k 16: there are 15 training images, so k is 1 to 15' in told('untrained', '-k', 3, 16)
    assert '-k 0: there are 15 training images' in told('untrained', '-k', 0)
    assert '--temperature 0.0 is not above 0' in told('untrained', '--temperature', 0)
    assert 'no encoder is given: --cfg-options checkpoint=FILE' in told()
    assert 'none.pth: no such checkpoint' in told('untrained', tmp_path / 'none.pth')
    assert 'a file is needed whose name ends in .json' in told('untrained', '--out', tmp_path)
    assert 'neither a classifier nor pre-training; for class folders there are knn/vit_knn_folder' in error_of(
        'tools/knn.py', 'mae/upernet_folder', encoder)


def folder(root, config='finetune/vit_folder', loaders=('train_dataloader', 'val_dataloader'), **options):
    cfg = read_config(config, dict(data_root=str(root), **options))
    check_data(cfg, loaders)
    settle(cfg, loaders)
    return cfg


def refused(root, **options):
    with pytest.raises(InputError) as error:
        folder(root, **options)
    assert '\n' not in str(error.value)
    return str(error.value)


def test_folders_that_make_no_classifier_are_refused(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    assert 'file is a file, and a folder of images is needed' in refused(tmp_path / 'file')
    assert 'none: no such folder (train_dataloader); --cfg-options data_root=DIR' in refused(tmp_path / 'none')
    (tmp_path / 'empty').mkdir()
    assert 'empty: no images there' in refused(tmp_path / 'empty')
    one = photos(tmp_path / 'one', dict(cat=3))
    assert 'one: one class folder, cat, and a classifier needs two or more' in refused(one)
    assert '/one/cat: no class folders, and a classifier needs two or more' in refused(one / 'cat')
    (one / 'dog').mkdir()
    assert 'one: no images of class dog; add some, or remove the folder' in refused(one)
    cv2.imwrite(str(one / 'dog/0.png'), np.zeros((32, 32, 3), np.uint8))
    assert 'one: class dog has one image, and needs two or more' in refused(one)
    access = os.access
    monkeypatch.setattr(os, 'access', lambda path, mode: not str(path).endswith('one') and access(path, mode))
    assert 'one: no permission to read this folder (train_dataloader)' in refused(one)


def test_splits_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    photos(tmp_path / 'train', dict(cat=3, dog=3))
    assert f'there is a folder train and no folder val; add it, or hold out a share of the one that is there: ' \
           f'data_root={tmp_path}/train' in refused(tmp_path)
    photos(tmp_path / 'val', dict(cat=2, owl=1))
    assert 'val: folder owl is not one of the 2 classes (cat, dog)' in refused(tmp_path)
    (tmp_path / 'val/owl').rename(tmp_path / 'val/dog')
    folder(tmp_path)
    (tmp_path / 'val/dog/0.png').rename(tmp_path / 'val/stray.png')
    (tmp_path / 'val/dog').rmdir()
    said = []
    monkeypatch.setattr(class_checks, 'print_log', lambda message, **_: said.append(message))
    folder(tmp_path)
    assert said == [f'{tmp_path}/val: images beside the class folders have no class and are left out: stray.png',
                    f'{tmp_path}/val: no images of class dog, which is not measured']


def test_images_are_not_measured_that_were_trained_on(tmp_path):
    photos(tmp_path / 'train', dict(cat=3, dog=3))
    (tmp_path / 'val').symlink_to(tmp_path / 'train')
    assert '6 of the 6 images of val_dataloader are training images too' in refused(tmp_path)


def test_small_and_broken_images_are_named(tmp_path):
    photos(tmp_path, dict(cat=4, dog=4))
    cv2.imwrite(str(tmp_path / 'dog/small.png'), np.zeros((40, 9, 3), np.uint8))
    for config in ('finetune/vit_folder', 'pretrain/mae_vit_folder'):
        assert 'dog/small.png: 40x9 pixels, and a patch has 16x16; scale the image up or remove it' in refused(
            tmp_path, config=config)
    folder(tmp_path, patch_size=8)
    (tmp_path / 'dog/small.png').write_bytes(b'no image')
    assert 'dog/small.png cannot be read as an image; mend it or remove it' in refused(tmp_path)


def test_links_that_lead_back_end(tmp_path):
    photos(tmp_path, dict(cat=2, dog=2))
    for i in range(4):  # each would double the number of ways
        (tmp_path / f'cat/back{i}').symlink_to(tmp_path)
        (tmp_path / f'dog/back{i}').symlink_to(tmp_path / 'cat')
    assert sorted(name for name in files_in(str(tmp_path / 'dog')) if name.count('/') == 0) == ['0.png', '1.png']
    assert len(list(files_in(str(tmp_path)))) == 4
    (tmp_path / '.hidden').mkdir()
    (tmp_path / '.hidden/0.png').write_bytes(b'')
    assert len(list(files_in(str(tmp_path)))) == 4


@pytest.mark.parametrize('name', FOLDER_CONFIGS)
def test_sizes_that_contradict_an_arch_are_refused(name):
    def build(**options):
        cfg = read_config(name, options)
        MODELS.build(cfg.model.backbone)
        return cfg.model.backbone

    with pytest.raises(InputError, match="arch='tiny' sets all sizes, so embed_dims=192 would"):
        build(**{'model.backbone.embed_dims': 192})
    with pytest.raises(InputError, match="arch='nonsense' is not one of tiny, small, base, large, huge"):
        build(arch='nonsense')
    with torch.device('meta'):
        for arch in ARCHITECTURES:
            assert build(arch=arch).patch_size == (14 if arch == 'huge' else 16)


def write(path, model, **meta):
    """A file of zeros with the shapes of a model, which takes no memory to make."""
    state = model.state_dict()
    zeros = {name: torch.zeros(tensor.shape, dtype=torch.float16) for name, tensor in state.items()}
    torch.save(dict(state_dict=zeros, meta=meta), path)
    return str(path)


def test_a_file_of_another_arch_says_which(three, tmp_path, error_of, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with torch.device('meta'):
        model = MAE(arch='small', img_size=64)
    source = write(tmp_path / 'small.pth', model)
    said = error_of('tools/train.py', 'finetune/vit_folder', '--cfg-options', f'data_root={three}', 'img_size=64',
                    f'checkpoint={source}')
    assert 'The encoder in the file is a ViT-small with patches of 16 pixels; --cfg-options arch=small, or' in said
    said = error_of('tools/train.py', 'finetune/vit_folder', '--cfg-options', f'data_root={three}', 'img_size=64',
                    f'checkpoint={source}', 'patch_size=8')
    assert '--cfg-options arch=small patch_size=16, or the config that it was made with' in said


@pytest.mark.parametrize('arch', [name for name in ARCHITECTURES if name in ('tiny', 'small')])
@pytest.mark.parametrize('name', FOLDER_CONFIGS)
def test_inspect_knows_the_files_of_the_folder_configs(name, arch, tmp_path):
    size = dict(crop_size=(64, 64)) if name.startswith('mae/') else dict(img_size=64)
    cfg = read_config(name, dict(arch=arch, patch_size=8, **size))
    if name != 'pretrain/mae_vit_folder':
        classes = ('cat', 'dog')
        cfg.merge_from_dict({f'model.{part}.num_classes': 2 for part in (
            ('decode_head', 'auxiliary_head') if name.startswith('mae/') else ('head', ))})
    init_default_scope(cfg.default_scope)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    text, experiment = 'raise SystemExit("run")', f'{os.path.basename(name)}_20260102_030405'
    source = write(tmp_path / 'a file.pth', model, cfg=text, experiment_name=experiment, epoch=3, iter=12,
                   dataset_meta=dict(classes=classes) if 'pretrain' not in name else None)
    lines = inspect_checkpoint(source)
    assert lines['made with'] == f'{name}, epoch 3, iteration 12' and f'ViT-{arch}, ' in lines['encoder']
    assert lines.get('classes') == (None if 'pretrain' in name else '2: cat, dog')
    config, _, options = lines['config'].partition(' --cfg-options ')
    assert config == name.replace('knn/vit_knn', 'finetune/vit') and text not in str(lines)
    size_told = 'crop_size=64,64' if name.startswith('mae/') else 'img_size=64'
    assert options.split() == [*(['arch=small'] if arch == 'small' else []), 'patch_size=8', size_told]
    assert find_config(config)
    if 'pretrain' in name:
        for use, subcommand, config in (('a classifier', 'train', 'finetune/vit_folder'),
                                        ('a linear probe', 'probe', 'linear_probe/vit_linear_folder'),
                                        ('k-NN', 'knn', 'knn/vit_knn_folder'),
                                        ('a segmentor', 'train', 'mae/upernet_folder')):
            command = lines[f'for {use}']
            assert command.startswith(f'mae-mm {subcommand} {config} --cfg-options ')
            assert f"checkpoint='{source}' data_root=DIR" in command


@pytest.mark.parametrize('name, size, options', [
    ('pretrain/mae_vit_folder', dict(img_size=(64, 96)), ['img_size=64,96']),
    ('mae/upernet_folder', dict(crop_size=(512, 512)), ['crop_size=512,512']),
    ('mae/upernet_folder', dict(crop_size=(224, 224)), [])])
def test_inspect_names_sizes_that_are_not_the_configs_own(name, size, options, tmp_path):
    cfg = read_config(name, {**size, **({'model.decode_head.num_classes': 2, 'model.auxiliary_head.num_classes': 2}
                                        if name.startswith('mae/') else {})})
    fit_to_hardware(cfg, 'none')
    init_default_scope(cfg.default_scope)
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'a.pth')
    lines = inspect_checkpoint(str(tmp_path / 'a.pth'))
    assert lines['config'].split() == [name, *(['--cfg-options', *options] if options else [])]
    assert name != 'pretrain/mae_vit_folder' or 'img_size=64,96 ' in lines['for a classifier']


def test_every_arch_has_a_name_and_every_folder_config_its_widths():
    for arch, sizes in ARCHITECTURES.items():
        assert arch_of(sizes['embed_dims'], sizes['num_layers']) == arch
    widths = Config.fromfile(find_config('finetune/vit_folder')).widths
    assert widths == {arch: sizes['embed_dims'] for arch, sizes in ARCHITECTURES.items()}
    assert arch_of(192, 6) is None

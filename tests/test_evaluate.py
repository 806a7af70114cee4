"""The command that measures frozen encoders: its cache, its results, what it refuses."""
import csv
import errno
import functools
import json
import os
import shutil

import cv2
import numpy as np
import pytest
import torch

from mae_mm.apis.encoders import FrozenEncoder
from mae_mm.apis.evaluating import Evaluation
from mae_mm.apis.measurements import COLUMNS
from mae_mm.datasets import SegmentationFolder
from mae_mm.datasets.labelled import LabelledSet, fitted
from mae_mm.errors import InputError
from mae_mm.evaluation import attentive, encoding, linear
from mae_mm.evaluation import cache as caching
from mae_mm.evaluation.features import labelled_loader
from mae_mm.evaluation.neighbours import neighbours_accuracy
from mae_mm.models import MAE

from .conftest import run_inside
from .own_data import class_folders, scenes

TINY = dict(img_size=32, patch_size=8, embed_dims=16, num_layers=3, num_heads=2)


def write_encoder(path, seed=0, **sizes):
    torch.manual_seed(seed)
    backbone = MAE(**{**TINY, **sizes})
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=.2)
    torch.save(backbone.state_dict(), path)
    return backbone.eval()


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp('data')
    class_folders(root / 'classes', count=10, side_px=32)
    scenes(root / 'scenes', count=4)
    return root


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('encoder') / 'encoder.pth'
    write_encoder(path)
    return path


@pytest.fixture
def on(folders):
    return f'folder:{folders}/classes', f'folder:{folders}/scenes'


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for module, steps in ((linear, 20), (attentive, 10)):
        monkeypatch.setattr(module, 'train', functools.partial(module.train, steps=steps))


def encoded(monkeypatch):
    """The number of images of each batch that passes an encoder."""
    batches = []
    encode = encoding.encode
    monkeypatch.setattr(encoding, 'encode', lambda backbone, images, *args: batches.append(len(images)) or encode(
        backbone, images, *args))
    return batches


def test_every_probe_of_two_data_sets_in_one_command(checkpoint, on, monkeypatch, capsys):
    batches = encoded(monkeypatch)
    command = ('tools/evaluate.py', checkpoint, '--on', *on, '--probes', 'knn', 'linear', 'attentive', 'dense-knn',
               'dense-linear', 'rank', '--shots', 'all', 2, '50%', '--seeds', 2, '--layers', 0, -1,
               '--out', 'out')
    assert run_inside(*command) == 0
    assert sum(batches) == 30 + 12  # each image once
    printed = capsys.readouterr().out
    assert 'the encoder took' in printed and 'for 42 images' in printed
    rows = json.loads(open('out/results.json').read(), parse_constant=pytest.fail)['results']
    with open('out/results.csv') as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows) and tuple(table[0]) == COLUMNS
    found = {(row['data'], row['probe'], row['pooling'], row['metric']) for row in rows}
    assert found == {
        *(('folder:classes', 'knn', pooling, metric) for pooling in ('mean', 'cls_token')
          for metric in ('top1_k1', 'top1_k10', 'top1_k20')),
        *(('folder:classes', probe, pooling, 'top1') for probe, pooling in (
            ('linear', 'mean'), ('linear', 'cls_token'), ('attentive', 'attention'), ('attentive', 'efficient'))),
        *(('folder:scenes', probe, 'patches', 'mIoU') for probe in ('dense-knn', 'dense-linear')),
        *((f'folder:{name}', 'rank', pooling, 'effective_rank') for name in ('classes', 'scenes')
          for pooling in ('mean', 'cls_token'))}
    for row in rows:
        assert row['layer'] in (0, 2) and row['checkpoint'] == str(checkpoint)
        assert row['seeds'] == (1 if row['shots'] == 'all' and row['probe'] in ('knn', 'rank') else 2)
        assert row['mean'] == pytest.approx(np.mean(list(row['values'].values())), abs=1e-3)
        assert (row['deviation'] is None) == (row['seeds'] == 1)
        if row['data'] == 'folder:classes':
            assert row['train_images'] == {'all': 24, '2': 6, '50%': 13}[row['shots']] and row['test_images'] == 6
    assert len(os.listdir('out/pictures')) == 2 + 3 * 2 + 3 * 2  # patches; of 3 shots 2 metrics on each set
    assert all(cv2.imread(f'out/pictures/{name}').std() > 5 for name in os.listdir('out/pictures'))
    again = open('out/results.json').read()
    assert run_inside(*command, '--pictures', 0) == 0
    assert sum(batches) == 42 and 'no image had to pass an encoder' in capsys.readouterr().out
    assert open('out/results.json').read() == again
    assert run_inside(*command[:-6], 3, *command[-5:], '--pictures', 0) == 0  # another seed alone is measured
    assert sum(batches) == 42
    more = json.loads(open('out/results.json').read())['results']
    assert {row['key'] for row in more} == {row['key'] for row in rows} and max(row['seeds'] for row in more) == 3


def test_what_is_cached_is_what_the_encoder_makes_of_the_images(checkpoint, on, monkeypatch):
    run = Evaluation('out', ['knn', 'attentive'], layers=[-1], cache='cache')
    rows = run.run([str(checkpoint)], on[:1])
    encoder = FrozenEncoder(str(checkpoint))
    data = LabelledSet(on[0])
    data.fit((32, 32))
    images = torch.stack([data.test[i] for i in range(len(data.test))])
    tokens, = encoder.backbone.get_intermediate_layers(encoder.prepare(images), [2], return_class_token=True)
    entry = run._entry(encoder, data.test, (32, 32))
    pooled = torch.from_numpy(entry.read('pooled')[:, 2].astype(np.float32))
    torch.testing.assert_close(pooled, torch.stack([tokens[0].mean(dim=1), tokens[1]], dim=1), rtol=2e-3, atol=2e-3)
    kept = torch.from_numpy(entry.read('patches-02').astype(np.float32))
    torch.testing.assert_close(kept, tokens[0], rtol=2e-3, atol=2e-3)
    assert sorted(os.listdir(entry.folder)) == ['facts.json', 'lock', 'patches-02', 'pooled', 'progress.json']
    known = torch.from_numpy(run._entry(encoder, data.train, (32, 32)).read('pooled')[:, 2, 0].astype(np.float32))
    expected = neighbours_accuracy((known, data.train.labels()), (pooled[:, 0], data.test.labels()), [10, 20])
    assert [row['mean'] for row in rows if row['probe'] == 'knn' and row['pooling'] == 'mean'] == pytest.approx(
        [100 * value for value in expected], abs=1e-3)


def test_images_are_those_of_the_configs_test_pipeline(folders, on):
    dataset = dict(type='mae_mm.ClassFolder', data_root=f'{folders}/classes', split='val', pipeline=[
        dict(type='mae_mm.LoadImage'), dict(type='CenterCrop', crop_size=32), dict(type='mae_mm.PackInputs')])
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    whole = np.random.default_rng(0).integers(256, size=(32, 32, 3)).astype(np.uint8)
    assert fitted(whole, (32, 32), False) is whole
    data = LabelledSet(on[0])
    data.fit((28, 28))  # a short edge of 32, which the photographs have
    theirs = next(iter(labelled_loader(dataset)))['inputs'][:, :, 2:30, 2:30].flip(1)
    ours = torch.stack([data.test[i] for i in range(len(data.test))])
    assert torch.equal(ours, theirs)
    assert fitted(whole[:20], (16, 32), True).shape == (16, 32, 3)
    five = np.concatenate([whole, whole[..., :2]], axis=2)
    assert np.array_equal(fitted(five, (16, 16), True), fitted(whole, (16, 16), True)[..., [0, 1, 2, 0, 1]])


def test_the_content_of_weights_decides_and_not_their_name(checkpoint, on, tmp_path, monkeypatch, capsys):
    batches = encoded(monkeypatch)
    shutil.copy(checkpoint, 'a.pth')
    shutil.copy(checkpoint, 'b.pth')
    command = ('tools/evaluate.py', '--on', on[0], '--probes', 'knn', '--layers', 'last', '--out', 'out')
    assert run_inside(*command[:1], 'a.pth', 'b.pth', *command[1:]) == 0
    assert sum(batches) == 30
    rows = json.loads(open('out/results.json').read())['results']
    assert {row['checkpoint'] for row in rows} == {'a.pth', 'b.pth'} and len({row['key'] for row in rows}) == 1
    shots = ('--probes', 'linear', '--shots', 2, '--pictures', 0)
    for name, seeds in (('a.pth', 1), ('b.pth', 3), ('a.pth', 2)):  # what one has been measured with, the other has
        assert run_inside(*command[:1], name, *command[1:3], *shots, '--seeds', seeds, '--out', 'out') == 0
    rows = [row for row in json.loads(open('out/results.json').read())['results'] if row['probe'] == 'linear']
    assert all(list(row['values']) == ['0', '1', '2'] and row['seeds'] == 3 for row in rows if row['layer'] == 2)
    assert sum(batches) == 30
    write_encoder('a.pth', seed=1)  # under the old name
    assert run_inside(*command[:1], 'a.pth', *command[1:]) == 0
    assert sum(batches) == 60
    rows = json.loads(open('out/results.json').read())['results']
    assert len({row['key'] for row in rows if row['probe'] == 'knn'}) == 2
    write_encoder('c.pth', num_heads=4)  # the same weights, which do not tell it
    assert FrozenEncoder('c.pth').digest != FrozenEncoder('b.pth').digest
    capsys.readouterr()
    assert run_inside(*command[:1], 'b.pth', *command[1:], '--img-size', 64) == 0
    assert sum(batches) == 90


def test_two_folders_of_one_name_are_told_apart(checkpoint, on, tmp_path):
    class_folders(tmp_path / 'classes', count=3, side_px=32)
    rows = Evaluation('out', ['knn'], 'last', pictures=0).run([str(checkpoint)], [on[0], 'folder:classes', on[0]])
    assert {row['data'] for row in rows} == {on[0], 'folder:classes'} and len(rows) == 4 + 2


def test_a_changed_image_is_another_image(checkpoint, tmp_path, monkeypatch):
    class_folders(tmp_path / 'own', count=3, side_px=32)
    batches = encoded(monkeypatch)
    command = ('tools/evaluate.py', checkpoint, '--on', 'folder:own', '--probes', 'knn', '--out', 'out')
    assert run_inside(*command) == 0
    seen, path = sum(batches), next((tmp_path / 'own').glob('*/*.jpg'))
    stat = os.stat(path)
    cv2.imwrite(str(path), np.zeros((32, 48, 3), np.uint8))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert run_inside(*command) == 0
    assert sum(batches) > seen


def test_an_interrupted_pass_goes_on_where_it_was(checkpoint, on, monkeypatch):
    monkeypatch.setattr(caching, 'SAVED_EVERY', 0)
    monkeypatch.setattr('mae_mm.apis.evaluating.TOKENS_AT_A_TIME', 64)  # four images
    whole = Evaluation('whole', ['knn'])
    rows = whole.run([str(checkpoint)], on[:1])
    encode, left = encoding.encode, [2]

    def interrupted(*args):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return encode(*args)

    monkeypatch.setattr(encoding, 'encode', interrupted)
    with pytest.raises(KeyboardInterrupt):
        Evaluation('parts', ['knn']).run([str(checkpoint)], on[:1])
    monkeypatch.setattr(encoding, 'encode', encode)
    batches = encoded(monkeypatch)
    assert Evaluation('parts', ['knn']).run([str(checkpoint)], on[:1]) == rows
    assert sum(batches) == 30 - 8
    for path, _, names in os.walk('whole/cache'):
        for name in set(names) & {'pooled'}:
            ours = os.path.join(path, name)
            assert open(ours, 'rb').read() == open(ours.replace('whole', 'parts'), 'rb').read()


def test_a_full_disk_is_one_line_and_what_was_measured_is_kept(checkpoint, on, tmp_path, monkeypatch, error_of):
    write_encoder('other.pth', seed=1)
    add, calls = caching.Writer.add, []

    def full(self, found):
        calls.append(1)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(self, found)

    monkeypatch.setattr(caching.Writer, 'add', full)
    line = error_of('tools/evaluate.py', checkpoint, 'other.pth', '--on', on[0], '--probes', 'knn', '--out', 'out')
    assert 'features could not be written (No space left on device); make room there' in line
    assert 'what was measured is kept' in line
    rows = json.loads(open('out/results.json').read())['results']
    assert {row['checkpoint'] for row in rows} == {str(checkpoint)}


def test_mistakes_are_told_in_one_line(checkpoint, on, folders, tmp_path, error_of, monkeypatch):
    def told(*args, of=checkpoint, data=on[:1]):
        return error_of('tools/evaluate.py', of, '--on', *data, *args)

    torch.save(dict(weight=torch.zeros(3)), 'none.pth')
    write_encoder('odd.pth', embed_dims=20)
    odd = torch.load('odd.pth')
    del odd._metadata
    torch.save(odd, 'odd.pth')
    class_folders(tmp_path / 'few', count=2, side_px=32)
    assert 'none.pth: weights of an unknown format' in told(of='none.pth')
    assert 'missing.pth: no such checkpoint' in error_of('evaluate', checkpoint, 'missing.pth', '--on', on[0])
    assert os.path.exists('work_dirs') is False  # before anything is computed
    assert 'does not store the number of attention heads; give it with --num-heads' in told(of='odd.pth')
    assert 'cannot be divided among that many' in told('--num-heads', 3, of='odd.pth')
    assert 'its patches of 8 pixels do not tile images of 33x33; --img-size 32,32 would do' in told('--img-size', 33)
    assert '--img-size 32,32,32: whole numbers' in told('--img-size', '32,32,32')
    assert '--probes dense-knn needs images with label maps, and folder:' in told('--probes', 'knn', 'dense-knn')
    assert '--probes knn needs class folders' in told('--probes', 'knn', data=on[1:])
    assert '--probes knnn: there are knn, linear, attentive' in told('--probes', 'knnn')
    assert 'class astronaut has 7 images; use at most that many' in told('--shots', 9, '--probes', 'knn')
    assert '--shots many: all, a number' in told('--shots', 'many')
    assert 'class astronaut has 7' in told('--shots', 9, '--out', 'late', data=on[::-1]) and not os.path.exists('late')
    assert '--seeds 0 is not a number from 1 on' in told('--seeds', 0)
    assert 'layers has layer 3, the backbone has 3 layers' in told('--layers', '0,3')
    assert '--layers some: whole numbers with commas' in told('--layers', 'some')
    assert 'imagenet:x: KIND:DIR is needed, such as folder:DIR; kinds are cifar10' in told(data=['imagenet:x'])
    assert '--on folder:nowhere: no such folder' in told(data=['folder:nowhere'])
    assert 'no class folders' in told(data=[f'folder:{folders}/classes/coffee'])
    assert '--cache-size lots: a number of bytes' in told('--cache-size', 'lots')
    assert '--cache-size allows 0.00 GB' in told('--cache-size', '1KB', '--probes', 'knn')
    assert 'choose another folder' in told('--out', f'{folders}/classes/results')
    os.makedirs('out')
    open('out/results.json', 'w').write('[]')
    assert 'results.json is not what this command writes' in told('--out', 'out')
    write_encoder('nan.pth')
    bad = torch.load('nan.pth')
    bad['ln1.weight'][:] = 1e30
    torch.save(bad, 'nan.pth')
    assert 'features that are not finite' in told('--out', 'new', '--probes', 'knn', of='nan.pth')


def test_pixels_are_scaled_as_the_stored_config_says(tmp_path, checkpoint):
    state = torch.load(checkpoint)
    text = ("model = dict(type='mae_mm.MaskedAutoencoder', data_preprocessor=dict(type='mae_mm.ImagePreprocessor', "
            "mean=[1., 2., 3.], std=[4., 5., 6.], bgr_to_rgb=True))\ndefault_scope = 'mmpretrain'\n"
            "test_dataloader = dict(dataset=dict(type='mae_mm.ImageFolder', pipeline=[]))\n")
    torch.save(dict(meta=dict(cfg=text), state_dict=state), 'ours.pth')
    encoder = FrozenEncoder('ours.pth')
    assert encoder.mean == [1., 2., 3.]
    images = torch.arange(3.)[None, :, None, None].expand(1, 3, 8, 8)
    assert encoder.prepare(images)[0, :, 0, 0].tolist() == pytest.approx([-1 / 4, -1 / 5, -1 / 6])
    assert FrozenEncoder(str(checkpoint)).mean == [123.675, 116.28, 103.53]
    write_encoder('five.pth', in_channels=5)
    with pytest.raises(InputError, match='the encoder is for 5 bands, and the file does not store their mean'):
        FrozenEncoder('five.pth')


def test_images_of_any_bands(tmp_path):
    class_folders(tmp_path / 'own', count=3, side_px=32, multispectral=True)
    statistics = dict(mean=[9e3, 8e3, 7e3, 6e3, 5e3], std=[3e3] * 5, nodata=None)
    text = (f"model = dict(type='mae_mm.MaskedAutoencoder', data_preprocessor=dict(type='mae_mm.BandsPreprocessor', "
            f"mean={statistics['mean']}, std={statistics['std']}))\ndefault_scope = 'mmpretrain'\n"
            f"statistics = {statistics}\n"
            "test_dataloader = dict(dataset=dict(type='mae_mm.ImageFolder', pipeline=[]))\n")
    write_encoder('five.pth', in_channels=5)
    torch.save(dict(meta=dict(cfg=text), state_dict=torch.load('five.pth')), 'ours.pth')
    rows = Evaluation('out').run(['ours.pth'], ['folder:own'])
    assert {row['probe'] for row in rows} == {'knn', 'linear', 'rank'}
    picture, = (name for name in os.listdir('out/pictures') if name.startswith('patches'))
    assert cv2.imread(f'out/pictures/{picture}').std() > 5
    write_encoder('rgb.pth')
    with pytest.raises(InputError, match='5 bands of uint16. Images other than 8-bit grey or RGB need statistics'):
        Evaluation('out').run(['rgb.pth'], ['folder:own'])


def test_an_encoder_needs_its_file_alone(tmp_path):
    own = write_encoder('rectangle.pth', img_size=(16, 40), final_norm=False, init_values=.1, rel_pos_bias=True)
    encoder = FrozenEncoder('rectangle.pth')
    assert encoder.img_size == (16, 40)
    images = torch.rand(2, 3, 16, 40) * 255
    torch.testing.assert_close(encoder.backbone(encoder.prepare(images))[0], own(encoder.prepare(images))[0])


def test_a_label_map_of_another_size_than_its_image_is_named_before_anything_is_computed(checkpoint, tmp_path,
                                                                                          error_of, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenes(tmp_path / 'scenes', 3)
    path = sorted((tmp_path / 'scenes/labels').iterdir())[2]
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:40])
    line = error_of('evaluate', checkpoint, '--on', f'folder:{tmp_path / "scenes"}', '--probes', 'dense-linear')
    assert f'{path}: 40x80 labels of an image of 64x80 pixels' in line and not os.path.exists('work_dirs')
    monkeypatch.setattr(SegmentationFolder, 'check', lambda *_, **__: None)  # which looks at some of many
    line = error_of('evaluate', checkpoint, '--on', f'folder:{tmp_path / "scenes"}', '--probes', 'dense-linear')
    assert f'{path}: 40x80 labels of an image of 64x80 pixels' in line

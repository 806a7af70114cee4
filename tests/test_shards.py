"""Shards: the same bytes of the same folder, the same data sets and runs as of the folder, and what is wrong told."""
import json
import os
import pickle
import re
import struct
import tarfile
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from mae_mm.apis import sharding
from mae_mm.apis.shard_plan import Plan
from mae_mm.apis.sharding import make_shards
from mae_mm.datasets import ClassFolder, EpochSampler, ImageFolder, ImageNetFolder, LoadImage, ResumableSampler, shards
from mae_mm.datasets.shards import RECORD, Shards, shards_at
from mae_mm.errors import InputError

from .conftest import run_inside
from .own_data import class_folders, crops, write

PART = 20_000  # bytes: about six images


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Class folders of 36 photographs in all."""
    root = tmp_path_factory.mktemp('source')
    class_folders(root)
    return root


@pytest.fixture(scope='module')
def splits(tmp_path_factory):
    root = tmp_path_factory.mktemp('splits')
    for split, count in (('train', 8), ('val', 3)):
        class_folders(root / split, count)
    return root


@pytest.fixture
def made(source, tmp_path):
    make_shards(str(source), str(tmp_path / 'out'), PART)
    return tmp_path / 'out'


def test_images_of_any_bands_are_read_from_shards(tmp_path):
    """TIFF and NumPy, as from the folder; what a TIFF declares to be no data is left out, too."""
    class_folders(tmp_path / 'in', 2, multispectral=True)
    np.save(tmp_path / 'in' / 'array.npy', np.random.default_rng(0).normal(size=(20, 24, 5)))
    make_shards(str(tmp_path / 'in'), str(tmp_path / 'out'), PART)
    pipeline = [LoadImage(bands=5, nodata='nan', fill=[0.] * 5)]
    one, other = (ImageFolder(data_root=str(tmp_path / name), pipeline=pipeline) for name in ('in', 'out'))
    assert len(one) == len(other) == 7
    for i in range(7):
        assert np.array_equal(one[i]['img'], other[i]['img']) and one[i]['img'].shape[2] == 5


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def samples_of(dataset) -> list[tuple]:
    """Name, label and bytes of all samples."""
    found = []
    for i in range(len(dataset)):
        sample = dataset.with_bytes(dataset.get_data_info(i))
        path = sample['img_path']
        data = sample.get('img_bytes') or open(path, 'rb').read()
        name = path.split('.tar/')[-1] if '.tar/' in path else os.path.relpath(path, dataset.data_root)
        found.append((name, sample.get('gt_label'), data))
    return found


@pytest.mark.parametrize('kind, layout, options', [
    (ImageFolder, 'source', dict()), (ImageFolder, 'source', dict(held_out=.3)),
    (ImageFolder, 'source', dict(held_out=.3, split='held_out')), (ImageFolder, 'splits', dict(data_prefix='val')),
    (ClassFolder, 'source', dict(split='train')), (ClassFolder, 'source', dict(split='val', held_out=.4)),
    (ClassFolder, 'source', dict(per_class=5)), (ClassFolder, 'splits', dict(split='train')),
    (ClassFolder, 'splits', dict(split='val')), (ClassFolder, 'splits', dict(data_prefix='train')),
])
def test_a_data_set_of_shards_is_that_of_the_folder(kind, layout, options, request, tmp_path):
    folder = request.getfixturevalue(layout)
    make_shards(str(folder), str(tmp_path), PART)
    of_folder, of_shards = (kind(data_root=str(root), **options) for root in (folder, tmp_path))
    assert samples_of(of_shards) == samples_of(of_folder) and len(of_shards) > 5
    assert of_shards.metainfo == of_folder.metainfo
    assert samples_of(pickle.loads(pickle.dumps(of_shards))) == samples_of(of_folder)  # as workers that are spawned


def test_shards_of_imagenet_keep_its_numbers(tmp_path):
    for i, (_, rgb) in enumerate(crops(1, 32)):
        write(tmp_path / 'in/val' / ('n02119789', 'n01440764', 'n01443537')[i] / 'a', rgb, False)
    make_shards(str(tmp_path / 'in'), str(tmp_path / 'out'))
    folder, stored = (ImageNetFolder(data_root=str(tmp_path / name), data_prefix='val') for name in ('in', 'out'))
    assert [label for _, label, _ in samples_of(stored)] == [0, 1, 278]
    assert samples_of(stored) == samples_of(folder) and stored.metainfo['class_ids'] == (0, 1, 278)


def test_the_tar_files_are_those_of_webdataset(splits, tmp_path):
    head = make_shards(str(splits), str(tmp_path / 'out'), PART)
    names = [shard['name'] for shard in head['shards']]
    assert names[0] == 'train-000000.tar' and names[-1].startswith('val-') and len(names) > 4
    assert head['classes'] == ['astronaut', 'chelsea', 'coffee'] and head['images'] == 33
    keys, labels_of_first = set(), []
    for name in names:
        with tarfile.open(tmp_path / 'out' / name) as tar:
            members = tar.getmembers()
            assert all(member.mtime == member.uid == 0 and member.isreg() for member in members)
            for image, label in zip(members[::2], members[1::2], strict=True):
                folder, _, base = image.name.rpartition('/')
                key, _, suffix = base.partition('.')
                assert suffix == 'jpg' and label.name == f'{folder}/{key}.cls'
                assert tar.extractfile(image).read() == (splits / image.name).read_bytes()
                number = int(tar.extractfile(label).read())
                assert head['classes'][number] == folder.split('/')[1]
                keys.add(f'{folder}/{key}')
                labels_of_first += [number] * (name == names[0])
    assert len(keys) == 33 and len(set(labels_of_first)) > 1  # a shard mixes the classes


def test_names_of_any_kind_are_kept(tmp_path):
    _, rgb = crops(1, 32)[0]
    names = ['a.jpg', 'a.png', 'a b.c.d.jpg', 'ü.JPG', 'x' * 200 + '.jpg', 'deep/' * 20 + 'y.jpg', '-1.jpg']
    for name in names:
        path = tmp_path / 'in' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, rgb)[1].tobytes() + name.encode())
    other = os.path.join(os.fsencode(tmp_path / 'in'), b'\xff\n.jpg')
    os.link(tmp_path / 'in/a.jpg', other)
    make_shards(str(tmp_path / 'in'), str(tmp_path / 'out'))
    folder, stored = (ImageFolder(data_root=str(tmp_path / name)) for name in ('in', 'out'))
    assert samples_of(stored) == samples_of(folder) and len(stored) == 8
    with tarfile.open(tmp_path / 'out/images-000000.tar') as tar:
        keys = [name.rpartition('/')[2].partition('.') for name in tar.getnames()]
    assert len({key for key, _, _ in keys}) == 8 and {suffix for _, _, suffix in keys} == {'jpg', 'png'}


@pytest.mark.parametrize('at', [1, 3])
def test_what_was_interrupted_goes_on_and_is_the_same_to_the_byte(made, source, tmp_path, monkeypatch, at):
    out = tmp_path / 'again'
    with monkeypatch.context() as patched:
        ends = sharding._Tar.end
        calls = []

        def end(self):
            calls.append(1)
            if len(calls) == at:
                raise KeyboardInterrupt
            ends(self)

        patched.setattr(sharding._Tar, 'end', end)
        with pytest.raises(KeyboardInterrupt):
            make_shards(str(source), str(out), PART)
    there = {path.name: path.stat().st_ino for path in out.glob('*.tar')}
    assert len(there) == at - 1 and shards_at(str(out)) is None
    (out / 'images-000002.tar.unfinished').write_bytes(b'of a process that was killed')
    make_shards(str(source), str(out), PART)
    assert contents(out) == contents(made)
    assert there.items() <= {path.name: path.stat().st_ino for path in out.glob('*.tar')}.items()  # kept as they were
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    make_shards(str(source), str(out), PART)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize('lost', ['images-000001.tar', 'shards.index', 'cut', 'changed index'])
def test_what_was_lost_is_made_again(made, source, lost):
    before = contents(made)
    if lost == 'cut':
        os.truncate(made / 'images-000002.tar', 5_000)
    elif lost == 'changed index':
        (made / 'shards.index').write_bytes(before['shards.index'][::-1])
    else:
        (made / lost).unlink()
    with pytest.raises(InputError, match='mend them with: mae-mm shards make SOURCE'):
        Shards(str(made))
    make_shards(str(source), str(made), PART)
    assert contents(made) == before


def test_only_shards_of_the_same_folder_are_gone_on_with(made, source, splits, tmp_path):
    for other, size in ((splits, PART), (source, 2 * PART)):
        with pytest.raises(InputError, match=r'has shards already \(shards.json\), not of .*; choose another folder'):
            make_shards(str(other), str(made), size)
    (tmp_path / 'theirs').mkdir()
    (tmp_path / 'theirs/000.tar').write_bytes(b'')
    with pytest.raises(InputError, match=r'has shards already \(000.tar\)'):
        make_shards(str(source), str(tmp_path / 'theirs'))
    with pytest.raises(InputError, match='the output would be among the images'):
        make_shards(str(source), str(source / 'chelsea/out'))
    with pytest.raises(InputError, match='holds shards; shards are made of a folder of images'):
        make_shards(str(made), str(tmp_path / 'of shards'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match='no images there'):
        make_shards(str(tmp_path / 'empty'), str(tmp_path / 'none'))


def test_an_image_that_changed_is_not_mended_with(tmp_path):
    class_folders(tmp_path / 'in', 2)
    make_shards(str(tmp_path / 'in'), str(tmp_path / 'out'))
    data = bytearray((tmp_path / 'in/coffee/04.jpg').read_bytes())
    data[-40] ^= 1
    (tmp_path / 'in/coffee/04.jpg').write_bytes(data)
    (tmp_path / 'out/images-000000.tar').unlink()
    with pytest.raises(InputError, match='cannot be made again as it was: images of .* have changed'):
        make_shards(str(tmp_path / 'in'), str(tmp_path / 'out'))


def test_broken_images_are_named_all_at_once_and_left_out_if_asked(tmp_path, error_of, capsys):
    class_folders(tmp_path / 'in', 4)
    image = (tmp_path / 'in/coffee/08.jpg').read_bytes()
    (tmp_path / 'in/coffee/08.jpg').write_bytes(image[:len(image) // 2])
    (tmp_path / 'in/chelsea/04.jpg').write_text('no image')
    np.save(tmp_path / 'in/chelsea/deep.npy', np.full((20, 20, 3), 'a'))
    said = error_of('shards', 'make', tmp_path / 'in', tmp_path / 'out')
    assert '3 images cannot be put into shards' in said and '--skip-broken goes on without them' in said
    assert all(name in said for name in ('coffee/08.jpg cannot be read', 'chelsea/04.jpg cannot be read',
                                         'chelsea/deep.npy'))
    assert run_inside('shards', 'make', tmp_path / 'in', tmp_path / 'out', '--skip-broken') == 0
    assert '10 images (3 left out, which cannot be used), 3 classes in 1 shard of 0.' in capsys.readouterr().out
    assert len(ClassFolder(data_root=str(tmp_path / 'out'))) == 10
    assert 'is not a whole number from 1 on' in error_of('shards', 'make', tmp_path / 'in', tmp_path / 'o',
                                                         '--shard-mb', 0)


def test_verify_reads_everything(made, capsys, error_of):
    assert run_inside('shards', 'verify', made) == 0
    assert 'all as they were made' in capsys.readouterr().out
    for name in ('images-000001.tar', 'images-000003.tar'):
        data = bytearray((made / name).read_bytes())
        data[600] ^= 1
        (made / name).write_bytes(data)
    said = error_of('shards', 'verify', made)
    assert 'images-000001.tar' in said and 'images-000003.tar: changed since' in said and 'remove what is' in said
    stored = Shards(str(made))
    wrong = 0
    for row in range(len(stored)):
        try:
            stored.read(row)
        except InputError as error:
            wrong += 1
            assert f'{made}/images-00000' in str(error) and 'mae-mm shards verify' in str(error)
    assert wrong == 2
    (made / 'images-000001.tar').unlink()
    assert 'images-000001.tar (No such file or directory): not as shards.json says' in error_of(
        'shards', 'verify', made)


def changed_head(made, change):
    head = json.loads((made / 'shards.json').read_text())
    change(head)
    (made / 'shards.json').write_text(json.dumps(head))


class Run:
    def __reduce__(self):
        return os.abort, ()


@pytest.mark.parametrize('name, content, message', [
    ('shards.json', b'{"format"', 'is not an index of shards'), ('shards.json', b'[]', 'is not an index of shards'),
    ('shards.json', b'[' * 100_000, 'is not an index of shards'),
    ('shards.json', b'\xff\xfe', 'is not an index of shards'),
    ('shards.json', pickle.dumps(Run()), 'is not an index of shards'),
    ('shards.index', pickle.dumps(Run()), 'does not fit|cannot be read'),
    ('shards.index', b'', 'cannot be read'), ('shards.index', bytes(36 * RECORD.itemsize), 'does not fit'),
])
def test_an_index_that_is_none_is_refused(made, name, content, message):
    (made / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        ImageFolder(data_root=str(made))


@pytest.mark.parametrize('change, message', [
    (lambda head: head.update(format='mae_mm.shards 9'), 'in the format mae_mm.shards 1'),
    (lambda head: head['shards'][0].update(name='../images-000000.tar'), 'in the format'),
    (lambda head: head['shards'][0].update(bytes='many'), 'in the format'),
    (lambda head: head['shards'].pop(), 'does not fit'), (lambda head: head.update(images=35), 'does not fit'),
    (lambda head: head.update(images=1 << 62), 'does not fit'), (lambda head: head.update(images=0), 'does not fit'),
])
def test_a_head_that_does_not_fit_is_refused(made, change, message):
    changed_head(made, change)
    with pytest.raises(InputError, match=message):
        ImageFolder(data_root=str(made))


@pytest.mark.parametrize('column, value', [
    ('offset', 1 << 60), ('offset', (1 << 64) - 1), ('length', (1 << 32) - 1), ('shard', 77), ('name_end', 1 << 50)])
def test_places_outside_of_the_shards_are_refused(made, column, value):
    content = bytearray((made / 'shards.index').read_bytes())
    records = np.frombuffer(content, RECORD, 36)
    records[column][3] = value
    (made / 'shards.index').write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError, match='shards.index does not fit shards.json'):
        Shards(str(made))
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def png_of(height, width) -> bytes:
    """A file that declares so many pixels, and has none."""
    chunk = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk)) + (
        struct.pack('>I', 0) + b'IDAT' + struct.pack('>I', zlib.crc32(b'IDAT')))


@pytest.mark.parametrize('content, message', [
    (b'no image', ' cannot be read as an image'), (png_of(40_000, 30_000), ': 40000x30000 are 1,200,000,000 pixels')])
def test_a_member_that_is_no_image_or_a_huge_one_is_named(tmp_path, monkeypatch, content, message):
    class_folders(tmp_path / 'in', 1)
    (tmp_path / 'in/chelsea/1.jpg').write_bytes(content)
    monkeypatch.setattr(Plan, 'read', lambda self, sample: (tmp_path / 'in' / sample.name).read_bytes())
    make_shards(str(tmp_path / 'in'), str(tmp_path / 'out'))
    dataset = ImageFolder(data_root=str(tmp_path / 'out'), pipeline=[LoadImage()])
    broken = next(i for i in range(4) if 'chelsea/1.jpg' in dataset.get_data_info(i)['img_path'])
    with pytest.raises(InputError, match=f'out/images-000000.tar/chelsea/1.jpg{message}'):
        dataset[broken]


def test_no_more_than_so_many_files_are_open(made, monkeypatch):
    monkeypatch.setattr(shards, 'MOST_OPEN', 2)
    stored = Shards(str(made))
    assert not stored._open
    for row in range(len(stored)):
        stored.read(row)
        assert len(stored._open) <= 2


def numbers_of(made, sampler, processes, workers, start, count):
    """The samples that all processes together draw, in the order of draws, and what they read."""
    dataset = ImageFolder(data_root=str(made))
    of_ranks = []
    for rank in range(processes):
        loader = Runner.build_dataloader(dict(
            dataset=dataset, sampler=sampler, batch_size=2, num_workers=workers, collate_fn=lambda samples: samples),
            seed=5)
        ours = loader.sampler
        ours.rank, ours.world_size = rank, processes
        if hasattr(ours, 'start_at'):
            ours.start_at(start, 5)
        else:
            ours.num_samples, ours.total_size, ours.start = len(dataset) // processes, len(dataset), start
        drawn = []
        for batch in loader:
            drawn += [(int(sample['sample_idx']), len(sample['img_bytes'])) for sample in batch]
            if len(drawn) * processes >= count:
                break
        of_ranks.append(drawn)
    return [draw for draws in zip(*of_ranks, strict=True) for draw in draws][:count]


@pytest.mark.parametrize('kind', ['mae_mm.EpochSampler', 'mae_mm.ResumableSampler'])
@pytest.mark.parametrize('window', [None, 12])
def test_each_sample_once_over_processes_and_workers_and_resumed(made, kind, window):
    sampler = dict(type=kind, shuffle=True, window=window)
    straight = numbers_of(made, sampler, 1, 0, 0, 36)
    assert sorted(place for place, _ in straight) == list(range(36)) and straight != sorted(straight)
    for processes, workers, start in ((2, 0, 0), (3, 2, 0), (2, 2, 12), (3, 0, 24), (1, 2, 18)):
        assert numbers_of(made, sampler, processes, workers, start, 36 - start) == straight[start:]


def test_a_window_reads_shard_after_shard(made):
    dataset = ImageFolder(data_root=str(made))
    parts = dataset.by_shard()
    assert sorted(np.concatenate(parts)) == list(range(36)) and len(parts) == len(Shards(str(made)).head['shards'])
    rows = [dataset.get_data_info(i)['row_in_shards'] for i in EpochSampler(dataset, window=1, seed=1)]
    read = list(zip(dataset.shards.shard_of(rows), dataset.shards.offset_of(rows), strict=True))
    firsts = [shard for i, (shard, _) in enumerate(read) if i == 0 or shard != read[i - 1][0]]
    assert len(firsts) == len(parts) and firsts != sorted(firsts)  # shards in random order, each to its end
    assert all(after > before for (one, before), (other, after) in zip(read, read[1:], strict=False) if one == other)


@pytest.mark.parametrize('sampler, message', [
    (dict(window=0), 'sampler.window=0 is not a whole number'), (dict(window=4, shuffle=False), 'is for shuffle=True'),
    (dict(window=4), 'is for shards, and .* is a folder of images')])
def test_a_window_that_cannot_be(source, sampler, message):
    for kind in (EpochSampler, ResumableSampler):
        with pytest.raises(InputError, match=message):
            kind(ImageFolder(data_root=str(source)), seed=1, **sampler)


SMALL = ('model.backbone.arch=None', 'model.backbone.patch_size=8', 'model.backbone.embed_dims=16',
         'model.backbone.num_layers=2', 'model.backbone.num_heads=2', 'img_size=32')


@pytest.mark.parametrize('config, layout', [('pretrain/mae_vit_folder', 'source'), ('finetune/vit_folder', 'splits')])
def test_a_run_from_shards_is_that_from_the_folder_to_the_bit(config, layout, request, tmp_path, capsys):
    folder = request.getfixturevalue(layout)
    make_shards(str(folder), str(tmp_path / 'out'), PART)
    own = ('model.decoder.embed_dims=16', 'model.decoder.num_heads=2') if 'pretrain' in config else (
        'model.head.in_channels=16', 'model.backbone.init_cfg=None')
    for name, root in (('folder', folder), ('shards', tmp_path / 'out')):
        assert run_inside('train', config, '--work-dir', tmp_path / name, '--cfg-options', f'data_root={root}',
                          'max_epochs=2', 'randomness.seed=1', 'train_dataloader.num_workers=2',
                          'val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False', 'batch_size=8',
                          *SMALL, *own) == 0
    weights = [torch.load(tmp_path / name / 'epoch_2.pth', weights_only=True)['state_dict']
               for name in ('folder', 'shards')]
    assert all(torch.equal(tensor, weights[1][key]) for key, tensor in weights[0].items())
    if 'finetune' in config:
        assert run_inside('test', config, tmp_path / 'shards/epoch_2.pth', '--work-dir', tmp_path / 'test',
                          '--show-dir', tmp_path / 'pictures', '--cfg-options', f'data_root={tmp_path / "out"}',
                          *SMALL, *own) == 0
        assert len(list((tmp_path / 'pictures').rglob('*.png'))) == 9


def test_features_of_shards_are_those_of_the_folder(source, made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = []
    for root in (source, made):
        assert run_inside('knn', 'pretrain/mae_vit_folder', 'untrained', '--out', 'knn.json', '--cfg-options',
                          f'data_root={root}', *SMALL) == 0
        results.append(json.loads((tmp_path / 'knn.json').read_text()))
    assert results[0] == results[1] and results[0]['train_images'] > 20


def test_check_tells_of_shards(made, tmp_path, capsys, monkeypatch, error_of):
    monkeypatch.chdir(tmp_path)
    options = ('pretrain/mae_vit_folder', '--cfg-options', f'data_root={made}', 'train_dataloader.num_workers=0',
               'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
               'val_dataloader.persistent_workers=False', *SMALL)
    assert run_inside('check', *options) == 0
    number = len(Shards(str(made)).head['shards'])
    assert re.search(rf'train: 3\d images in {number} shards; sizes \(height x width\) 64x80', capsys.readouterr().out)
    assert 'a patch has 100x100; scale the image up' in error_of(
        'check', *options, 'model.backbone.patch_size=100', 'img_size=100')
    os.truncate(made / 'images-000002.tar', 5_000)
    shards._opened.cache_clear()
    said = error_of('train', *options)
    assert 'images-000002.tar (5,000 bytes of ' in said and 'mae-mm shards make SOURCE' in said
    assert not (tmp_path / 'work_dirs').exists()

"""Tar files of other tools: indexed where they are, the data set and run of a folder, and what is wrong told."""
import gzip
import io
import json
import os
import shutil
import tarfile

import pytest
import torch

from mae_mm.apis import tar_index
from mae_mm.apis.sharding import make_shards
from mae_mm.apis.tar_index import index_tars
from mae_mm.datasets import ClassFolder, ImageFolder, ImageNetFolder, shards
from mae_mm.datasets.shards import Shards, shards_at
from mae_mm.errors import InputError

from .conftest import run_inside
from .own_data import class_folders
from .test_shards import SMALL, samples_of

CLASSES = ('astronaut', 'chelsea', 'coffee')


def write_tar(path, members, format=tarfile.GNU_FORMAT):
    """Members are ``(name, bytes)``; of None in place of bytes a symbolic link."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w', format=format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, 'elsewhere'
            else:
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data or b''))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """``{train,val}/CLASS/NN.jpg``, 24 and 9 of them."""
    root = tmp_path_factory.mktemp('folder')
    for split, count in (('train', 8), ('val', 3)):
        class_folders(root / split, count)
    return root


@pytest.fixture(scope='module')
def images(folder):
    return {split: [(CLASSES.index(path.parent.name), f'{path.parent.name}_{path.stem}', path.read_bytes())
                    for path in sorted((folder / split).rglob('*.jpg'))] for split in ('train', 'val')}


@pytest.fixture
def tars(images, tmp_path):
    """The same images as other tools write them: in two files a split, with texts beside them."""
    for split, word in (('train', 'train'), ('val', 'validation')):
        for part in range(2):
            members = []
            for label, key, data in images[split][part::2]:
                members += [(f'{key}.cls', str(label).encode()), (f'{key}.jpg', data), (f'{key}.json', b'{}')]
            write_tar(tmp_path / f'tars/set-{word}-{part:04d}.tar', members)
    (tmp_path / 'tars/classes.txt').write_text('\n'.join(CLASSES) + '\n')
    return tmp_path / 'tars'


@pytest.fixture
def same(images, tmp_path):
    """A folder of the same images, as the tar files name them."""
    for split in images:
        for label, key, data in images[split]:
            path = tmp_path / 'same' / split / CLASSES[label] / f'{key}.jpg'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return tmp_path / 'same'


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize('kind, options', [
    (ImageFolder, dict()), (ImageFolder, dict(held_out=.3)), (ImageFolder, dict(data_prefix='val')),
    (ClassFolder, dict(split='train')), (ClassFolder, dict(split='val'))])
def test_a_data_set_of_tar_files_is_that_of_the_folder(kind, options, tars, same):
    before = contents(tars)
    head = index_tars(str(tars))
    assert contents(tars).items() > before.items()  # nothing was changed
    assert sorted(set(contents(tars)) - set(before)) == ['shards.index', 'shards.json']
    assert head['images'] == 33 and head['classes'] == list(CLASSES) and len(head['shards']) == 4
    of_folder, of_tars = (kind(data_root=str(root), **options) for root in (same, tars))
    assert samples_of(of_tars) == samples_of(of_folder) and len(of_tars) > 5
    assert of_tars.metainfo == of_folder.metainfo


@pytest.mark.parametrize('config', ['pretrain/mae_vit_folder', 'finetune/vit_folder'])
def test_a_run_from_tar_files_is_that_from_the_folder_to_the_bit(config, tars, same, tmp_path):
    assert run_inside('shards', 'index', tars) == 0
    own = ('model.decoder.embed_dims=16', 'model.decoder.num_heads=2') if 'pretrain' in config else (
        'model.head.in_channels=16', 'model.backbone.init_cfg=None')
    for root in (same, tars):
        assert run_inside('train', config, '--work-dir', tmp_path / 'runs' / root.name, '--cfg-options',
                          f'data_root={root}', 'max_epochs=2', 'randomness.seed=1', 'train_dataloader.num_workers=2',
                          'val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False', 'batch_size=8',
                          *SMALL, *own) == 0
    weights = [torch.load(tmp_path / 'runs' / name / 'epoch_2.pth', weights_only=True)['state_dict']
               for name in ('same', 'tars')]
    assert weights[0] and all(torch.equal(tensor, weights[1][key]) for key, tensor in weights[0].items())


def names_in(folder):
    return Shards(str(folder)).names('')


def test_classes_without_names_are_numbers_that_sort(images, tmp_path):
    image = images['val'][0][2]
    write_tar(tmp_path / 'a.tar', [(f'{i}.{suffix}', data) for i in (0, 2, 10) for suffix, data in (
        ('jpg', image), ('cls', f'{i}\n'.encode()))])
    assert index_tars(str(tmp_path))['classes'] == ['00', '02', '10']
    assert names_in(tmp_path) == ['00/0.jpg', '02/2.jpg', '10/10.jpg']


def test_classes_of_a_file_and_of_imagenet(images, tmp_path, error_of):
    image = images['val'][0][2]
    write_tar(tmp_path / 'tars/a-train-0.tar', [('a.jpg', image), ('a.cls', b'1'), ('b.jpg', image), ('b.cls', b'0')])
    for name, content, message in (
            ('one.txt', 'cat\n', 'a.jpg is of class 1, and names are given of 0 to 0'),
            ('twice.txt', 'cat\ndog\ncat', 'two lines are cat'), ('empty.txt', '\n', 'it is empty'),
            ('up.txt', 'cat\n../dog', "line 2, '../dog', cannot be the name of a folder"),
            ('none.txt', None, 'none.txt cannot be read as a list of classes: No such file')):
        if content is not None:
            (tmp_path / name).write_text(content)
        assert message in error_of('shards', 'index', tmp_path / 'tars', '--classes', tmp_path / name)
    assert run_inside('shards', 'index', tmp_path / 'tars', '--classes', 'imagenet-1k') == 0
    assert names_in(tmp_path / 'tars') == ['train/n01440764/b.jpg', 'train/n01443537/a.jpg']
    dataset = ImageNetFolder(data_root=str(tmp_path / 'tars'), data_prefix='train')
    assert [label for _, label, _ in samples_of(dataset)] == [0, 1]
    (tmp_path / 'tars/classes.txt').write_text('cat\ndog\n')
    assert 'has an index already (shards.json), of other tar files or other classes; remove both' in error_of(
        'shards', 'index', tmp_path / 'tars')


def test_names_of_any_kind(images, tmp_path):
    """In folders, absolute, upwards, long, with dots; the same in two files; hidden ones, and what is no image."""
    image = images['val'][0][2]
    long, longer = 'x' * 150, 'deep/' * 50 + 'y'
    for tar, format in (('a', tarfile.GNU_FORMAT), ('b', tarfile.PAX_FORMAT)):
        write_tar(tmp_path / f'{tar}.tar', [
            ('./', b''), ('./1.jpg', image), ('1.txt', b'7'), (f'./{tar}/1.JPG', image), (f'/{tar}/ü.png', image),
            (f'../{tar}/2.jpg', image), (f'{tar}/{long}.jpg', image), (f'{tar}/{longer}.webp', image),
            (f'{tar}/c.d.jpg', image), (f'{tar}/._1.jpg', b'hidden'), (f'{tar}/1.npz', b'')], format)
    index_tars(str(tmp_path))
    stored = Shards(str(tmp_path))
    assert names_in(tmp_path) == sorted(['a-1.jpg', 'b-1.jpg', *(f'{tar}/{name}' for tar in 'ab' for name in (
        '1.JPG', 'ü.png', '2.jpg', f'{long}.jpg', f'{longer}.webp', 'c.d.jpg'))])
    assert all(stored.read(row) == image for row in range(len(stored)))


def test_what_belongs_to_a_key(images, tmp_path):
    image = images['val'][0][2]
    write_tar(tmp_path / 'a.tar', [
        ('1.jpg', image), ('1.seg.png', image), ('1.cls', b'0'), ('2.left.jpg', image), ('2.cls', b'1'),
        ('v1.5.jpg', image), ('v1.5.cls', b'1'), ('v1.6.jpg', image), ('v1.6.cls', b'0')])
    index_tars(str(tmp_path))
    assert names_in(tmp_path) == ['0/1.jpg', '0/v1.6.jpg', '1/2.left.jpg', '1/v1.5.jpg']


def test_our_own_shards_without_their_index(folder, tmp_path):
    """And tar files of folders that have no .cls: the paths in them are those of the folder."""
    make_shards(str(folder), str(tmp_path / 'made'))
    names = names_in(tmp_path / 'made')
    for name in ('shards.json', 'shards.index'):
        (tmp_path / 'made' / name).unlink()
    (tmp_path / 'made/classes.txt').write_text('\n'.join(CLASSES))
    index_tars(str(tmp_path / 'made'))
    assert names_in(tmp_path / 'made') == names
    (tmp_path / 'plain').mkdir()
    with tarfile.open(tmp_path / 'plain/all.tar', 'w') as tar:
        tar.add(folder, '.')
    index_tars(str(tmp_path / 'plain'))
    assert names_in(tmp_path / 'plain') == names


def test_splits_by_words(images, tmp_path, error_of):
    image = images['val'][0][2]
    for name in ('train-0', 'Training_1', 'x-val-0', 'validation2', 'test-0'):
        write_tar(tmp_path / f'{name}.tar', [(f'{name}.jpg', image)])
    index_tars(str(tmp_path))
    assert names_in(tmp_path) == ['test/test-0.jpg', 'train/Training_1.jpg', 'train/train-0.jpg',
                                  'val/validation2.jpg', 'val/x-val-0.jpg']
    write_tar(tmp_path / 'trainer-val.tar', [('a.jpg', image)])
    write_tar(tmp_path / 'retrain.tar', [('a.jpg', image)])
    assert 'retrain.tar: not named train, val or test as others there' in error_of('shards', 'index', tmp_path)
    os.rename(tmp_path / 'retrain.tar', tmp_path / 'train-test.tar')
    assert 'train-test.tar is named as of test and of train' in error_of('shards', 'index', tmp_path)


def test_goes_on_where_it_was_interrupted(tars, monkeypatch, capsys):
    read, seen = tar_index.read_tar, []

    def interrupted(path, advance):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(os.path.basename(path))
        return read(path, advance)

    monkeypatch.setattr(tar_index, 'read_tar', interrupted)
    assert run_inside('shards', 'index', tars) == 130
    assert 'the same command goes on from here' in capsys.readouterr().err
    assert shards.shards_at(str(tars)) is None and len(list(tars.glob('*.indexed.json'))) == 2
    os.utime(tars / 'set-train-0000.tar', (1, 1))  # changed since
    monkeypatch.setattr(tar_index, 'read_tar', lambda path, advance: (seen.append(os.path.basename(path)),
                                                                      read(path, advance))[1])
    assert run_inside('shards', 'index', tars) == 0
    assert seen == ['set-train-0000.tar', 'set-train-0001.tar', 'set-train-0000.tar', 'set-validation-0000.tar',
                    'set-validation-0001.tar']
    assert '33 images, 3 classes in 4 shards of' in capsys.readouterr().out
    before = {path.name: path.stat().st_mtime_ns for path in tars.iterdir()}
    assert set(before) == {'classes.txt', 'shards.index', 'shards.json', *seen}
    assert run_inside('shards', 'index', tars) == 0
    assert {path.name: path.stat().st_mtime_ns for path in tars.iterdir()} == before


def test_nothing_is_replaced(tars, folder, tmp_path, error_of):
    (tars / 'shards.index').write_bytes(b'of a user')
    assert 'shards.index is there without a shards.json' in error_of('shards', 'index', tars)
    assert (tars / 'shards.index').read_bytes() == b'of a user'
    (tars / 'shards.index').unlink()
    index_tars(str(tars))
    before = contents(tars)
    write_tar(tars / 'set-train-0002.tar', [('a.jpg', b'')])
    assert 'of other tar files or other classes; remove both' in error_of('shards', 'index', tars)
    assert 'has shards already' in error_of('shards', 'make', folder, tars)
    assert before.items() < contents(tars).items()
    make_shards(str(folder), str(tmp_path / 'made'))
    before = contents(tmp_path / 'made')
    assert 'of mae-mm shards make: a data_root can be the folder as it is' in error_of('shards', 'index',
                                                                                      tmp_path / 'made')
    assert contents(tmp_path / 'made') == before
    (tmp_path / 'made/shards.json').unlink()
    (tmp_path / 'made/train-000000.tar.done.json').write_text('{}')
    assert 'mae-mm shards make was interrupted there' in error_of('shards', 'index', tmp_path / 'made')


def test_verify_and_reading_notice_changes(tars, error_of, capsys):
    index_tars(str(tars))
    assert run_inside('shards', 'verify', tars) == 0 and 'all as they were made' in capsys.readouterr().out
    path = tars / 'set-train-0001.tar'
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'\xff\xd9', b'\xff\xd8', 1))
    said = error_of('shards', 'verify', tars)
    assert 'set-train-0001.tar: changed since' in said and f'run: mae-mm shards index {tars}' in said
    assert 'shards make' not in said
    path.write_bytes(whole[:-512])
    assert 'copy the tar files again; if they are to be as they are now, remove shards.json' in error_of(
        'shards', 'verify', tars)


def test_tar_files_that_come_later_are_told(tars, error_of, capsys):
    assert f'of its tar files mae-mm shards index {tars} makes a data set' in error_of(
        'train', 'pretrain/mae_vit_folder', '--cfg-options', f'data_root={tars}')
    index_tars(str(tars))
    (tars / 'set-train-0009.tar').write_bytes((tars / 'set-train-0001.tar').read_bytes())
    said = error_of('shards', 'verify', tars)
    assert 'as they were made, but' in said and 'set-train-0009.tar: not in shards.json, and left out; to add' in said
    capsys.readouterr()
    assert shards_at(str(tars)) is not None
    assert 'set-train-0009.tar: not in shards.json, and left out' in ''.join(capsys.readouterr())


@pytest.mark.parametrize('change, message', [
    (lambda tar: tar[:700], r'is no whole tar file \(.*, at a.jpg\); copy it again'),
    (lambda tar: tar[:300], r'is no whole tar file \(.*, at its beginning\)'),
    (lambda tar: b'', 'is no whole tar file'), (lambda tar: b'no tar file' * 100, 'is no whole tar file'),
    (lambda tar: tar.rstrip(b'\0'), r'b.tar (is no whole|does not end as a) tar file'),
    (lambda tar: tar + b'more', 'does not end as a tar file after c.txt'), (lambda tar: tar + tar, 'put together'),
    (lambda tar: tar[:512] + b'?' * 512 + tar[1024:], 'b.tar'),  # the image: told as one that cannot be read
    (gzip.compress, 'b.tar is compressed'),
])
def test_a_tar_file_that_is_damaged(change, message, images, tmp_path):
    image = images['val'][0][2]
    write_tar(tmp_path / 'a.tar', [('1.jpg', image)])
    write_tar(tmp_path / 'b.tar', [('a.jpg', image), ('c.txt', b'text')])
    (tmp_path / 'b.tar').write_bytes(change((tmp_path / 'b.tar').read_bytes()))
    with pytest.raises(InputError, match=message) as error:
        index_tars(str(tmp_path))
    assert '\n' not in str(error.value) and shards.shards_at(str(tmp_path)) is None


def test_each_place_that_a_tar_file_can_be_cut_at_is_told(images, tmp_path):
    write_tar(tmp_path / 'a.tar', [('a.jpg', images['val'][0][2][:900]), ('a.cls', b'1'), ('c.txt', b'x' * 600)])
    whole = (tmp_path / 'a.tar').read_bytes()
    end = len(whole.rstrip(b'\0')) + -len(whole.rstrip(b'\0')) % 512
    for place in range(0, end + 512, 128):
        (tmp_path / 'a.tar').write_bytes(whole[:place])
        with pytest.raises(InputError, match='tar file'):
            tar_index.read_tar(str(tmp_path / 'a.tar'), lambda count: None)


@pytest.mark.parametrize('members, message', [
    ([('a.jpg', 0), ('a.cls', b'cat')], "a.tar: a.cls holds 'cat', and a class is a whole number from 0 on"),
    ([('a.jpg', 0), ('a.cls', b'-1')], "a.cls holds '-1'"), ([('a.jpg', 0), ('a.cls', b'')], "a.cls holds ''"),
    ([('a.jpg', 0), ('a.cls', b'1' * 5000)], "a.cls holds '1111"), ([('a.cls', None)], "a.cls holds ''"),
    ([('a.jpg', 0), ('a.cls', b'1'), ('b.jpg', 0)], '1 image cannot be used: a.tar/b.jpg has no .cls, and others'),
    ([('a.jpg', 0), ('a.jpg', 0)], 'a.tar: two members are named a.jpg'),
    ([('a.jpg', 0), ('./a.jpg', 0)], 'two members are named ./a.jpg'),
    ([('a.cls', b'1'), ('a.cls', b'1')], 'two members are named a.cls'),
    ([('0/a.jpg', 0), ('0/a.cls', b'0'), ('a.jpg', 0), ('a.cls', b'0')], 'a.tar/0/a.jpg and a.tar/a.jpg would both'),
    ([('a.jpg', b'no image')], 'a.tar/a.jpg cannot be read as an image'),
    ([('a.jpg', b'')], 'a.tar/a.jpg cannot be read'), ([('a.npy', b'no array')], 'a.tar/a.npy cannot be read'),
    ([('a.jpg', None)], 'a.tar/a.jpg is a link'), ([('a.txt', b'')], 'no images in a.tar; known are'),
    ([], 'no images in a.tar'),
])
def test_members_that_cannot_be(members, message, images, tmp_path, error_of):
    image = images['val'][0][2]
    write_tar(tmp_path / 'a.tar', [(name, image if data == 0 else data) for name, data in members])
    said = error_of('shards', 'index', tmp_path)
    assert message in said and len(said.splitlines()) <= 2
    assert not (tmp_path / 'shards.json').exists()


def test_images_that_cannot_be_used_are_left_out_if_asked(images, tmp_path, capsys):
    image = images['val'][0][2]
    write_tar(tmp_path / 'a.tar', [('a.jpg', image), ('a.cls', b'1'), ('b.jpg', image), ('c.jpg', b'no image'),
                                   ('c.cls', b'0'), ('d.jpg', None), ('e.gif', image)])
    assert run_inside('shards', 'index', tmp_path, '--skip-broken') == 0
    assert '1 image (3 left out, which cannot be used), 1 class in 1 shard' in capsys.readouterr().out
    assert names_in(tmp_path) == ['1/a.jpg']


def test_all_damaged_tar_files_are_named_at_once(images, tmp_path, error_of):
    for name in 'abc':
        write_tar(tmp_path / f'{name}.tar', [(f'{name}.jpg', images['val'][0][2])])
    for name in 'ac':
        os.truncate(tmp_path / f'{name}.tar', 800)
    said = error_of('shards', 'index', tmp_path)
    assert 'a.tar is no whole' in said and 'c.tar is no whole' in said and 'b.tar' not in said


def test_folders_that_cannot_be(images, tmp_path, error_of):
    (tmp_path / 'empty').mkdir()
    assert 'empty: no .tar files there' in error_of('shards', 'index', tmp_path / 'empty')
    assert 'none: no such folder' in error_of('shards', 'index', tmp_path / 'none')
    for name in ('a.tar.gz', 'a.tgz'):
        path = tmp_path / name.replace('.', '-') / name
        path.parent.mkdir()
        path.write_bytes(b'')
        assert f'{name}: compressed' in error_of('shards', 'index', path.parent)
        write_tar(path.parent / 'a.tar', [('a.jpg', images['val'][0][2])])
        assert run_inside('shards', 'index', path.parent) == 0  # it was unpacked
    os.symlink('nowhere', tmp_path / 'empty/a.tar')
    assert 'a.tar cannot be read as a tar file: a link that leads nowhere' in error_of('shards', 'index',
                                                                                       tmp_path / 'empty')


def test_a_folder_that_cannot_be_written(tars, tmp_path, monkeypatch, error_of):
    def acquire(self, **options):
        raise OSError(30, 'Read-only file system')

    monkeypatch.setattr('filelock.FileLock.acquire', acquire)
    said = error_of('shards', 'index', tars)
    assert f'cannot be written: Read-only file system; index a folder of links to them: ln -s {tars}/* DIR' in said
    monkeypatch.undo()
    (tmp_path / 'links').mkdir()
    for path in tars.iterdir():
        os.symlink(path, tmp_path / 'links' / path.name)
    before = contents(tars)
    assert index_tars(str(tmp_path / 'links'))['images'] == 33 and contents(tars) == before
    shutil.copytree(tmp_path / 'links', tmp_path / 'copy')
    monkeypatch.setattr('filelock.FileLock.acquire', acquire)
    assert index_tars(str(tmp_path / 'copy')) == json.loads((tmp_path / 'links/shards.json').read_text())

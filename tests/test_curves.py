"""Pictures of what runs have logged, and of what was measured of each class."""
import json

import cv2
import pytest

from mae_mm import InputError
from mae_mm.apis.curves import curves_picture, read_run
from mae_mm.visualization.classes import class_bars

from .conftest import run_inside
from .test_pictures import shape_of


def write_scalars(root, *lines):
    (root / 'vis_data').mkdir(parents=True)
    (root / 'vis_data/scalars.json').write_text('\n'.join(
        line if isinstance(line, str) else json.dumps(line) for line in lines))


def test_a_resumed_run_is_one_curve(tmp_path):
    write_scalars(tmp_path / 'run/20260101_000000', *(
        dict(loss=9 - i, epoch=1, iter=i, step=i, time=.1) for i in (1, 2, 3)), dict(mIoU=3, step=1),
        '{"loss": 4, "st')
    write_scalars(tmp_path / 'run/20260101_000001', dict(loss=5, epoch=1, iter=3, step=3), 'null',
                  dict(loss=float('nan'), epoch=1, iter=4, step=4), dict(mIoU=5., step=2))
    run = read_run(str(tmp_path / 'run'))
    assert run['loss'][0] == 'iteration' and str(run['loss'][1]) == '[(1, 8.0), (2, 7.0), (3, 5.0), (4, nan)]'
    assert run['mIoU'] == ('epoch', [(1, 3.), (2, 5.)])
    write_scalars(tmp_path / 'other/20260101_000002', dict(loss=3, iter=1, step=1), dict(mIoU=3, step=1))
    assert read_run(str(tmp_path / 'other'))['mIoU'][0] == 'iteration'
    for runs, keys in ((['run'], None), (['run', 'other'], ['mIoU']), (['run/20260101_000000'], ['time', 'loss'])):
        assert shape_of(curves_picture([str(tmp_path / run) for run in runs], keys))[1] == 800
    for runs, keys, says in ((['none'], None, 'none: no such folder'), (['.'], None, 'no vis_data/scalars.json'),
                             (['run'], ['acc'], 'no run has logged acc; there are loss, time, mIoU')):
        with pytest.raises(InputError, match=says):
            curves_picture([str(tmp_path / run) for run in runs], keys)


def test_bars_of_classes():
    assert class_bars({}) is None and class_bars({'a': dict(accuracy=None, images=0)}) is None
    few, many = ({f'$c_{i}$': dict(IoU=i % 100, Acc=3) for i in range(count)} for count in (3, 150))
    assert shape_of(class_bars(few | {'none': dict(IoU=None)}, 'x/y.pth'))[1] == 800
    assert shape_of(class_bars(many))[0] == shape_of(class_bars(dict(list(many.items())[:40])))[0]


def test_a_test_writes_bars_of_its_classes(trained, config, tmp_path):
    assert run_inside('test', config, trained[0] / 'iter_6.pth', '--work-dir', tmp_path) == 0
    assert cv2.imread(str(tmp_path / 'classes.png')).shape[1] == 800

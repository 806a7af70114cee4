"""Heads for a plain encoder: trained, tested, exported; a linear one, and those of mmsegmentation."""
import pytest

from .conftest import run_inside
from .scene_tools import TEST, TRAIN, arguments

HEADS = ['linear', 'dpt', 'segmenter', 'mask', 'mask_decoder']
FOLDER = 'mae/segment_folder'


@pytest.mark.parametrize('head', HEADS)
def test_a_folder_is_trained_on_and_tested(head, folder, tmp_path):
    options = arguments(folder, tmp_path / 'w', head=head, trainable_layers=0)
    options = [option for option in options if not str(option).startswith('head_channels')]
    assert run_inside(TRAIN, FOLDER, *options) == 0
    assert run_inside(TEST, FOLDER, tmp_path / 'w/iter_2.pth', '--tta', *options) == 0

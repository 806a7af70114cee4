"""Pictures of segmentations."""
import numpy as np

from mae_mm.visualization import contact_sheet, paint, segmentation_strip

PALETTE = np.array([[10, 20, 30], [200, 100, 50]], dtype=np.uint8)


def test_labels_are_mixed_with_the_image_and_no_class_is_black():
    painted = paint(np.array([[0, 1, 255]]), PALETTE, np.full((1, 3, 3), 100, dtype=np.uint8))
    assert painted.tolist() == [[[55, 60, 65], [150, 100, 75], [50, 50, 50]]]


def test_strip_has_the_truth_if_there_is_one():
    image, labels = np.zeros((8, 6, 3), dtype=np.uint8), np.ones((8, 6), dtype=np.int64)
    assert segmentation_strip(image, labels, labels, PALETTE).shape == (8, 3 * 6 + 2 * 4, 3)
    assert segmentation_strip(image, labels, None, PALETTE).shape == (8, 2 * 6 + 4, 3)


def test_sheet_scales_every_strip_to_its_column():
    strips = [np.full((h, w, 3), 7, dtype=np.uint8) for h, w in ((10, 20), (40, 20), (5, 20))]
    sheet = contact_sheet(strips, columns=2, width_px=40)
    assert sheet.shape == (2 * (80 + 4), 2 * (40 + 4), 3)
    assert (sheet[0, 0] == 7).all() and (sheet[79, 44] == 7).all() and (sheet[84, 0] == 7).all()

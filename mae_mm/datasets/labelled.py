"""Labelled images as probes take them: all of one size, and their labels apart."""
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import InputError
from ..progress import progress_of
from .base import FilesOrShards
from .folder import ClassFolder
from .labels import LoadAnnotations
from .pairs import LABEL_FOLDERS
from .segmentation import SegmentationFolder
from .shards import is_folder_of_images
from .sizes import shown_size
from .transforms import CheckLabels, LoadImage

CLASSES, SCENES = 'classes', 'scenes'  # what has a label: an image, or its pixels
KINDS = ('cifar10', 'camvid', 'folder')
SPLITS = ('train', 'val')
MANY = 50_000  # images whose files take a while to read
AT_ONCE = 4  # bands that OpenCV takes the mean of areas of
LARGER = 8 / 7  # an image's short edge before the centre is cut out, as in the configs: 256 of 224 pixels


class LabelledImages(Dataset):
    """The images of a split.

    Args:
        dataset: a :class:`ClassFolder` or a :class:`SegmentationFolder`.
        bands: settings of :class:`LoadImage` for images of other bands than RGB.
        whole: resize an image to the size; else its short edge to 8/7 of it, of which the centre is cut out, unless
            it has the size.
    """

    def __init__(self, dataset: Any, whole: bool, bands: Mapping[str, Any]):
        self.dataset, self.whole = dataset, whole
        self.load = LoadImage(**bands)
        self.size_px = (0, 0)

    def __len__(self) -> int:
        return len(self.dataset)

    def _sample(self, place: int) -> dict:
        sample = self.dataset.get_data_info(place)
        return self.dataset.with_bytes(sample) if isinstance(self.dataset, FilesOrShards) else sample

    def image(self, place: int) -> np.ndarray:
        """``(H, W, C)`` as it is, RGB or the bands in order."""
        image: Any = self.load.transform(self._sample(place))
        return image['img'] if self.load.bands else image['img'][..., ::-1]

    def picture(self, place: int) -> np.ndarray:
        """``(H, W, C)`` of ``size_px``."""
        return fitted(self.image(place), self.size_px, self.whole)

    def __getitem__(self, place: int) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.picture(place).transpose(2, 0, 1)))

    def batches(self, first: int, batch: int, workers: int) -> DataLoader:
        """``(B, C, H, W)`` of the images from one on, in order."""
        rest = torch.utils.data.Subset(self, range(first, len(self)))
        own = torch.Generator().manual_seed(0)  # a loader draws a number, and a run's draws are to stay as they are
        return DataLoader(rest, batch, num_workers=workers, generator=own)

    @functools.cached_property
    def digest(self) -> str:
        """32 digits of the images' files, in order."""
        digest = hashlib.blake2b(digest_size=16)
        with progress_of(len(self), shown=len(self) > MANY) as progress:
            for i in range(len(self)):
                sample = self._sample(i)
                digest.update(_of_file(sample['img_path'], sample.get('img_bytes')))
                progress.update()
        return digest.hexdigest()

    def labels(self) -> Tensor:
        """``(N,)`` classes of a :class:`ClassFolder`'s images."""
        return torch.as_tensor(np.asarray(self.dataset.get_gt_labels()), dtype=torch.long)

    def label_map(self, place: int) -> np.ndarray:
        """``(H, W)`` classes of a :class:`SegmentationFolder`'s image, 255 for none.

        Raises:
            ValueError: a file that cannot be read, of another size than its image, or with a label that is no class.
        """
        sample = self.dataset.get_data_info(place)
        size = shown_size(sample['img_path'])
        found: Any = LoadAnnotations().transform(dict(sample, ori_shape=size) if any(size) else sample)
        return CheckLabels().transform(found)['gt_seg_map']

    @functools.cached_property
    def label_digest(self) -> str:
        """32 digits of all labels and of the classes' names."""
        digest = hashlib.blake2b(repr(self.dataset.metainfo['classes']).encode(), digest_size=16)
        if isinstance(self.dataset, ClassFolder):
            digest.update(self.labels().numpy().tobytes())
        else:
            for i in range(len(self)):
                digest.update(_of_file(self.dataset.get_data_info(i)['seg_map_path']))
        return digest.hexdigest()


def _of_file(path: str, content: bytes | None = None) -> bytes:
    if content is None:
        try:
            with open(path, 'rb') as file:
                content = file.read()
        except OSError as error:
            raise InputError(f'{path} cannot be read: {error.strerror}') from None
    return hashlib.blake2b(content, digest_size=16).digest()


def fitted(image: np.ndarray, size_px: tuple[int, int], whole: bool) -> np.ndarray:
    """An image of another size; see :class:`LabelledImages`."""
    height, width = size_px
    if image.shape[:2] == size_px:
        return image
    if whole:
        return _resized(image, height, width)
    scale = LARGER * max(height / image.shape[0], width / image.shape[1])
    image = _resized(image, *(max(of, round(side * scale)) for side, of in zip(image.shape, size_px, strict=False)))
    y, x = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[y:y + height, x:x + width]


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    smaller = height * width < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    parts = [cv2.resize(image[..., i:i + AT_ONCE], (width, height), interpolation=how)
             for i in range(0, image.shape[2], AT_ONCE)]
    return np.concatenate([part.reshape(height, width, -1) for part in parts], axis=2)


class LabelledSet:
    """Labelled images to probe with: ``KIND:DIR``.

    ``cifar10`` has class folders of small images, which are used whole; ``camvid`` scenes with the names of its
    classes; ``folder`` class folders (:class:`ClassFolder`), or scenes if it has ``images`` and label maps
    (:class:`SegmentationFolder`).

    Args:
        source: ``KIND:DIR``.
        bands: settings of :class:`LoadImage`.
        camvid: the names and colours of CamVid's classes; by default they are numbers.

    Attributes:
        labels: ``CLASSES`` or ``SCENES``.
        train, test: :class:`LabelledImages`.

    Raises:
        ValueError: an unknown kind, or a folder that is no such data.
    """

    def __init__(self, source: str, bands: Mapping[str, Any] | None = None, camvid: dict[str, Any] | None = None):
        self.source = source
        kind, colon, root = source.partition(':')
        if kind not in KINDS or not colon or not root:
            raise InputError(f'--on {source}: KIND:DIR is needed, such as folder:DIR; kinds are {", ".join(KINDS)}')
        if not is_folder_of_images(root):
            raise InputError(f'--on {source}: no such folder')
        self.name = f'{kind}:{os.path.basename(os.path.abspath(root))}'
        scenes = kind == 'camvid' or kind == 'folder' and _has_label_maps(root)
        self.labels = SCENES if scenes else CLASSES
        if scenes:
            for split in SPLITS:
                SegmentationFolder.check(split, data_root=root)
            metainfo: Any = camvid if kind == 'camvid' else None
            datasets: list[Any] = [SegmentationFolder(data_root=root, split=split, metainfo=metainfo, pipeline=[])
                                   for split in SPLITS]
        else:
            metainfo = ClassFolder.find_metainfo(data_root=root, split='train')
            datasets = [ClassFolder(data_root=root, split=split, metainfo=metainfo, pipeline=[]) for split in SPLITS]
        whole = scenes or kind == 'cifar10'
        self.train, self.test = (LabelledImages(dataset, whole, bands or {}) for dataset in datasets)
        self.classes: Sequence[str] = datasets[0].metainfo['classes']

    @functools.cached_property
    def groups(self) -> Tensor:
        """``(N,)``: what few-shot draws so many of; of scenes all training images are one group."""
        return self.train.labels() if self.labels == CLASSES else torch.zeros(len(self.train), dtype=torch.long)

    @property
    def group_names(self) -> Sequence[str]:
        return self.classes if self.labels == CLASSES else ()

    def fit(self, size_px: tuple[int, int]) -> None:
        """Have all images of one size."""
        self.train.size_px = self.test.size_px = size_px


def bands_of(statistics: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings of :class:`LoadImage` for images with a config's ``statistics`` of bands; none for RGB."""
    return {} if statistics is None else dict(bands=len(statistics['mean']), nodata=statistics['nodata'],
                                              fill=statistics['mean'])


def _has_label_maps(root: str) -> bool:
    return is_folder_of_images(os.path.join(root, 'images')) and any(
        is_folder_of_images(os.path.join(root, name)) for name in LABEL_FOLDERS)

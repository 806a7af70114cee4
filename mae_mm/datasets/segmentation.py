"""Any folder of images and label maps."""
from typing import Any

from mmseg.datasets import BaseSegDataset

from ..errors import InputError
from ..progress import tell
from ..registry import DATASETS
from .classes import find_classes
from .labels import IGNORED, Ignore, check_kind
from .pairs import PairedFolder
from .sizes import SIZES_COMPARED, check_sizes, spread


@DATASETS.register_module()
class SegmentationFolder(BaseSegDataset):
    """Images and label maps of equal names: docs/segmentation.md.

    Args:
        data_root: the folder, of one of the layouts ``{images,labels}/{train,val}``, ``{images,labels}`` (a share is
            held out), or ``{images,labels}`` with lists of names in ``train.txt`` and ``val.txt``.
        split: ``'train'``, ``'val'``, or ``'test'`` where there is one.
        held_out: the share of images that ``'val'`` has and ``'train'`` has not, where the folder does not say.
        ann_file: a list of names in place of all that.
        data_prefix: ``img_path`` and ``seg_map_path``, names of the folders in place of images and labels.
        img_suffix: the end of images' names that is no part of what they share with their label map; by default any
            known suffix. ``seg_map_suffix`` likewise: ``'_mask.png'``.
        metainfo: ``classes`` and ``palette``, in place of those that :meth:`find_metainfo` finds.
        ignore_index: the value, or for RGB masks the colour, that is ignored; 255 in what is loaded.
        reduce_zero_label: the label 0 is ignored, and 1 is the first class.
        kwargs: those of mmseg's ``BaseSegDataset``.

    Raises:
        ValueError: files that do not pair, or classes that cannot be told.
    """

    def __init__(self, *, data_root: str, split: str = 'train', held_out: float = 0.2, ann_file: str = '',
                 data_prefix: dict[str, str] | None = None, img_suffix: str | None = None,
                 seg_map_suffix: str | None = None, metainfo: dict | None = None, ignore_index: Ignore = IGNORED,
                 reduce_zero_label: bool = False, **kwargs: Any):
        self.split = split
        self.source = PairedFolder(data_root, held_out, ann_file, data_prefix or {}, img_suffix, seg_map_suffix)
        if not (metainfo or {}).get('classes'):
            found = self.find_metainfo(data_root=data_root, split=split, held_out=held_out, ann_file=ann_file,
                                       data_prefix=data_prefix, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix,
                                       ignore_index=ignore_index, reduce_zero_label=reduce_zero_label)
            metainfo = {**found, **(metainfo or {})}
        super().__init__(data_root=data_root, data_prefix={}, metainfo=metainfo, reduce_zero_label=reduce_zero_label,
                         ignore_index=ignore_index, **kwargs)

    @staticmethod
    def find_metainfo(split: str = 'train', ignore_index: Ignore = IGNORED, reduce_zero_label: bool = False,
                      **settings: Any) -> dict[str, Any]:
        """``classes`` and ``palette`` of a folder: of its classes.txt or .json, else of its labels.

        Args:
            settings: where the files are; others are left alone.
        """
        _check_ignore(ignore_index)
        source = PairedFolder.of(settings)
        splits = dict.fromkeys((split, ) if source.ann_file else ('train', 'val', split))
        labels = {pair.label: None for name in splits for pair in source.pairs(name).pairs}
        return find_classes(source.data_root, list(labels), ignore_index, reduce_zero_label)

    @staticmethod
    def check(split: str = 'train', **settings: Any) -> list[str]:
        """Look at names and headers before a run, and say how many images there are; their paths.

        Raises:
            ValueError: files that do not pair, sizes that differ, or label maps of a kind that is not read.
        """
        found = PairedFolder.of(settings).pairs(split)
        check_sizes([(pair.image, pair.label) for pair in found.pairs])
        for pair in spread(found.pairs, SIZES_COMPARED):
            check_kind(pair.label)
        tell(f'{split}: images with label maps: {len(found.pairs)} ({found.where})')
        if found.lonely:
            tell(f'label maps without an image, left out: {len(found.lonely)}, such as {found.lonely[0]}')
        return [pair.image for pair in found.pairs]

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=pair.image, seg_map_path=pair.label, label_map=self.label_map,
                     reduce_zero_label=self.reduce_zero_label, seg_fields=[])
                for pair in self.source.pairs(self.split).pairs]

    def get_data_info(self, idx: int) -> dict:
        """What the transforms read: the paths, and what the labels mean."""
        return dict(super().get_data_info(idx), ignore_index=self.ignore_index,
                    num_classes=len(self.metainfo['classes']), label_palette=self.metainfo.get('label_palette'))


def _check_ignore(ignore_index: Any) -> None:
    numbers = [ignore_index] if isinstance(ignore_index, int) else ignore_index
    if not (isinstance(numbers, (list, tuple)) and len(numbers) in (1, 3)
            and all(isinstance(number, int) for number in numbers)):
        raise InputError(f'ignore_index={ignore_index} is neither a label, such as 255, nor a colour, such as '
                         '224,224,192')

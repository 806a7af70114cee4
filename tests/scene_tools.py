"""What the tests of folders of images and label maps share."""
import cv2
import numpy as np
from PIL import Image

from mae_mm.config import check_data, read_config, settle
from mae_mm.config.labels import look_at_labels

TRAIN, TEST = 'tools/train.py', 'tools/test.py'
COLOURS = [(0, 0, 0), (250, 40, 40), (40, 40, 250)]  # those of own_data's classes.txt
CONFIG = 'mae/upernet_folder'
TINY = {  # options that make the config's model the smallest
    'crop_size': (32, 48), 'max_iters': 2, 'batch_size': 4, 'patch_size': 8, 'width': 16, 'head_channels': 8,
    'depth': 6, 'model.backbone.arch': None, 'model.backbone.embed_dims': 16, 'model.backbone.num_layers': 6,
    'model.backbone.num_heads': 2, 'model.backbone.init_cfg': None,
    **{f'{split}_dataloader.{key}': value for split in ('train', 'val', 'test')
       for key, value in (('num_workers', 0), ('persistent_workers', False))}}


def settled(folder, training=True, **options):
    cfg = read_config(CONFIG, {'data_root': str(folder), **options})
    loaders = ('train_dataloader', 'val_dataloader') if training else ('test_dataloader', )
    check_data(cfg, loaders)
    settle(cfg, loaders)
    if training:
        look_at_labels(cfg, loaders)
    return cfg


def arguments(folder, work_dir, **options):
    """The same options on the command line."""
    values = {**TINY, 'data_root': folder, **options}
    return ['--work-dir', work_dir, '--cfg-options', *(f'{key}={value}'.replace(' ', '')
                                                       for key, value in values.items())]


def change_labels(folder, change):
    """``change(path, values)`` of each label map; what it returns, an array or a PIL image, is saved in its place."""
    for path in sorted((folder / 'labels').rglob('*.png')):
        new = change(path, cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        (new if isinstance(new, Image.Image) else Image.fromarray(new)).save(path)


def as_rgb(path, values):
    return np.array(COLOURS, np.uint8)[values]


def as_palette(path, values, palette=(9, 9, 9, 200, 0, 0, 0, 0, 200)):
    image = Image.fromarray(values)
    image.putpalette(palette)
    return image


def split_up(folder, names=('train', 'val'), labels='labels'):
    for kind, new in (('images', 'images'), ('labels', labels)):
        (folder / kind).rename(folder / new)
        for i, path in enumerate(sorted((folder / new).iterdir())):
            (folder / new / names[i % 4 == 0]).mkdir(exist_ok=True)
            path.rename(folder / new / names[i % 4 == 0] / path.name)

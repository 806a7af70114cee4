"""Fixtures of the tests of pictures: photos, and weights that tell their sizes."""
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

import mae_mm
from mae_mm import MAE, MAEDecoder, MaskedAutoencoder

ROOT = Path(__file__).resolve().parent.parent
SIZES = dict(img_size=32, patch_size=8, embed_dims=16, num_layers=3, num_heads=2)
CONFIG = """
_base_ = '{root}/configs/pretrain/mae_vit_folder.py'
arch = None
img_size = 32
model = dict(backbone={sizes}, decoder=dict(embed_dims=16, num_layers=1, num_heads=2))
"""


@pytest.fixture(scope='module')
def here(tmp_path_factory):
    """A folder of photos, and weights alone, which tell their sizes: of pre-training, an encoder, one with a bias."""
    root = tmp_path_factory.mktemp('here')
    rng = np.random.default_rng(0)
    for name, size in (('photos/a.png', (40, 50)), ('photos/b.jpg', (60, 40)), ('photos/inner/c.png', (40, 50))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), rng.integers(256, size=(*size, 3)).astype(np.uint8))
    torch.manual_seed(0)
    whole = MaskedAutoencoder(MAE(**SIZES), MAEDecoder(16, 1, 2))
    biased = MAE(**SIZES, rel_pos_bias=True)
    for parameter in (*whole.parameters(), *biased.parameters()):
        nn.init.normal_(parameter.data, std=.2)
    for model, name in ((whole, 'whole'), (whole.backbone, 'encoder'), (biased, 'biased')):
        torch.save(model.state_dict(), root / f'{name}.pth')
    (root / 'config.py').write_text(CONFIG.format(root=ROOT, sizes=dict(SIZES, arch=None)))
    return root


@pytest.fixture(scope='module')
def whole(here):
    return mae_mm.load(here / 'whole.pth', device='cpu')

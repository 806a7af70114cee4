"""What changes of MAE's recipe are worth on small images, each trained for the same time: one table.

    python tools/recipe_table.py --images DIR [--scenes DIR] --seconds 600 --seeds 0 1 --out FILE.json

DIR of ``--images`` holds train/CLASS and val/CLASS of images of one size, that of ``--scenes``
{images,annotations}/{train,val}; encoders are trained on the training images of the former, or with ``--on scenes`` of
the latter, without labels. A row ends in the middle of an epoch when its time is over: the learning rate follows the
clock. On a CPU, with OMP_NUM_THREADS=1, that is the processor's time, and seeds can run beside each other, each with a
FILE of its own. What came out is in FILE after each row, and is not measured again.
"""
import argparse
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

try:
    from recipe_rows import DISTILLED, ROWS, crops, mixed, normalised, trained

    from mae_mm import MAE
    from mae_mm.apis.probing import PROBES
    from mae_mm.checkpoint.writing import AtomicBackend
    from mae_mm.cli.common import run_tool
    from mae_mm.evaluation.dense import patch_shares
except ImportError as error:
    raise SystemExit(f'error: {error}') from None

CAMVID_CLASSES = 11


class Labelled:
    """Images and labels in memory, with what the probes read of an encoder's features of them."""

    def __init__(self, train: tuple[Tensor, Any], test: tuple[Tensor, Any], num_classes: int, scenes: bool):
        self.images, self.num_classes, self.scenes = (train[0], test[0]), num_classes, scenes
        self.device = train[0].device
        if scenes:
            self.train_maps, self.test_maps = train[1], test[1]
            groups = torch.zeros(len(train[0]), dtype=torch.long)
        else:
            self.labels = (train[1].to(self.device), test[1].to(self.device))
            groups = train[1].cpu()
        self.data = argparse.Namespace(train=train[0], test=test[0], groups=groups)

    def encode(self, backbone: MAE) -> None:
        """Have the last layer's tokens of all images, normalised."""
        p = backbone.patch_size
        self.grid = (self.images[0].shape[2] // p, self.images[0].shape[3] // p)
        if self.scenes and not hasattr(self, 'shares'):
            self.shares = torch.from_numpy(np.stack([patch_shares(labels, self.grid, self.num_classes)
                                                     for labels in self.train_maps]))
        self.tokens, prefix = [], backbone.num_prefix_tokens
        self.cls_tokens = backbone.num_cls_tokens
        with torch.no_grad(), mixed(self.device):
            for images in self.images:
                parts = []
                for batch in images.split(64 if self.scenes else 500):
                    *_, last = backbone.layer_inputs(normalised(batch))
                    parts.append(backbone.ln1(last.float()).half())
                self.tokens.append(torch.cat(parts))
        self.prefix = prefix
        self.entries = [argparse.Namespace(shapes={'patches-00': (0, self.tokens[0].shape[2])})] * 2

    def pooled(self, part: int, layer: int, pooling: str, chosen: Any = slice(None)) -> Tensor:
        tokens = self.tokens[part]
        kept = tokens[:, self.prefix:] if pooling == 'mean' else tokens[:, :self.cls_tokens]
        return kept.float().mean(dim=1)[chosen]

    def reader(self, part: int, layer: int, chosen: Any = None) -> Callable[[Tensor], Tensor]:
        return lambda places: self.tokens[part][places if chosen is None else chosen[places], self.prefix:].float()

    def shares_at(self, places: Tensor) -> Tensor:
        return self.shares.flatten(0, 1)[places].to(self.device).float()

    def flat(self, layer: int, places: Tensor) -> Tensor:
        return self.tokens[0][:, self.prefix:].flatten(0, 1)[places].float()


def fine_tuned(backbone: MAE, data: Labelled, seed: int, steps: int, per_class: int = 50) -> float:
    """Top-1, in percent, of all of an encoder trained on a few images of each class."""
    torch.manual_seed(seed)
    labels = data.labels[0].cpu()
    chosen = torch.cat([(labels == label).nonzero().flatten()[:per_class] for label in labels.unique()])
    images, labels, device = data.images[0][chosen], labels[chosen].to(data.device), data.device
    head = nn.Linear(backbone.embed_dims, data.num_classes).to(device)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=5e-4, weight_decay=.05)
    size_px, P = images.shape[3], backbone.num_prefix_tokens

    def logits(inputs: Tensor) -> Tensor:
        *_, last = backbone.layer_inputs(inputs)
        return head(backbone.ln1(last)[:, P:].mean(dim=1))

    for step in range(steps):
        optimizer.param_groups[0]['lr'] = 5e-4 * (.5 + .5 * math.cos(math.pi * step / steps))
        places = torch.randint(len(images), (100, ), device=device)
        with mixed(device):
            loss = F.cross_entropy(logits(crops(images[places], size_px, .35)).float(), labels[places], None, None,
                                   label_smoothing=.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad(), mixed(device):
        right = [logits(normalised(batch)).argmax(dim=1) for batch in data.images[1].split(500)]
    return 100 * (torch.cat(right) == data.labels[1]).float().mean().item()


def measured(backbone: MAE, images: Labelled, scenes: Labelled | None, seed: int, tuning: int) -> dict[str, float]:
    """Column -> figure, in percent."""
    found = {}
    backbone.eval()
    for data, probes in ((images, ('knn', 'linear', 'attentive')), (scenes, ('dense-knn', 'dense-linear'))):
        if data is None:
            continue
        data.encode(backbone)
        for probe in probes:
            figures = PROBES[probe].measure(data, 0, torch.arange(len(data.images[0])), seed)  # type: ignore[arg-type]
            found |= {f'{probe} {pooling} {metric}': value for (pooling, metric), value in figures.items()}
    return found | ({'fine-tuned': fine_tuned(backbone, images, seed, tuning)} if tuning else {})


def read_classes(folder: Path, device: torch.device) -> Labelled:
    classes = sorted(path.name for path in (folder / 'train').iterdir())
    parts = []
    for split in ('train', 'val'):
        pairs = [(path, label) for label, name in enumerate(classes)
                 for path in sorted((folder / split / name).iterdir())]
        parts.append((as_tensor([cv2.imread(str(path)) for path, _ in pairs], device),
                      torch.tensor([label for _, label in pairs])))
    return Labelled(parts[0], parts[1], len(classes), scenes=False)


def read_scenes(folder: Path, device: torch.device, height_px: int) -> Labelled:
    parts = []
    for split in ('train', 'val'):
        images, maps = [], []
        for path in sorted((folder / 'images' / split).iterdir()):
            image = cv2.imread(str(path))
            width_px = round(image.shape[1] * height_px / image.shape[0] / 8) * 8
            images.append(cv2.resize(image, (width_px, height_px), interpolation=cv2.INTER_AREA))
            maps.append(cv2.imread(str(folder / 'annotations' / split / f'{path.stem}.png'), cv2.IMREAD_UNCHANGED))
        parts.append((as_tensor(images, device), [np.where(m < CAMVID_CLASSES, m, 255) for m in maps]))
    return Labelled(parts[0], parts[1], CAMVID_CLASSES, scenes=True)


def as_tensor(images: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """``(N, 3, H, W)`` bytes, RGB."""
    return torch.from_numpy(np.stack(images)[..., ::-1].copy()).permute(0, 3, 1, 2).contiguous().to(device)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='A table of recipes of pre-training, at equal time')
    parser.add_argument('--images', type=Path, required=True, metavar='DIR')
    parser.add_argument('--scenes', type=Path, metavar='DIR')
    parser.add_argument('--on', choices=('images', 'scenes'), default='images', help='what encoders are trained on')
    parser.add_argument('--rows', nargs='+', choices=(*ROWS, *DISTILLED), default=[*ROWS, *DISTILLED], metavar='ROW')
    parser.add_argument('--seconds', type=float, required=True, help='of the training of a row')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1])
    parser.add_argument('--grid', type=int, default=16, help='patches along a side')
    parser.add_argument('--batch', type=int, default=512)
    parser.add_argument('--tuning', type=int, default=600, metavar='STEPS', help='of fine-tuning; 0: none')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--out', required=True, metavar='FILE.json')
    args = parser.parse_args(argv)
    device = torch.device(args.device)
    images = read_classes(args.images, device)
    size_px = images.images[0].shape[3]
    scenes = read_scenes(args.scenes, device, size_px * 15 // 8 // 8 * 8) if args.scenes else None
    source = (images if args.on == 'images' else scenes).images[0]  # type: ignore[union-attr]
    found = json.loads(Path(args.out).read_text()) if os.path.exists(args.out) else {}
    for seed in args.seeds:
        for row in args.rows:
            key = f'{row} | {args.images.name} | {args.on} | grid {args.grid} | {args.seconds:g} s | seed {seed}'
            if key not in found:
                backbone, steps = trained(row, source, size_px, size_px // args.grid, args.seconds,
                                          args.batch, seed)
                found[key] = dict(steps=steps, **measured(backbone, images, scenes, seed, args.tuning))
                AtomicBackend().put(json.dumps(found, indent=1).encode(), args.out)
            print(key, {name: round(value, 2) for name, value in found[key].items()}, flush=True)


if __name__ == '__main__':
    run_tool(main)

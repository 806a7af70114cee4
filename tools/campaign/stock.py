"""What bad inputs are made from: tiny images, label maps and models, and the commands that would work with them."""
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

COLOURS = ('background 0 0 0', 'square 250 40 40', 'disc 40 40 250')
LOADERS = [f'{split}_dataloader.{key}' for split in ('train', 'val', 'test')
           for key in ('num_workers=0', 'persistent_workers=False')]
ENCODER = ['model.backbone.arch=None', 'model.backbone.patch_size=8', 'model.backbone.embed_dims=16',
           'model.backbone.num_layers=4', 'model.backbone.num_heads=2', 'randomness.seed=0', 'batch_size=4', *LOADERS]
DECODER = ['model.decoder.embed_dims=16', 'model.decoder.num_layers=1', 'model.decoder.num_heads=2']
CLASSIFIER = ['img_size=16', *ENCODER, 'model.head.in_channels=16']
# Road -> its config, and options that make it the smallest.
ROADS: dict[str, tuple[str, list[str]]] = {
    'pretrain': ('pretrain/mae_vit_folder', ['img_size=16', 'max_epochs=2', *ENCODER, *DECODER]),
    'classify': ('finetune/vit_folder', [*CLASSIFIER, 'train_cfg.max_epochs=1', 'param_scheduler.warmup=0.5']),
    'segment': ('mae/upernet_folder', ['crop_size=16,16', 'max_iters=2', *ENCODER, 'width=16', 'head_channels=8',
                                       'depth=6', 'model.backbone.out_indices=[0,1,2,3]']),
    'knn': ('knn/vit_knn_folder', CLASSIFIER),
    'probe': ('linear_probe/vit_linear_folder', CLASSIFIER),
}
DATA = {'pretrain': 'images', 'classify': 'classes', 'segment': 'scenes', 'knn': 'classes', 'probe': 'classes'}
FILES = {'pretrain': 'epoch_1.pth', 'classify': 'epoch_1.pth', 'segment': 'iter_2.pth'}


class Stock:
    """Good data and models in a folder; inputs take copies of them.

    ``images/*.png``; ``classes/{train,val}/{cat,dog}/*.png``; ``scenes/{images,labels}/{train,val}/*.png`` with
    ``classes.txt``; ``models/ROAD/*.pth``.
    """

    PICTURES = ('reconstruct', 'attention', 'pca')  # subcommands that write one of a model

    def __init__(self, root: Path):
        self.root = root
        rng = np.random.default_rng(0)

        def put(path: str, array: np.ndarray) -> None:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / path), array.astype(np.uint8))

        for i in range(6):
            put(f'images/{i}.png', rng.integers(256, size=(24, 28, 3)))
            split = 'train' if i < 4 else 'val'
            for name in ('cat', 'dog'):
                put(f'classes/{split}/{name}/{i}.png', rng.integers(256, size=(24, 28, 3)))
            put(f'scenes/images/{split}/{i}.png', rng.integers(256, size=(24, 28, 3)))
            put(f'scenes/labels/{split}/{i}.png', rng.integers(3, size=(24, 28)))
        (root / 'scenes' / 'classes.txt').write_text('\n'.join(COLOURS) + '\n')

    def make_models(self, run: Callable[[Sequence[object]], None]) -> None:
        """Train one of each road, by ``run`` of a command line."""
        for road in FILES:
            run(self.train(road, work_dir=self.root / 'models' / road))

    def model(self, road: str) -> Path:
        return self.root / 'models' / road / FILES[road]

    def copy(self, road: str, folder: Path) -> Path:
        """A copy of a road's data."""
        return Path(shutil.copytree(self.root / DATA[road], folder / DATA[road]))

    def options(self, road: str, data: object = None, options: Sequence[object] = ()) -> list[object]:
        data = self.root / DATA[road] if data is None else data
        start = [] if road == 'pretrain' else [f'checkpoint={self.model("pretrain")}']
        return ['--cfg-options', f'data_root={data}', *start, *ROADS[road][1], *options]

    def train(self, road: str, data: object = None, *, options: Sequence[object] = (), work_dir: object = 'run',
              more: Sequence[object] = ()) -> list[object]:
        return ['train', ROADS[road][0], '--work-dir', work_dir, *more, *self.options(road, data, options)]

    def check(self, road: str, data: object = None, *, options: Sequence[object] = ()) -> list[object]:
        return ['check', ROADS[road][0], *self.options(road, data, options)]

    def test(self, road: str, data: object = None, *, checkpoint: object = None, options: Sequence[object] = (),
             more: Sequence[object] = ()) -> list[object]:
        return ['test', ROADS[road][0], checkpoint or self.model(road), '--work-dir', 'test', *more,
                *self.options(road, data, options)]

    def predict(self, road: str, *images: object, checkpoint: object = None, more: Sequence[object] = ()
                ) -> list[object]:
        return ['predict', checkpoint or self.model(road), *images, '--out', 'predictions', *more]

    def features(self, road: str, *images: object, checkpoint: object = None, more: Sequence[object] = ()
                 ) -> list[object]:
        return ['features', checkpoint or self.model(road), *images, '--out', 'features.npz', *more]

    def frozen(self, command: str, data: object = None, *, checkpoint: object = None, options: Sequence[object] = (),
               more: Sequence[object] = ()) -> list[object]:
        """``knn`` or ``probe``."""
        return [command, ROADS[command][0], checkpoint or self.model('pretrain'), *more,
                *self.options(command, data, options)]

    def picture(self, command: str, *images: object, checkpoint: object = None, out: object = None,
                more: Sequence[object] = ()) -> list[object]:
        """One of ``PICTURES``."""
        return [command, checkpoint or self.model('pretrain'), *images, '--out', out or 'picture.png',
                '--pictures', '16', *more]

    def evaluate(self, data: object = None, *, checkpoint: object = None, out: object = None,
                 more: Sequence[object] = ()) -> list[object]:
        return ['evaluate', checkpoint or self.model('pretrain'), '--on', f'folder:{data or self.root / "classes"}',
                '--probes', 'knn', '--num-heads', '2', '--out', out or 'evaluated', *more]

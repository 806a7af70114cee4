"""A trained model in Python: predictions, features, attention and reconstructions of whatever images one has."""
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.device import get_device
from torch import Tensor

from ..checkpoint.reading import meta_of, read_checkpoint
from ..config.names import is_config
from ..config.reading import read_config
from ..config.sections import check_needed
from ..datasets.palette import default_palette
from ..errors import InputError, listed
from ..evaluation.features import BATCH, pooled
from ..models.patches import fit_to_patches
from ..progress import progress_of
from ..visualization.reconstruction import to_bytes
from .described import own_config
from .inputs import Source, note, results_of, sources_of
from .reconstructing import Reconstructing
from .results import Prediction, Reconstructed, of_kind, stacked
from .trained import in_scope_of, trained_model

TRUTH = ('LoadAnnotations', 'mae_mm.LoadAnnotations', 'mae_mm.CheckLabels')  # what a pipeline has for labels
DTYPES = (None, torch.float32, torch.float16, torch.bfloat16)
KINDS = ('pooled', 'cls_token', 'maps', 'tokens')


def load(config_or_checkpoint: str | os.PathLike, checkpoint: str | os.PathLike | None = None, *,
         device: str | torch.device | None = None, dtype: torch.dtype | None = None,
         cfg_options: dict[str, Any] | None = None) -> 'Model':
    """A trained model.

    Args:
        config_or_checkpoint: path or name of a config; or a checkpoint alone that tells it (:mod:`.described`).
        checkpoint: path or URL of weights of any known format.
        device: such as ``'cuda:1'``; by default what there is.
        dtype: such as ``torch.bfloat16``, of the computation; float32 by default.
        cfg_options: changes of the config's settings.

    Raises:
        ValueError: a config or a checkpoint that cannot be used, or that do not fit each other.
    """
    for given in (config_or_checkpoint, checkpoint):
        if given is not None and not isinstance(given, (str, os.PathLike)):
            raise InputError(f'{given!r} is neither the path nor the name of a config or a checkpoint')
    first = os.fspath(config_or_checkpoint)
    if checkpoint is None:
        if is_config(first):
            raise InputError(f'{first} is a config; give a checkpoint after it')
        source, loaded = first, read_checkpoint(first)
        if cfg_options:
            held = 'the one that the checkpoint holds stays as it is' if 'cfg' in meta_of(loaded) else 'there is none'
            raise InputError(f'{next(iter(cfg_options))}: settings are of a config that is given before the '
                             f'checkpoint, and {held}')
        cfg = own_config(loaded, source)
    else:
        source = os.fspath(checkpoint)
        cfg = read_config(first, cfg_options)
        check_needed(cfg, ('model', 'test_dataloader'))
        loaded = read_checkpoint(source)
    return Model(cfg, loaded, source, device, dtype)


class Model:
    """A trained model with the pipeline that its test images go through.

    Attributes:
        model: the module.
        classes: their names; None for a model of pre-training.
        palette: ``(classes, 3)`` RGB bytes, of a segmentor.
    """

    def __init__(self, cfg: Config, loaded: Any, source: str, device: str | torch.device | None = None,
                 dtype: torch.dtype | None = None):
        self.cfg, self.source = cfg, source
        if dtype not in DTYPES:
            raise InputError(f'dtype={dtype!r} is none of {", ".join(map(str, DTYPES))}')
        self.dtype = None if dtype is torch.float32 else dtype
        self.model, metainfo = trained_model(cfg, loaded, source, encoder_suffices=True)
        try:
            self.device = torch.device(get_device() if device is None else device)
            self.model.to(self.device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f'device={device!r} cannot be used here: {str(error).splitlines()[0]}') from None
        self.segments, self.classifies = hasattr(self.model, 'decode_head'), hasattr(self.model, 'head')
        self.classes: Sequence[str] | None = metainfo.get('classes')
        self.palette: np.ndarray | None = None
        if self.segments and self.classes is not None:
            palette = metainfo.get('palette') or default_palette(len(self.classes))
            self.palette = np.array(palette, dtype=np.uint8)
        pipeline = cfg.test_dataloader.dataset.pipeline
        with in_scope_of(cfg):
            self.pipeline = Compose([step for step in pipeline if step['type'] not in TRUTH])

    def predict(self, images: Any, batch_size: int = 16, probabilities: bool = False,
                progress: bool = True) -> list[Prediction]:
        """The classes of images, or of their pixels.

        Args:
            images: a path, a folder, a PIL image, an array or tensor of RGB, or a list of such (:func:`.sources_of`).
            batch_size: images that go through the model at a time, as far as they are of one size.
            probabilities: also those of all classes of each pixel.
            progress: show a bar.

        Raises:
            ValueError: a model that has no classes, or images that cannot be used.
        """
        return [result for _, result in self.predictions(sources_of(images), batch_size, probabilities,
                                                         progress=progress)]

    def predictions(self, sources: Sequence[Source], batch_size: int = 16, probabilities: bool = False,
                    broken: dict[str, str] | None = None, progress: bool = True
                    ) -> Iterator[tuple[Source, Prediction]]:
        """One after the other; images that cannot be read go into ``broken`` with the reason, if it is given."""
        if self.model.untrained:
            raise InputError(f'{self.source} holds no {listed(self.model.untrained)}: it has features, and predicts '
                             'no classes')
        if self.classes is None or not (self.segments or self.classifies):
            raise InputError(f'{self.source} is neither a classifier nor a segmentor, or its classes are not known')

        def step(batch: dict) -> list[Prediction]:
            return [self._prediction(sample, probabilities) for sample in self.model.test_step(batch)]

        yield from self._each(sources, step, batch_size, broken, progress)

    def _prediction(self, sample: Any, probabilities: bool) -> Prediction:
        classes: Any = self.classes
        if self.classifies:
            scores = sample.pred_score.float().cpu()
            label = int(scores.argmax())
            return Prediction(sample.get('img_path'), label, classes[label], float(scores[label]), scores.numpy())
        logits = sample.seg_logits.data.float()
        every = logits.softmax(dim=0) if len(logits) > 1 else logits.sigmoid()
        return Prediction(sample.get('img_path'), label_map=sample.pred_sem_seg.data.squeeze(0).cpu().numpy(),
                          probabilities=every.cpu().numpy() if probabilities else None)

    def features(self, images: Any, layers: int | Sequence[int] | None = None, kind: str = 'pooled',
                 batch_size: int = BATCH, as_numpy: bool = False, progress: bool = True) -> Any:
        """What the encoder makes of images, float32 on the CPU.

        Args:
            images: see :meth:`predict`.
            layers: one, or a list, counted from 0 or from the end; by default the last. Their last norm is applied.
            kind: ``'pooled'`` (the model's own pooled token, or the mean of the patches), ``'cls_token'``,
                ``'maps'``, or ``'tokens'``, the class token first.
            as_numpy: arrays in place of tensors.

        Returns:
            ``(N, C)``, for maps ``(N, C, h, w)``, for tokens ``(N, 1 + h*w, C)``; with several ``layers`` a list of
            these. Maps and tokens of images whose sizes differ are a list, one for each image.
        """
        if kind not in KINDS:
            raise InputError(f'kind={kind!r} is none of {", ".join(KINDS)}')
        several = isinstance(layers, (list, tuple))

        def step(batch: dict) -> list[list[Tensor]]:
            inputs = self._inputs(batch)
            if kind == 'pooled' and layers is None:
                return [[row] for row in pooled(self.model, inputs)]
            wanted: Any = layers if several else [-1 if layers is None else layers]
            found = self.model.backbone.get_intermediate_layers(inputs, wanted, reshape=True, return_class_token=True)
            chosen = [of_kind(kind, maps, token).float().cpu() for maps, token in found]
            return [list(rows) for rows in zip(*chosen, strict=True)]

        rows = [row for _, row in self._each(sources_of(images), step, batch_size, None, progress)]
        arrays = [stacked(list(of_layer), as_numpy) for of_layer in zip(*rows, strict=True)]
        return arrays if several else arrays[0]

    def attention(self, images: Any, layer: int = -1, batch_size: int = 16, progress: bool = True) -> list[Tensor]:
        """``(heads, N, N)`` of each image: what every token (rows) takes of each one; N = 1 + patches."""

        def step(batch: dict) -> list[Tensor]:
            inputs = self._inputs(batch)
            return list(self.model.backbone.attention_weights(inputs, layer).cpu())

        return [weights for _, weights in self._each(sources_of(images), step, batch_size, None, progress)]

    def reconstruct(self, images: Any, mask_ratio: float | None = None, seed: int = 0, batch_size: int = 16,
                    progress: bool = True, mask: Any = 'random', statistics: str = 'visible') -> list[Reconstructed]:
        """Hide patches of images and have the model fill them in.

        Args:
            mask_ratio: the hidden share; by default the model's.
            seed: of the masks; image i of two calls with one seed has one mask.
            mask: ``'random'``; ``'block'``, rectangles; ``'grid'``, evenly spread; or a picture, white where patches
                are hidden: a path, a PIL image or an array, of the image's shape or of the size that the model sees.
            statistics: whose mean and deviation the patches get that a model predicts normalised: of the ``'visible'``
                ones around, or the ``'true'`` ones, which nothing has predicted.

        Raises:
            ValueError: a model without a decoder, or a mask that cannot be used.
        """
        sources = sources_of(images)
        step = Reconstructing(self, sources, mask, mask_ratio, seed, statistics).step
        return [Reconstructed(source.path, *pictures)
                for source, pictures in self._each(sources, step, batch_size, None, progress)]

    def views(self, images: Any, batch_size: int = 16, progress: bool = True) -> list[np.ndarray]:
        """What the model sees of each image, after its pipeline: ``(H, W, 3)`` RGB bytes."""

        def step(batch: dict) -> list[np.ndarray]:
            inputs = self._inputs(batch)
            return list(to_bytes(self.model, inputs, self.cfg.get('picture_bands')))

        return [view for _, view in self._each(sources_of(images), step, batch_size, None, progress)]

    def _inputs(self, batch: dict) -> Tensor:
        """``(B, C, H, W)`` as the encoder takes them; a segmentor's pipeline leaves sides as they come."""
        return fit_to_patches(self.model.data_preprocessor(batch, False)['inputs'], self.model.backbone.patch_size)

    @torch.no_grad()
    def _each(self, sources: Sequence[Source], step: Callable[[dict], list], batch_size: int,
              broken: dict[str, str] | None, progress: bool) -> Iterator[tuple[Source, Any]]:
        """The step's result of each image, in order; of a chunk, images of one size go through it together."""
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f'batch_size={batch_size!r} is not a whole number from 1 on')
        with progress_of(len(sources), progress and len(sources) > 1) as bar:
            for first in range(0, len(sources), batch_size):
                chunk = sources[first:first + batch_size]
                loaded = [self._load(source, first + i, broken) for i, source in enumerate(chunk)]
                by_size: dict[tuple, list[int]] = {}
                for i, sample in enumerate(loaded):
                    if sample is not None:
                        by_size.setdefault(tuple(sample['inputs'].shape), []).append(i)
                done: dict[int, Any] = {}
                for places in by_size.values():
                    try:
                        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
                            results = step(pseudo_collate([loaded[i] for i in places]))
                    except InputError as error:  # such as a size that the patches do not tile
                        for i in places:
                            note(error, chunk[i], broken)
                    else:
                        done.update(zip(places, results, strict=True))
                bar.update(len(chunk))
                yield from ((source, done[i]) for i, source in enumerate(chunk) if i in done)

    def _load(self, source: Source, place: int, broken: dict[str, str] | None) -> Any:
        try:
            return self.pipeline(results_of(source, place, self.cfg.get('statistics') is not None))
        except InputError as error:
            note(error, source, broken)
            return None

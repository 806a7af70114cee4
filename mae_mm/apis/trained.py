"""A config's model with a checkpoint's weights."""
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope

from ..checkpoint.loading import load_into, start_from, weights_for
from ..checkpoint.reading import tensors_of
from ..config.labels import losses_of
from ..config.settle import parts_with_classes
from ..errors import InputError


def trained_model(cfg: Config, loaded: Any, source: str,
                  encoder_suffices: bool = False) -> tuple[Any, dict[str, Any]]:
    """A config's model in eval mode with the weights of a checkpoint that was read, and what is told of its classes.

    Args:
        encoder_suffices: the checkpoint may lack other parts of the model than its backbone; they are named in the
            model's ``untrained``.

    Raises:
        ValueError: a checkpoint that does not fit the config.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    with in_scope_of(cfg):
        kind = DATASETS.get(dataset['type']) if isinstance(dataset.get('type'), str) else None
    known = {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    told = loaded.get('meta', {}).get('dataset_meta') if isinstance(loaded, dict) else None
    metainfo = {**known, **(told if isinstance(told, dict) else {})}
    classes = metainfo.get('classes')
    if not classes and encoder_suffices and not any('head.' in name for name in _tensors(loaded, source)):
        classes = ('any', )  # the head is not used
    _give_classes(cfg.model, classes)
    with in_scope_of(cfg):
        model = MODELS.build(cfg.model).eval()
    weights = weights_for(model, loaded, source)
    own, theirs = ({name.split('.')[0] for name in names} for names in (model.state_dict(), weights))
    model.untrained = sorted(own - theirs)
    if encoder_suffices and model.untrained and 'backbone' in theirs:
        start_from(model, weights, source)
    else:
        load_into(model, weights, source)
    return model, metainfo


def _tensors(loaded: Any, source: str) -> Any:
    try:
        return tensors_of(loaded)
    except InputError as error:
        raise InputError(f'{source}: {error}') from None


def in_scope_of(cfg: Config) -> Any:
    """In this context bare names are those of the config's host; afterwards, those of the host before."""
    return DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmpretrain')


def _give_classes(model: Any, classes: Sequence[str] | None) -> None:
    """Heads whose number of classes is that of the data: the checkpoint tells it."""
    model = model.get('module') or model
    for name, part in parts_with_classes(model):
        if part.num_classes is None and classes is None:
            raise InputError(f'model.{name}.num_classes is not known: neither the checkpoint nor the config names the '
                             'classes')
        if part.num_classes is None:
            part.num_classes = len(classes or ())
    for loss in losses_of(model):
        if isinstance(loss.get('class_weight'), str):
            loss.class_weight = None  # of training

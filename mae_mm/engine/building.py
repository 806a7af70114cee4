"""A runner for a config."""
from mmengine.config import Config
from mmengine.registry import OPTIMIZERS

from ..errors import InputError
from .runner import Runner


class QuickConfig(Config):
    """mmengine's, whose text is formatted once: a run asks for it five times, and it takes up to a second."""

    @property
    def pretty_text(self) -> str:
        content = repr(self._cfg_dict)
        if content not in _TEXTS:
            _TEXTS.clear()
            _TEXTS[content] = super().pretty_text
        return _TEXTS[content]


_TEXTS: dict[str, str] = {}  # of the last config, by its content


def build_runner(cfg: Config) -> Runner:
    """A runner for a config.

    Raises:
        ValueError: an optimizer that nobody knows.
    """
    optimizer = cfg.get('optim_wrapper', {}).get('optimizer', {}).get('type')
    with OPTIMIZERS.switch_scope_and_registry(cfg.get('default_scope')) as optimizers:
        known = not isinstance(optimizer, str) or optimizers.get(optimizer) is not None
    if not known:  # a bare TypeError in mmengine
        raise InputError(f'optim_wrapper.optimizer.type: there is no optimizer {optimizer!r}')
    object.__setattr__(cfg, '__class__', QuickConfig)  # a config takes other attributes for settings
    return Runner.from_cfg(cfg)

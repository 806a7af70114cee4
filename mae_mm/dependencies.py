"""Importing the hosts: quietly, and with one line where one of them is missing or too old.

The backbone and the pre-trainer need torch, numpy, safetensors, mmengine and mmcv. What is built on mmseg or
mmpretrain is there if they are: the rooms' ``__init__`` ask :func:`missing`, and put an :func:`absent` in its place.
"""
import functools
import importlib
import io
import re
import warnings
from contextlib import redirect_stdout
from typing import Any

# Module -> (oldest version that the code was written for, distribution that `pip install` knows).
# The modules are checked and not the distributions: mmcv, mmcv-lite and onedl-mmcv all serve.
REQUIRED = {
    'torch': ('2.6', 'torch'),
    'numpy': ('1.24', 'numpy'),
    'safetensors': ('0.4', 'safetensors'),
    'mmengine': ('0.10.4', 'mmengine'),
    'mmcv': ('2.0.0', 'mmcv-lite'),
}
HOSTS = {
    'mmseg': ('1.2.0', 'onedl-mmsegmentation'),
    'mmpretrain': ('1.2.0', 'onedl-mmpretrain'),
}

# Said by the hosts at import or at every start, about nothing that a user of ours can act on.
NOISE = [
    r'Fail to import ``MultiScaleDeformableAttention``',  # MAE needs no compiled operator
    r'torch\.meshgrid: in an upcoming release',
    r'Default ``avg_non_ignore`` is False',  # the published recipe averages over all pixels
    r'`torch\.jit\.interface` is not supported',
    r'The shape of value will convert from',  # mmseg's predictions of several scales, merged
    r'Detected call of `scheduler.step\(\)` before',  # mmengine's schedulers count the batches that make one step
    r'`broadcast_buffers` is deprecated',  # mmengine's argument to DistributedDataParallel
]


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r'\d+', version.split('+')[0])[:3])


@functools.cache
def missing(module: str) -> str | None:
    """Import a module; what it lacks, in one line with the command that installs it, or None."""
    for message in NOISE:
        warnings.filterwarnings('ignore', message=message)
    oldest, distribution = (REQUIRED | HOSTS)[module]
    install = f"install it with: pip install '{distribution}>={oldest}'"
    try:
        with redirect_stdout(io.StringIO()):
            version = importlib.import_module(module).__version__
            if _release(version) < _release(oldest):
                return f'{module} >= {oldest}, found {version}; {install}'
            if module in HOSTS:
                importlib.import_module(f'{module}.datasets')  # prints 'Could not import OneDL'
                importlib.import_module(f'{module}.models')
    except ImportError as error:
        if error.name and error.name.split('.')[0] == module and '.' not in error.name:
            return f'{module} >= {oldest}, which is not there; {install}'
        return f'{module}, which does not import here ({error}); {install}'
    except TypeError as error:
        if module == 'mmpretrain':  # whose multimodal models it imports where pycocotools is there
            return (f'{module}, which does not import here ({error}): pycocotools makes it import models for '
                    'transformers 4; pip uninstall pycocotools, or install transformers<5')
        raise
    return None


def import_required(hosts: bool = False) -> None:
    """Import what everything needs, and with ``hosts`` what the command needs.

    Raises:
        ImportError: in one line, with the command that installs what is missing or too old.
    """
    for module in REQUIRED | HOSTS if hosts else REQUIRED:
        lacks = missing(module)
        if lacks:
            raise ImportError(f'mae_mm needs {lacks}')


def absent(name: str, host: str, registry: Any = None) -> Any:
    """The place of a class whose host is not there: an instance of it is an ImportError that says what to install."""

    def refuse(self: object, *args: Any, **kwargs: Any) -> None:
        raise ImportError(f'mae_mm.{name} needs {missing(host)}')

    kind = type(name, (), dict(__init__=refuse, __doc__=f'Needs {host}.'))
    if registry is not None:
        registry.register_module(name=name, module=kind)
    return kind

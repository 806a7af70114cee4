"""Importing the hosts: quietly, and with one line where one of them is missing or too old."""
import importlib
import io
import re
import warnings
from contextlib import redirect_stdout

# Module -> (oldest version that the code was written for, distribution that `pip install` knows).
# The modules are checked and not the distributions: mmcv, mmcv-lite and onedl-mmcv all serve.
REQUIRED = {
    'torch': ('2.6', 'torch'),
    'numpy': ('1.24', 'numpy'),
    'safetensors': ('0.4', 'safetensors'),
    'mmengine': ('0.10.4', 'mmengine'),
    'mmcv': ('2.0.0', 'mmcv-lite'),
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


def import_hosts() -> None:
    """Import every required module once.

    Raises:
        ImportError: in one line, with the command that installs what is missing or too old.
    """
    for message in NOISE:
        warnings.filterwarnings('ignore', message=message)
    for module, (oldest, distribution) in REQUIRED.items():
        install = f"install it with: pip install '{distribution}>={oldest}'"
        said = io.StringIO()
        try:
            with redirect_stdout(said):
                version = importlib.import_module(module).__version__
        except ImportError as error:
            if error.name and error.name.split('.')[0] == module and '.' not in error.name:
                raise ImportError(f'mae_mm needs {module} >= {oldest}, which is not there; {install}') from None
            raise ImportError(f'mae_mm needs {module}, which does not import here ({error}); {install}') from error
        if _release(version) < _release(oldest):
            raise ImportError(f'mae_mm needs {module} >= {oldest}, found {version}; {install}')
    with redirect_stdout(io.StringIO()):  # prints 'Could not import OneDL'
        importlib.import_module('mmseg.datasets')

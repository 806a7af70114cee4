"""Models for elsewhere: ONNX files, and the programs of ``torch.export``.

Letters in shapes: B batch, h w height and width of maps.
"""
import importlib.util
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..checkpoint.writing import AtomicBackend
from ..datasets.nodata import NAN
from ..errors import InputError
from ..models import MAE
from ..models.preprocessing import OfBands
from ..models.tracing import PoolByProducts
from ..progress import progress_of

INPUT, OUTPUT = 'images', 'logits'
PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')
OPSETS = range(18, 24)  # what torch.onnx writes
TOLERANCE = 1e-4
SMALLEST = 4  # patches along a side of images of any size
ONNX_LIMIT = 2**31 - 2**27  # bytes: what protobuf can hold, less room for the graph
SUFFIXES = ('.onnx', '.pt2')
Size = tuple[int, int]
Function = Callable[[Tensor], Tensor]


class Exportable(nn.Module):
    """A model as a function of RGB images, ``(B, 3, H, W)`` of 0 to 255, without data samples.

    A model of other images takes their bands as they are stored, ``(B, C, H, W)`` in the order of the files.
    A segmentor gives the logits of all classes at the images' size, of whole images whatever ``test_cfg.mode`` says;
    a classifier those of the images; a model for pre-training the encoder's last map.

    Args:
        nodata: of the statistics of bands: where an image has that value, or with ``'nan'`` no finite number, it gets
            the band's mean, as when it is loaded.
    """

    def __init__(self, model: nn.Module, nodata: float | str | None = None):
        super().__init__()
        if not isinstance(getattr(model, 'backbone', None), MAE):
            raise InputError(f'{type(model).__name__}: only models whose backbone is mae_mm.MAE are exported')
        self.model: Any = model.eval()
        self.nodata = nodata

    @property
    def backbone(self) -> MAE:
        return self.model.backbone

    @property
    def size(self) -> Size:
        """Height and width of the images that the model was built for."""
        (h, w), p = self.backbone.grid, self.backbone.patch_size
        return h * p, w * p

    @property
    def smallest(self) -> int:
        """Patches along a side of the smallest images of any size: one pixel of a map is a special case to export."""
        rescales = getattr(getattr(self.model, 'neck', None), 'rescales', [1])
        return max(SMALLEST, math.ceil(2 / min(rescales)))

    def forward(self, images: Tensor) -> Tensor:
        images = self._normalise(images)
        if hasattr(self.model, 'decode_head'):
            logits = self.model._forward(images)  # B classes h w
            logits = logits[0] if isinstance(logits, tuple) else logits  # of mmseg's EncHead and DAHead
            return F.interpolate(logits, images.shape[2:], mode='bilinear', align_corners=self.model.align_corners)
        if hasattr(self.model, 'head'):
            return self.model(images, mode='tensor')  # B classes
        return self.backbone(images)[-1]  # B C h w

    def _normalise(self, images: Tensor) -> Tensor:
        preprocessor: Any = self.model.data_preprocessor
        turns = any(getattr(preprocessor, name, False) for name in ('_channel_conversion', 'to_rgb'))
        of_bands = isinstance(preprocessor, OfBands)
        if images.shape[1] == 3 and not turns and not of_bands:  # trained on images as they are loaded: BGR
            images = images.flip(1)
        if not getattr(preprocessor, '_enable_normalize', False):
            return images
        normalised = (images - preprocessor.mean) / preprocessor.std
        if self.nodata is None:
            return normalised
        valid: Any = images.abs() < math.inf if self.nodata == NAN else images != self.nodata
        return torch.where(valid, normalised, 0)


@torch.no_grad()
def trace(model: Exportable, size: Size, dynamic: bool) -> ExportedProgram:
    """``torch.export`` with a batch of any size; if ``dynamic``, with images of any multiple of the patch.

    Raises:
        ValueError: a size that is not a multiple of the patch.
    """
    if min(size) < 1:
        raise InputError(f'{size[0]}x{size[1]} image: height and width have to be 1 or more')
    h, w = model.backbone.grid_of(*size)
    p = model.backbone.patch_size
    axes: dict[int, Any] = {0: Dim('batch')}
    if dynamic:
        least = model.smallest
        axes |= {2: p * Dim('rows', min=least), 3: p * Dim('columns', min=least)}
        h, w = max(h, least) + 1, max(w, least) + 2  # no size that a comparison could single out
    images = torch.zeros(2, model.backbone.in_channels, h * p, w * p)
    with PoolByProducts():
        return torch.export.export(model, (images, ), dynamic_shapes=(axes, ), strict=False)


@torch.no_grad()
def onnx_bytes(program: ExportedProgram, opset: int | None, metadata: Mapping[str, Any]) -> bytes:
    """An ONNX file of standard operators; ``metadata``, as JSON, goes into its properties."""
    exported: Any = torch.onnx.export(program, dynamo=True, verbose=False, opset_version=opset,
                                      input_names=[INPUT], output_names=[OUTPUT])
    axes = zip(exported.model.graph.inputs[0].shape, ('batch', None, 'height', 'width'), strict=True)
    exported.rename_axes({axis: name for axis, name in axes if not isinstance(axis, int)})
    exported.model.metadata_props.update({key: json.dumps(value) for key, value in metadata.items()})
    return exported.model_proto.SerializeToString()


def program_bytes(program: ExportedProgram) -> bytes:
    """What ``torch.export.load`` reads."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def onnx_function(file: bytes) -> Function:
    """An ONNX file as onnxruntime computes it on the CPU."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=['CPUExecutionProvider'])
    return lambda images: torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])


def program_function(file: bytes) -> Function:
    return torch.export.load(io.BytesIO(file)).module()


def check_target(path: str) -> None:
    """Tell what cannot be written before a model is built.

    Raises:
        ValueError: a suffix that is neither ``.onnx`` nor ``.pt2``, or a package that is not there or too old.
    """
    if not path.endswith(SUFFIXES):
        raise InputError(f'{path}: an exported file is named {" or ".join(SUFFIXES)}')
    if not hasattr(torch.compiler, 'is_exporting'):
        raise InputError(f'{path}: exporting needs torch >= 2.7, found {torch.__version__}')
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if path.endswith('.onnx') and missing:
        raise InputError(f'{path}: an ONNX file needs {", ".join(missing)}; install with: pip install '
                         f'{" ".join(missing)}')


@torch.no_grad()
def export_model(model: Exportable, path: str, size: Size | None = None, dynamic: bool = False,
                 opset: int | None = None, metadata: Mapping[str, Any] | None = None,
                 tolerance: float = TOLERANCE, progress: bool = True) -> float:
    """Write a model to ``path``, if what is written computes the same on two inputs.

    Args:
        size: height and width of the images in pixels; by default the model's own.
        dynamic: images of any multiple of the patch.
        opset: version of the ONNX operators.
        metadata: name -> what goes into the properties of an ONNX file, as JSON.
        tolerance: of the outputs.
        progress: show a bar.

    Returns:
        float: the largest difference from the model's own outputs.

    Raises:
        ValueError: a difference over the ``tolerance``, or a size or file that cannot be.
    """
    size = size or model.size
    weights = sum(tensor.nbytes for tensor in model.parameters())
    if path.endswith('.onnx') and weights > ONNX_LIMIT:
        raise InputError(f'{path}: {weights / 1e9:.1f} GB of weights, and an ONNX file holds 2; export to .pt2')
    shapes, differences = check_shapes(model, size, dynamic), []
    try:
        model(torch.zeros(shapes[0]))
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise InputError(f'images of {size[0]}x{size[1]} are not for this model: {why}') from None
    with progress_of(2 + len(shapes), progress) as bar:
        program = trace(model, size, dynamic)
        bar.update()
        if path.endswith('.onnx'):
            file = onnx_bytes(program, opset, metadata or {})
            function = onnx_function(file)
        else:
            file = program_bytes(program)
            function = program_function(file)
        bar.update()
        for shape in shapes:
            differences.append(_difference(model, function, shape))
            bar.update()
    if not max(differences) <= tolerance:  # nor NaN
        raise InputError(f'{path} is not written: its outputs differ from the model\'s by {max(differences):.1e}, '
                         f'more than {tolerance:.0e}')
    AtomicBackend().put(file, path)
    return max(differences)


def check_shapes(model: Exportable, size: Size, dynamic: bool) -> list[tuple[int, ...]]:
    """Two shapes of images; of them one is a rectangle if sizes are ``dynamic``, smaller and larger than ``size``."""
    channels, p = model.backbone.in_channels, model.backbone.patch_size
    h, w = model.backbone.grid_of(*size)
    if not dynamic:
        return [(1, channels, *size), (2, channels, *size)]
    least = model.smallest
    return [(1, channels, max(h, least) * p, max(w, least) * p),
            (2, channels, max(h // 2, least) * p, max(w + 1, least) * p)]


def _difference(model: Exportable, function: Function, shape: tuple[int, ...]) -> float:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, shape, generator=generator).float()
    preprocessor: Any = model.model.data_preprocessor
    if isinstance(preprocessor, OfBands):  # of any range
        images = torch.randn(shape, generator=generator) * preprocessor.std + preprocessor.mean
        if model.nodata is not None:
            images[..., 0] = float(model.nodata)
    expected = model(images)
    try:
        found = function(images)
    except AssertionError as error:  # a guard of torch.export: mmseg's DPTHead asks whether two maps are of one size
        raise InputError(f'the program of {type(model.model.decode_head).__name__} is not the same for all sizes; '
                         'export it to .onnx, or for one size') from error
    return float((expected - found).abs().max()) if expected.shape == found.shape else math.inf

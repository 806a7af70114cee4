"""What is exported computes what the model does, and runs without this package."""
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

from mae_mm.apis import exporting
from mae_mm.apis.exporting import Exportable, export_model, trace
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.reading import read_config
from mae_mm.errors import InputError
from mae_mm.models.position import _kept_index
from mae_mm.models.tracing import pool_by_products

from .conftest import ROOT, run_inside
from .test_classification import classes, classify  # noqa: F401

CLASSES = [f'class {i}' for i in range(11)]
PIXELS = torch.Generator().manual_seed(5)


def images(*shape):
    return torch.randint(256, shape, generator=PIXELS).float()


def model_of(path):
    """A config's model in eval mode, whose every part has a say in the output."""
    cfg = read_config(str(path))
    fit_to_hardware(cfg, 'none')
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model).eval()
    generator = torch.Generator().manual_seed(7)
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and 'data_preprocessor' not in name:
            scale = tensor[0].numel()**-.5 if tensor.dim() > 1 else .2
            noise = torch.randn(tensor.shape, generator=generator) * scale
            tensor.data = noise if tensor.dim() > 1 else 1 + noise.clamp(-.5, .5)
    return model


@pytest.fixture(scope='module')
def segmentor(config, tmp_path_factory):
    """A config, the file of its model and the model."""
    model = model_of(config)
    path = tmp_path_factory.mktemp('segmentor') / 'model.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=CLASSES))), path)
    return config, path, model


@pytest.fixture(scope='module')
def exported(segmentor, tmp_path_factory):
    """The segmentor as ONNX files, ``(of a fixed size, of any)``; the first is written by the tool."""
    config, checkpoint, model = segmentor
    folder = tmp_path_factory.mktemp('exported')
    assert run_inside('tools/export_onnx.py', config, checkpoint, folder / 'fixed.onnx') == 0
    export_model(Exportable(model), str(folder / 'any.onnx'), dynamic=True,
                 metadata=dict(patch_size=8, classes=CLASSES))
    return folder / 'fixed.onnx', folder / 'any.onnx'


def assert_equal(path, model, *shapes):
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    for shape in shapes:
        inputs = images(*shape)
        with torch.no_grad():
            expected = Exportable(model)(inputs)
        found = torch.from_numpy(session.run(None, {'images': inputs.numpy()})[0])
        assert expected.std() > .1
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize('size', [1, 2, 3, 6, (2, 5)])
@pytest.mark.parametrize('shape', [(2, 3, 7, 13), (1, 2, 6, 6), (1, 1, 2, 1)])
def test_pooling_by_products_is_adaptive_pooling(shape, size):
    maps = torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(pool_by_products(maps, size), F.adaptive_avg_pool2d(maps, size))


@torch.no_grad()
def test_the_file_takes_the_pixels_that_the_preprocessor_does(segmentor, classify):  # noqa: F811
    pixels = images(2, 3, 32, 32)  # RGB; what is loaded is BGR
    _, _, model = segmentor
    data = model.data_preprocessor(dict(inputs=list(pixels.flip(1)), data_samples=None))
    logits = model.encode_decode(data['inputs'], [dict(img_shape=(32, 32))] * 2)
    torch.testing.assert_close(Exportable(model)(pixels), logits)
    classifier = model_of(classify())
    data = classifier.data_preprocessor(dict(inputs=pixels.flip(1)))
    torch.testing.assert_close(Exportable(classifier)(pixels).softmax(1),
                               torch.stack([sample.pred_score for sample in classifier.predict(data['inputs'])]))


def test_a_segmentor_of_a_fixed_size(exported, segmentor):
    assert_equal(exported[0], segmentor[2], (1, 3, 32, 32), (3, 3, 32, 32))


def test_a_segmentor_of_any_size(exported, segmentor):
    assert_equal(exported[1], segmentor[2], (1, 3, 32, 32), (2, 3, 40, 64), (1, 3, 72, 32))


def test_operators_are_the_standard_ones(exported):
    import onnx
    for path in exported:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {''} and not model.functions
        assert [(entry.domain, entry.version >= 18) for entry in model.opset_import] == [('', True)]
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [
        'batch', 3, 'height', 'width']


def test_an_encoder_alone(tmp_path):
    init_default_scope('mae_mm')
    model = MODELS.build(dict(
        type='mae_mm.MaskedAutoencoder',
        backbone=dict(type='mae_mm.MAE', img_size=(32, 48), patch_size=8, in_channels=4, embed_dims=16, num_layers=1,
                      num_heads=2),
        decoder=dict(type='mae_mm.MAEDecoder', embed_dims=16, num_layers=1, num_heads=2)))
    assert export_model(Exportable(model), str(tmp_path / 'x.pt2')) < 1e-4
    pixels = images(3, 4, 32, 48)
    program = torch.export.load(tmp_path / 'x.pt2').module()
    with torch.no_grad():
        torch.testing.assert_close(program(pixels), model.backbone(pixels)[-1])


def test_a_classifier_of_any_size(classify, tmp_path):  # noqa: F811
    path = tmp_path / 'classifier.onnx'
    model = model_of(classify())
    assert export_model(Exportable(model), str(path), dynamic=True, opset=18) < 1e-4
    assert_equal(path, model, (1, 3, 32, 32), (2, 3, 40, 64))


def test_a_program_of_a_segmentor_of_any_size(tmp_path):
    model = model_of(ROOT / 'configs/demo/upernet_mae-tiny_64x64_digits.py')
    exportable = Exportable(model)
    assert exportable.smallest == 8  # patches: its pyramid has maps of a quarter of their side
    assert export_model(exportable, str(tmp_path / 'x.pt2'), dynamic=True) < 1e-4
    program = torch.export.load(tmp_path / 'x.pt2').module()
    with torch.no_grad():
        for size in ((64, 96), (200, 256)):
            pixels = images(1, 3, *size)
            torch.testing.assert_close(program(pixels), exportable(pixels), rtol=0, atol=1e-4)


def test_images_that_a_head_cannot_take_are_told(tmp_path):
    model = Exportable(model_of(ROOT / 'configs/demo/upernet_mae-tiny_64x64_digits.py'))
    with pytest.raises(InputError, match='images of 8x8 are not for this model: '):
        export_model(model, str(tmp_path / 'x.pt2'), (8, 8))


def test_a_program_of_torch_needs_torch_alone(classify, tmp_path, capsys):  # noqa: F811
    model = model_of(classify())
    torch.save(model.state_dict(), tmp_path / 'x.pth')
    capsys.readouterr()
    assert run_inside('tools/export_onnx.py', classify(), tmp_path / 'x.pth', tmp_path / 'x.pt2', '--dynamic') == 0
    assert re.fullmatch(r'\S+x.pt2: images of multiples of 8 from 32 on; largest difference from the model \S+\n',
                        capsys.readouterr().out)
    pixels = images(1, 3, 40, 48)
    torch.save(pixels, tmp_path / 'pixels.pt')
    code = ("import sys, torch; program = torch.export.load('x.pt2').module();"
            "torch.save(program(torch.load('pixels.pt')), 'logits.pt'); assert 'mae_mm' not in sys.modules")
    subprocess.run([sys.executable, '-c', code], cwd=tmp_path, check=True)
    with torch.no_grad():
        torch.testing.assert_close(torch.load(tmp_path / 'logits.pt'), Exportable(model)(pixels), rtol=0, atol=1e-4)


def test_the_model_is_as_before(segmentor):
    """Tracing leaves no symbol and no fake tensor in what the backbone keeps."""
    model = segmentor[2]
    pixels = images(1, 3, 48, 32)
    with torch.no_grad():
        before = Exportable(model)(pixels)
        model.train().eval()  # forget the biases
        _kept_index.cache_clear()
        trace(Exportable(model), (48, 32), dynamic=False)
        torch.testing.assert_close(Exportable(model)(pixels), before, rtol=0, atol=0)


@pytest.mark.parametrize('which', [0, 1])
def test_the_script_in_the_docs(exported, segmentor, tmp_path, which):
    script = re.search(r'```python\n(.+?)```', (ROOT / 'docs/export.md').read_text(), re.DOTALL)[1]
    assert len([line for line in script.splitlines() if line]) <= 20 and 'mae_mm' not in script
    (tmp_path / 'infer.py').write_text(script)
    pixels = images(3, 32, 48 if which else 32)
    Image.fromarray(pixels.permute(1, 2, 0).byte().numpy()).save(tmp_path / 'image.png')
    subprocess.run([sys.executable, 'infer.py', exported[which], 'image.png'], cwd=tmp_path, check=True)
    with torch.no_grad():
        expected = Exportable(segmentor[2])(pixels[None]).argmax(1)[0].numpy()
    found = np.array(Image.open(tmp_path / 'labels.png'))
    assert found.shape == expected.shape and (found == expected).mean() > .999  # ties


def test_the_script_names_the_class(classify, tmp_path):  # noqa: F811
    model = model_of(classify())
    export_model(Exportable(model), str(tmp_path / 'x.onnx'), metadata=dict(classes=['a', 'b', 'c']))
    script = re.search(r'```python\n(.+?)```', (ROOT / 'docs/export.md').read_text(), re.DOTALL)[1]
    pixels = images(3, 32, 32)
    Image.fromarray(pixels.permute(1, 2, 0).byte().numpy()).save(tmp_path / 'image.png')
    done = subprocess.run([sys.executable, '-c', script, 'x.onnx', 'image.png'], cwd=tmp_path, check=True,
                          capture_output=True, text=True)
    with torch.no_grad():
        assert done.stdout.strip() == 'abc'[int(Exportable(model)(pixels[None]).argmax())]


def test_what_cannot_be_exported_is_told(segmentor, error_of, tmp_path, monkeypatch):
    config, checkpoint, model = segmentor

    def export(name, *options):
        return error_of('tools/export_onnx.py', config, checkpoint, tmp_path / name, *options)

    assert '.onnx or .pt2' in export('x.pth')
    assert '36x32 image: not a multiple of the patch 8' in export('x.onnx', '--size', 36, 32)
    for size in ('--size', 0, 32), ('--size', 32, -8):
        assert 'height and width are pixels from 1 on' in export('x.onnx', *size)
    monkeypatch.setattr(exporting, 'PACKAGES', ('onnx', 'no_such_package'))
    assert 'pip install no_such_package' in export('x.onnx')
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match='mae_mm.MAE'):
        Exportable(torch.nn.Linear(1, 1))
    monkeypatch.setattr(exporting, 'ONNX_LIMIT', 10)
    with pytest.raises(InputError, match='export to .pt2'):
        export_model(Exportable(model), str(tmp_path / 'x.onnx'))


@pytest.mark.parametrize('wrong', [1e-3, float('nan')])
def test_what_differs_is_not_written(classify, tmp_path, monkeypatch, wrong):  # noqa: F811
    program_function = exporting.program_function
    monkeypatch.setattr(exporting, 'program_function', lambda file: lambda x: program_function(file)(x) + wrong)
    with pytest.raises(InputError, match='is not written: its outputs differ'):
        export_model(Exportable(model_of(classify())), str(tmp_path / 'x.pt2'))
    assert not list(tmp_path.iterdir())

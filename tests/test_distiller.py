"""Distillation: the student's loss, and a teacher that nothing changes, saves or trains."""
import json

import pytest
import torch
import torch.nn.functional as F

from mae_mm.checkpoint import load_into, load_weights
from mae_mm.checkpoint.loading import encoder_of
from mae_mm.engine.compiling import compile_model
from mae_mm.evaluation.encoding import encode
from mae_mm.models import MAE, Distiller

from . import own_data
from .conftest import run_inside
from .peers import randomise

SIZES = dict(img_size=(32, 48), patch_size=8)
STUDENT = dict(embed_dims=16, num_layers=2, num_heads=2)
TEACHER = dict(embed_dims=24, num_layers=3, num_heads=2)


def distiller(student=None, teacher=None, **options):
    torch.manual_seed(0)
    parts = (MAE(**SIZES, **sizes, **(given or {})) for sizes, given in ((STUDENT, student), (TEACHER, teacher)))
    model = Distiller(*parts, **options)
    with torch.no_grad():
        randomise(model)
        randomise(model.teacher, 1)
    return model


@pytest.mark.parametrize('prefixes', [({}, {}), ({}, dict(num_cls_tokens=3)),
                                      (dict(num_registers=2), dict(num_registers=2))])
@pytest.mark.parametrize('layers, of_student', [(-1, [1]), ([0, 2], [0, 1]), (1, [1])])
@torch.no_grad()
def test_the_loss_is_the_teachers_tokens_of_whole_images_at_visible_patches(prefixes, layers, of_student):
    model = distiller(*prefixes, layers=layers, mask_ratio=.5).eval()
    assert model.student_layers == of_student
    images = torch.randn(2, 3, 32, 48)
    order = torch.stack([torch.randperm(24) for _ in range(2)])
    places = [layers] if isinstance(layers, int) else layers
    targets = model.teacher.get_intermediate_layers(images, places, norm=False)
    losses = []
    for i, (target, place) in enumerate(zip(targets, of_student, strict=True)):
        for image in range(2):
            visible = order[image, :12]
            tokens = list(model.backbone.visible_layers(images[image:image + 1], visible[None]))[place]
            pred = model.projections[i](model.backbone.ln1(tokens[0]))
            wanted = target[image, visible]
            if prefixes[0] == prefixes[1]:  # class tokens and registers are learned, too
                P = model.teacher.num_prefix_tokens
                hidden = list(model.teacher.layer_inputs(images))[model.layers[i] + 1][image]
                wanted = torch.cat([hidden[:P], wanted])
            wanted = F.layer_norm(wanted, wanted.shape[-1:])
            losses.append((pred[-len(wanted):] - wanted).square().mean())
    found = model.loss(images, ids_shuffle=order)['loss']
    torch.testing.assert_close(found, torch.stack(losses).mean(), rtol=1e-5, atol=1e-6)


def test_nothing_trains_saves_or_wakes_the_teacher():
    model = distiller()
    before = {name: tensor.clone() for name, tensor in model.teacher.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=.1)
    model.train()
    model.loss(torch.randn(2, 3, 32, 48))['loss'].backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
    assert not model.teacher.training and not any('teacher' in name for name in model.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.teacher.state_dict().items())


def test_a_student_learns_its_teacher():
    model = distiller(mask_ratio=.25)
    model.backbone.init_weights()
    images = torch.randn(4, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    order = torch.arange(24).expand(4, -1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        loss = model.loss(images, ids_shuffle=order)['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < .5 * losses[0]


@pytest.mark.parametrize('room, passes', [(8, 1), (3, 2), (0, 2)])
def test_a_teacher_sees_an_image_once_as_far_as_there_is_room(room, passes):
    model, plain = distiller(layers=[0, 2], cached_images=room), distiller(layers=[0, 2])
    images = torch.randn(4, 3, 32, 48).to(memory_format=torch.channels_last)
    order, seen = torch.randperm(24).expand(4, -1), []
    model.teacher.layers[0].register_forward_hook(lambda *args: seen.append(len(args[2])))
    for turned in (images, images.flip(0)):
        torch.testing.assert_close(model.loss(turned, ids_shuffle=order), plain.loss(turned, ids_shuffle=order),
                                   rtol=1e-3, atol=0)
    assert len(seen) == passes and sum(seen) == {8: 4, 3: 5, 0: 8}[room]
    model.loss(images + 1, ids_shuffle=order)  # other pixels
    assert sum(seen) == {8: 8, 3: 9, 0: 12}[room]


def test_what_nothing_reads_is_not_computed():
    model = distiller(layers=[1, 0])
    model.teacher.layers[2].forward = None
    assert torch.isfinite(model.loss(torch.randn(2, 3, 32, 48))['loss'])
    with torch.no_grad():
        assert encode(model.teacher, torch.randn(2, 3, 32, 48), ['patches-01']).keys() == {'patches-01'}
    with pytest.raises(TypeError):
        model.teacher.get_intermediate_layers(torch.randn(2, 3, 32, 48))


def test_a_compiled_loss_is_the_same():
    plain, compiled = distiller(), distiller()
    compile_model(compiled, backend='aot_eager')
    images, order = torch.randn(2, 3, 32, 48), torch.randperm(24).expand(2, -1)
    torch.testing.assert_close(plain.loss(images, ids_shuffle=order), compiled.loss(images, ids_shuffle=order))


@pytest.mark.parametrize('options, message', [
    (dict(teacher=dict(in_channels=1)), 'the student has patches of 8 pixels and 3 channels, the teacher of 8 and 1'),
    (dict(layers=3), 'layer 3, the backbone has 3 layers'), (dict(mask_ratio=1.), 'leaves 0 of 24 patches visible'),
    (dict(teacher=dict(rel_pos_bias=True)), 'rel_pos_bias=False'), (dict(mask_block=9), 'mask_block'),
    (dict(cached_images=2.5), 'cached_images=2.5 is not a whole number from 0 on')])
def test_parts_that_do_not_fit_are_one_line(options, message):
    with pytest.raises(ValueError, match=message):
        distiller(**options)
    with pytest.raises(ValueError, match='Distiller needs a mae_mm.MAE, not a Linear'):
        Distiller(torch.nn.Linear(2, 2), MAE(**SIZES, **TEACHER))


def test_a_folder_is_distilled_by_the_command_and_its_student_goes_on_everywhere(tmp_path, monkeypatch, capsys):
    """A teacher of our own, a student of two layers, and features of the student without a word on its parts.

    A test, too, measures against the teacher and no other one, and a run does not go on with another one.
    """
    monkeypatch.chdir(tmp_path)
    own_data.class_folders(tmp_path / 'photos', 4)
    teacher = MAE(img_size=32, patch_size=16, **TEACHER)
    teacher.init_weights()
    torch.save(teacher.state_dict(), tmp_path / 'teacher.pth')
    sizes = [f'model.{part}.{name}={value}' for part, of in (('backbone', STUDENT), ('teacher', TEACHER))
             for name, value in of.items()] + ['model.backbone.arch=None', 'model.teacher.arch=None']
    run = ['train', 'pretrain/distill_vit_folder', '--cfg-options', f'data_root={tmp_path / "photos"}', 'img_size=32',
           'max_epochs=1', 'batch_size=2', 'held_out=.3', 'train_dataloader.num_workers=0',
           'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
           'val_dataloader.persistent_workers=False', *sizes]
    assert run_inside(*run) == 2 and 'model.teacher.init_cfg=None' in capsys.readouterr().err  # no teacher
    assert run_inside(*run, 'cached_images=-1', 'checkpoint=teacher.pth') == 2
    assert run_inside(*run, 'cached_images=9', 'checkpoint=teacher.pth') == 0
    path = next(tmp_path.glob('work_dirs/distill_vit_folder/epoch_1.pth'))
    weights = load_weights(str(path))
    assert {name.split('.')[0] for name in weights} == {'backbone', 'projections'}
    load_into(MAE(img_size=32, patch_size=16, **STUDENT), encoder_of(weights)[0], str(path))
    trained = json.loads(next(path.parent.rglob('scalars.json')).read_text().splitlines()[-1])
    assert run_inside('test', run[1], path, *run[2:], 'checkpoint=teacher.pth') == 0
    tested = json.loads((path.parent / 'metrics.json').read_text())
    assert tested['metrics']['held_out_mse'] == pytest.approx(trained['held_out_mse'], rel=1e-4)
    capsys.readouterr()
    (tmp_path / 'other.pth').write_bytes((tmp_path / 'teacher.pth').read_bytes())
    assert run_inside(*run[:2], '--resume', *run[2:], 'cached_images=9', 'checkpoint=other.pth') == 2
    assert 'model.teacher.init_cfg.checkpoint was' in capsys.readouterr().err
    assert run_inside('convert', path, tmp_path / 'student', '--to', 'huggingface') == 0
    assert 'left out 2 tensors of the projections' in capsys.readouterr().out

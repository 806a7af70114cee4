"""Every key of every section of a config is read by someone, or refused by its name."""
import copy

import pytest

from mae_mm.config import read_config
from mae_mm.config.hardware import fit_to_hardware
from mae_mm.config.keys import check_keys
from mae_mm.config.reading import RUNNER_KEYS
from mae_mm.engine.building import QuickConfig, build_runner
from mae_mm.errors import InputError

from .conftest import ROOT, run_inside
from .test_pretraining import pretraining  # noqa: F401 - a fixture

UNREAD_IN_TRAINING = ('test_dataloader', 'test_evaluator', 'tta_model', 'tta_pipeline', 'test_pipeline')


def sections(node, path=()):
    if isinstance(node, dict):
        yield path
        for key, value in node.items():
            yield from sections(value, (*path, key))
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from sections(value, (*path, i))


def with_unknown_keys(cfg):
    """The config once for each of its sections, with a key there that nothing knows."""
    for path in sections(cfg._cfg_dict):
        if path and path[0] in RUNNER_KEYS and path[0] not in UNREAD_IN_TRAINING:
            changed = copy.deepcopy(cfg)
            section = changed._cfg_dict
            for key in path:
                section = section[key]
            section['misspelt_key'] = 1
            yield '.'.join(map(str, path)), changed


def refused(cfg):
    try:
        check_keys(cfg)
        fit_to_hardware(cfg, 'none')
        runner = build_runner(cfg)
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.build_param_scheduler(runner.param_schedulers)
        runner.build_val_loop(runner._val_loop)
    except (InputError, TypeError, KeyError, ValueError) as error:
        return 'misspelt_key' in str(error) or not isinstance(error, InputError)  # a registry's refusal
    return False


def test_unknown_keys_are_refused_in_all_sections(config, pretraining, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(QuickConfig, 'pretty_text', '')  # which takes half a second
    accepted, seen = [], set()
    for path in (config, pretraining):
        for where, cfg in with_unknown_keys(read_config(str(path), {}, str(tmp_path))):
            if where not in seen:
                accepted += [] if refused(cfg) else [where]
            seen.add(where)
    assert not accepted and len(seen) > 70


@pytest.mark.parametrize('text, message', [
    ('train_dataloder = dict(batch_size=2)', "nothing reads 'train_dataloder'; is it 'train_dataloader'?"),
    ('optim_wraper = dict(optimizer=dict(lr=1.))', "nothing reads 'optim_wraper'; is it 'optim_wrapper'?"),
    ('train_cgf = dict(max_epochs=3)', "nothing reads 'train_cgf'; is it 'train_cfg'?"),
    ("optimizer = dict(type='SGD')", "'optimizer' at the top level is a setting of mmsegmentation 0.x"),
    ('img_sise = 96', "nothing reads 'img_sise'; is it 'img_size'?"),
    ("optim_wrapper = dict(paramwise_cfg=dict(layer_decay=.5))", "is it 'layer_decay_rate'?"),
    ("optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(bias=dict(lr_mult=2))))", 'custom_keys.bias.lr_mult'),
    ('default_hooks = dict(checkpoint=dict(intervl=3))', "is it 'interval'?"),
    ('default_hooks = dict(checkpoint=dict(save_bset="auto"))', "is it 'save_best'?"),
    ('optim_wrapper = dict(optimizer=dict(lrr=1.))', "optim_wrapper.optimizer.lrr: nothing reads this setting"),
    ("auto_scale_lr = dict(base_batchsize=3)", "is it 'base_batch_size'?"),
    ("env_cfg = dict(cudnn_benchmrk=True)", "is it 'cudnn_benchmark'?"),
    ("val_evaluator = dict(topk=3)", 'val_evaluator.topk: nothing reads this setting'),
])
def test_a_config_that_inherits_is_told_what_nothing_reads(tmp_path, text, message):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{ROOT}/configs/pretrain/mae_vit_folder.py'\n{text}\n")
    with pytest.raises(InputError) as told:
        read_config(str(path))
    assert message in str(told.value)


def test_a_config_that_ends_the_process_is_told(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text('import sys\nsys.exit(0)\n')
    with pytest.raises(InputError, match='mine.py cannot be read as a config: SystemExit: 0'):
        read_config(str(path))


def test_a_variable_of_a_base_takes_effect_where_the_base_uses_it(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{ROOT}/configs/pretrain/mae_vit_folder.py'\nimg_size = 96\narch = 'small'\n"
                    "data_root = 'here'\n")
    for cfg in (read_config(str(path)), read_config(str(path), dict(batch_size=8))):
        assert cfg.model.backbone.img_size == cfg.train_dataloader.dataset.pipeline[1]['size'] == 96
        assert cfg.model.backbone.arch == 'small' and cfg.val_dataloader.dataset.data_root == 'here'
    # The command line has the last word.
    assert read_config(str(path), dict(img_size=64)).model.backbone.img_size == 64


def test_groups_that_match_no_parameter_are_told(error_of, pretraining, tmp_path):  # noqa: F811
    assert "custom_keys.cls_tokn: no parameter of the model has 'cls_tokn' in its name" in error_of(
        'tools/train.py', pretraining, '--work-dir', tmp_path, '--cfg-options',
        'optim_wrapper.paramwise_cfg.custom_keys.cls_tokn.decay_mult=0')


def test_what_a_run_wrote_of_its_config_is_a_config(trained, config):
    work_dir, _ = trained
    path = work_dir / config.name
    assert read_config(str(path)).model.backbone.embed_dims == 16
    nearly = path.with_name('nearly.py')
    nearly.write_text(path.read_text() + 'train_dataloder = dict(batch_size=2)\n')
    with pytest.raises(InputError, match="is it 'train_dataloader'"):
        read_config(str(nearly))


def test_a_config_in_its_own_work_dir_stays_as_it_is(config, trained, tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = '{config}'\n")
    before = path.read_text()
    assert run_inside('tools/test.py', path, trained[0] / 'iter_6.pth', '--work-dir', tmp_path) == 0
    assert path.read_text() == before and (tmp_path / 'mine_as_run.py').is_file()

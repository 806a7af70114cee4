"""Settings that nobody reads, of wrong types, or without sense."""
import functools
import random
from collections.abc import Iterator
from typing import Any

from mae_mm.config import read_config

from . import configs
from .inputs import EITHER, REFUSED, BadInput
from .stock import ROADS

# Sections whose keys are names of the user's own.
FREE = ('metainfo', 'data_prefix', 'backend_args')
VARIABLES = ('img_size', 'batch_size', 'max_epochs', 'lr', 'arch', 'interval', 'crop_size', 'held_out', 'amp')
OPTIONAL = 'not every setting needs a value of this type, and some may be left out'


def inputs(rng: random.Random) -> Iterator[BadInput]:
    yield from _misspelt(rng)
    yield from _of_wrong_types(rng)
    yield from _without_sections()
    for road, settings in NONSENSE.items():
        for setting in settings:
            names = (setting.partition('=')[0].rpartition('.')[2], setting.partition('=')[2],
                     *MEANT.get(setting, ()))
            yield option(f'nonsense-{road}', setting, road, names)
    for setting in CHECKED:
        yield option('nonsense', setting, 'classify', (setting.partition('=')[0].rpartition('.')[2],
                                                        setting.partition('=')[2]), 'check')
    yield from configs.inputs()


def option(what: str, setting: str, road: str, names: tuple[str, ...], command: str = 'train',
            expected: str = REFUSED, why: str = '') -> BadInput:
    return BadInput('settings', f'{what}-{setting[:80].replace("/", "|")}', f'{command}-{road}',
                    functools.partial(configs.changed, command, road, setting), names, expected, why)


def _walk(node: Any, path: str = '') -> Iterator[tuple[str, Any]]:
    """``(path, value)`` of every key of the sections of a config, those in lists too."""
    if isinstance(node, dict):
        for key, value in node.items():
            inner = f'{path}.{key}'.lstrip('.')
            yield inner, value
            yield from () if key in FREE or key == 'custom_keys' else _walk(value, inner)
    elif isinstance(node, (list, tuple)):
        for i, value in enumerate(node):
            yield from _walk(value, f'{path}.{i}')


@functools.cache
def _settings(road: str) -> dict[str, Any]:
    """The settings of a config of the package that a run reads."""
    cfg = read_config(ROADS[road][0], {'data_root': '.'})._cfg_dict.to_dict()
    own = ('_dataloader', '_evaluator', '_cfg')
    sections = ('model', 'optim_wrapper', 'param_scheduler', 'default_hooks', 'custom_hooks', 'env_cfg', 'visualizer',
                'auto_scale_lr', 'randomness', 'custom_imports', 'log_processor', 'log_level', 'load_from', 'resume',
                'default_scope')
    return {path: value for path, value in _walk(cfg)
            if path.split('.')[0] in sections or path.split('.')[0].endswith(own)}


def misspell(word: str, rng: random.Random) -> str:
    """A word with a letter left out, doubled or changed for its neighbour."""
    place = rng.randrange(1, len(word)) if len(word) > 2 else 0
    swapped = word[:place - 1] + word[place] + word[place - 1] + word[place + 1:]
    found = rng.choice([word[:place] + word[place + 1:], word[:place] + word[place] + word[place:], swapped])
    return found if found and found != word and not found.isdigit() else f'{word}x'


def _misspelt(rng: random.Random) -> Iterator[BadInput]:
    """Each key of each section, once."""
    seen: set[str] = set()
    for road in ('pretrain', 'classify', 'segment', 'probe'):
        for path, value in _settings(road).items():
            section, _, key = path.rpartition('.')
            if not key or key.isdigit() or key in ('type', '_scope_') or path in seen or path.startswith('test_'):
                continue
            seen.add(path)
            wrong = misspell(key, rng)
            if f'{section}.{wrong}'.lstrip('.') in _settings(road):
                continue
            plain = value if isinstance(value, (int, float, str)) else 1
            command = 'check' if rng.random() < .1 and road in ('pretrain', 'classify') else 'train'
            kind = road if road != 'probe' else 'classify'
            yield option(f'misspelt-{road}', f'{section}.{wrong}={plain}'.lstrip('.'), kind, (wrong, ), command)
    for road in ('pretrain', 'classify', 'segment'):
        for key in VARIABLES:
            wrong = misspell(key, rng)
            for command in ('train', 'check') if road == 'classify' else ('train', ):
                yield option('misspelt-variable', f'{wrong}=1', road, (wrong, ), command)


def _of_wrong_types(rng: random.Random) -> Iterator[BadInput]:
    """Each setting with a value of another type; may be accepted, and if not is refused in one line."""
    seen: set[str] = set()
    for road in ('pretrain', 'classify', 'segment'):
        for path, value in _settings(road).items():
            if path in seen or path.startswith('test_') or path.endswith('_scope_'):
                continue
            seen.add(path)
            others = ['some-text', 'None', '-7', '[1,2]', '0.5', 'nan', '1e300', '10**9']
            if isinstance(value, str):
                others = ['3', 'None', 'nonsense', '[1]', '']
            if isinstance(value, (dict, list, tuple)):
                others = ['3', 'some-text', 'None', '[]', '[3]', 'True']
            other, key = rng.choice(others), path.rpartition('.')[2]
            names = (path, other) if key.isdigit() or key == 'type' and other else (key, )
            names += ('the loss is', 'registry')  # what a huge number, and another scope, lead to
            yield option('wrong-type', f'{path}={other}', road, names, 'train', EITHER, OPTIONAL)


SECTIONS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'default_hooks', 'custom_hooks', 'env_cfg',
            'param_scheduler', 'val_dataloader', 'val_cfg', 'val_evaluator', 'visualizer', 'randomness',
            'auto_scale_lr', 'log_processor', 'test_dataloader', 'custom_imports', 'default_scope', 'log_level')
NEEDED = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper')


def _without_sections() -> Iterator[BadInput]:
    for road in ('pretrain', 'classify', 'segment'):
        for key in SECTIONS:
            yield option('no', f'{key}=None', road, (key, 'registry'), 'train', REFUSED if key in NEEDED else EITHER,
                          '' if key in NEEDED else 'a run can do without')
        for key in ('model.backbone', 'train_dataloader.dataset', 'optim_wrapper.optimizer', 'model.type',
                    'train_dataloader.dataset.type', 'model.backbone.type', 'train_cfg.type'):
            yield option('no', f'{key}=None', road, (key.split('.')[0], key.rpartition('.')[2]), 'train')
    for key in ('model', 'test_dataloader', 'test_cfg', 'test_evaluator', 'test_dataloader.dataset'):
        for road in ('classify', 'segment'):
            yield option('no', f'{key}=None', road, (key, ), 'test')
    for key in ('model', 'train_dataloader', 'test_dataloader', 'model.backbone'):
        yield option('no', f'{key}=None', 'knn', (key, ), 'knn')


# What a message may name in place of a setting.
MEANT = {'crop_size=17,17': ('17x17', ), 'crop_size=0,0': ('size=(0, 0)', ), 'crop_size=-16,16': ('size=(-16, 16)', ),
         'img_ratios=[0]': ('scale_factor=0', ),
         'optim_wrapper.paramwise_cfg.custom_keys.no_such_parameter.decay_mult=0': ('no_such_parameter', )}
ENCODERS = ['img_size=0', 'img_size=-16', 'img_size=17', 'img_size=16,16,16', 'img_size=text', 'img_size=100000000',
            'img_size=None', 'model.backbone.patch_size=0', 'model.backbone.patch_size=-8',
            'model.backbone.patch_size=5', 'model.backbone.embed_dims=0', 'model.backbone.embed_dims=-16',
            'model.backbone.embed_dims=15', 'model.backbone.num_heads=0', 'model.backbone.num_heads=3',
            'model.backbone.num_layers=-1', 'model.backbone.num_layers=0', 'model.backbone.drop_path_rate=2',
            'model.backbone.drop_path_rate=-1', 'model.backbone.in_channels=0', 'model.backbone.arch=enormous',
            'model.backbone.mlp_ratio=0', 'model.backbone.mlp_ratio=-1', 'batch_size=0',
            'batch_size=-1', 'batch_size=1.5', 'batch_size=many', 'train_dataloader.num_workers=-1',
            'train_dataloader.num_workers=two', 'randomness.seed=-1', 'randomness.seed=one', 'log_level=NOISY',
            'default_scope=nowhere', 'load_from=nowhere.pth', 'optim_wrapper.optimizer.lr=-1',
            'optim_wrapper.optimizer.lr=nan', 'optim_wrapper.optimizer.lr=fast', 'optim_wrapper.type=Nothing',
            'optim_wrapper.optimizer.type=Nothing', 'optim_wrapper.optimizer.betas=[2,3]',
            'optim_wrapper.optimizer.betas=0.9', 'optim_wrapper.constructor=Nothing',
            'optim_wrapper.clip_grad.max_norm=-1', 'default_hooks.logger.interval=0',
            'default_hooks.checkpoint.interval=0', 'default_hooks.checkpoint.minutes=0',
            'default_hooks.checkpoint.max_keep_ckpts=0', 'train_cfg.val_interval=0', 'statistics=nowhere.json',
            'statistics=/dev/null', 'bands=[9]', 'train_dataloader.sampler.type=Nothing',
            'train_dataloader.collate_fn.type=Nothing', 'visualizer.type=Nothing', 'default_hooks.stop.type=Nothing',
            'env_cfg.mp_cfg.mp_start_method=magic', 'custom_imports.imports=[nowhere]', 'held_out=1', 'held_out=-1',
            'held_out=some', 'data_root=', 'default_hooks.checkpoint.type=Nothing', 'env_cfg.dist_cfg=3']
NONSENSE: dict[str, list[str]] = {
    'pretrain': [*ENCODERS, 'model.mask_ratio=1', 'model.mask_ratio=-1', 'model.mask_ratio=2', 'model.mask_ratio=some',
                 'model.mask_block=0', 'model.mask_block=9', 'model.decoder.num_heads=3', 'model.decoder.embed_dims=0',
                 'max_epochs=0', 'max_epochs=-1', 'max_epochs=1.5', 'max_epochs=many', 'warmup_epochs=100',
                 'warmup_epochs=-1', 'accumulate=0', 'accumulate=3', 'accumulate=some', 'interval=0', 'lr=fast',
                 'model.norm_pix=perhaps', 'train_dataloader.dataset.split=nonsense'],
    'classify': ['checkpoint=nowhere.pth', 'checkpoint=', 'checkpoint=3', 'num_classes=5', 'num_classes=0',
                 'model.head.num_classes=5', 'train_dataloader.dataset.per_class=100',
                 'train_dataloader.dataset.per_class=0', 'train_dataloader.dataset.per_class=-1',
                 'val_evaluator.topk=0', 'val_evaluator.topk=[]', 'val_evaluator.topk=some',
                 'default_hooks.checkpoint.save_best=nonsense', 'model.head.in_channels=7',
                 'model.backbone.out_type=nonsense', 'model.train_cfg.augments.0.alpha=-1',
                 'model.train_cfg.augments.0.type=Nothing', 'model.head.loss.label_smooth_val=2',
                 'optim_wrapper.paramwise_cfg.layer_decay_rate=0', 'optim_wrapper.paramwise_cfg.layer_decay_rate=2',
                 'optim_wrapper.paramwise_cfg.custom_keys.no_such_parameter.decay_mult=0',
                 'train_dataloader.dataset.split=nonsense', 'model.head.type=Nothing', 'model.backbone.type=Nothing',
                 'model.backbone.frozen_stages=99', 'model.backbone.trainable_layers=99',
                 'train_dataloader.dataset.pipeline=[]', 'train_dataloader.dataset.pipeline.1.type=Nothing',
                 'param_scheduler.warmup=100', 'param_scheduler.type=Nothing', 'param_scheduler.min_ratio=-1',
                 'train_cfg.max_epochs=0', 'train_cfg.type=Nothing', 'val_evaluator.type=Nothing'],
    'segment': ['crop_size=16', 'crop_size=0,0', 'crop_size=-16,16', 'crop_size=17,17', 'crop_size=16,16,16',
                'crop_size=text', 'stride=0,0', 'stride=99,99', 'model.test_cfg.stride=0', 'model.test_cfg.mode=magic',
                'model.test_cfg.stride=[0,0]', 'model.test_cfg.crop_size=[0,0]', 'model.test_cfg.window_batch=0',
                'model.test_cfg.logits_dtype=int8', 'model.backbone.out_indices=[]',
                'model.backbone.out_indices=[0,0,1,1]', 'model.backbone.out_indices=[0,1]',
                'model.backbone.out_indices=[9,9,9,9]', 'model.decode_head.in_index=[0,1]',
                'model.decode_head.in_channels=[1,2,3,4]', 'model.decode_head.channels=0',
                'model.decode_head.pool_scales=[0]', 'model.decode_head.num_classes=7',
                'model.auxiliary_head.in_index=9', 'model.auxiliary_head.num_classes=7', 'class_weight=some',
                'class_weight=[1]', 'class_weight=[-1,1,1]', 'max_iters=0', 'max_iters=-3', 'max_iters=1.5',
                'warmup_iters=99', 'param_scheduler.0.end=-1', 'param_scheduler.1.power=text', 'batch_size=1',
                'ignore_index=text', 'ignore_index=[1,2]', 'reduce_zero_label=perhaps',
                'val_evaluator.iou_metrics=[mXYZ]', 'val_evaluator.iou_metrics=mXYZ',
                'model.decode_head.loss_decode.type=Nothing', 'model.decode_head.dropout_ratio=2',
                'model.decode_head.norm_cfg.type=Nothing', 'model.neck.rescales=[4]', 'model.neck.rescales=[3,2,1,1]',
                'model.neck.type=Nothing', 'img_ratios=[]', 'img_ratios=[0]', 'train_pipeline=None'],
}
CHECKED = ['img_size=17', 'batch_size=0', 'optim_wrapper.optimizer.lr=nan', 'model.backbone.num_heads=3',
           'checkpoint=nowhere.pth', 'num_classes=5', 'train_cfg.max_epochs=0', 'lr=fast']

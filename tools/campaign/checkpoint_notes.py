"""What a checkpoint says of its run: its config, classes, optimizer, schedule and history, of wrong types."""
from collections.abc import Callable
from typing import Any

import torch

from .inputs import Place

Change = Callable[[dict, Place], Any]  # of a good checkpoint


def _noted(**changes: Any) -> Change:
    return lambda c, p: {**c, **changes}


def _in(section: str, **changes: Any) -> Change:
    return lambda c, p: {**c, section: {**c[section], **changes}}


# What a checkpoint says of its run.
NOTES: dict[str, Change] = {
    'meta-3': _noted(meta=3), 'meta-none': _noted(meta=None), 'meta-list': _noted(meta=[1]),
    'meta-empty': _noted(meta={}), 'cfg-3': _in('meta', cfg=3), 'cfg-text': _in('meta', cfg='no config ('),
    'cfg-empty': _in('meta', cfg=''), 'cfg-code': lambda c, p: _in('meta', cfg=(
        f'import os\nos.system("touch {p.marker}")\n' + c['meta']['cfg']))(c, p),
    'cfg-call': lambda c, p: _in('meta', cfg=f'model = open({str(p.marker)!r}, "w")\n')(c, p),
    'cfg-deep': _in('meta', cfg='model = ' + '[' * 5000 + ']' * 5000),
    'cfg-model-3': _in('meta', cfg='model = 3'), 'cfg-other': _in('meta', cfg='lr = 3'),
    'classes-3': _in('meta', dataset_meta=3), 'classes-number': _in('meta', dataset_meta={'classes': 7}),
    'classes-none': _in('meta', dataset_meta={'classes': None}),
    'classes-many': _in('meta', dataset_meta={'classes': tuple('abcdefgh')}),
    'classes-of-numbers': _in('meta', dataset_meta={'classes': (1, 2)}),
    'epoch-text': _in('meta', epoch='two'), 'epoch-negative': _in('meta', epoch=-3),
    'iter-none': _in('meta', iter=None),
    'iter-huge': _in('meta', iter=10**15), 'seed-text': _in('meta', seed='x'),
    'optimizer-none': _noted(optimizer=None), 'optimizer-list': _noted(optimizer=[1]),
    'optimizer-empty': _noted(optimizer={}), 'optimizer-groups': _in('optimizer', param_groups=[]),
    'optimizer-groups-3': _in('optimizer', param_groups=[3]), 'optimizer-state': _in('optimizer', state={0: 3}),
    'optimizer-state-shape': _in('optimizer', state={0: {'step': torch.tensor(1.), 'exp_avg': torch.zeros(99),
                                                         'exp_avg_sq': torch.zeros(99)}}),
    'hub-none': _noted(message_hub=None), 'hub-3': _noted(message_hub=3), 'hub-empty': _noted(message_hub={}),
    'hub-scalars': _in('message_hub', log_scalars={'train/loss': 3}),
    'hub-info': _in('message_hub', runtime_info=5), 'hub-keys': _in('message_hub', resumed_keys=[1]),
    'schedulers-3': _noted(param_schedulers=3), 'schedulers-of-numbers': _noted(param_schedulers=[1, 2]),
    'schedulers-empty': _noted(param_schedulers=[]), 'schedulers-wrong': _noted(param_schedulers=[{'x': 1}]),
}
# What has to refuse a note: predictions need the config and the classes, a run that goes on all of it.
WRONG_FOR = {'meta': ('predict-classify', 'train-resume'), 'cfg': ('predict-classify', ),
             'epoch': ('train-resume', ), 'optimizer': ('train-resume', ), 'hub': ('train-resume', ),
             'schedulers': ('train-resume', ), 'iter': ('train-resume', )}

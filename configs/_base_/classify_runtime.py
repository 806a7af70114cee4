_base_ = './default_runtime.py'
default_scope = 'mmpretrain'

visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')
default_hooks = dict(checkpoint=dict(interval=10))

val_evaluator = dict(type='Accuracy', topk=(1, ))
test_evaluator = val_evaluator

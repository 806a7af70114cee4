_base_ = './default_runtime.py'
default_scope = 'mmpretrain'

visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(
    checkpoint=dict(interval=1, save_best='accuracy/top1'),
    check_classes=dict(type='mae_mm.CheckClassesHook'))

val_evaluator = dict(type='mae_mm.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator

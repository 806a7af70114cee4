_base_ = './default_runtime.py'
default_scope = 'mmpretrain'

visualizer = dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')])
default_hooks = dict(checkpoint=dict(interval=20), reconstruction=dict(type='mae_mm.ReconstructionHook'))

val_evaluator = dict(type='mae_mm.ReconstructionLoss')
test_evaluator = val_evaluator

custom_imports = dict(imports=['mae_mm'], allow_failed_imports=False)

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
randomness = dict(seed=None)  # None: drawn at the start, written to the log and kept by a resumed run
log_level = 'INFO'
load_from = None
resume = False

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='mae_mm.CheckpointHook', max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'))
custom_hooks = [
    dict(type='mae_mm.SeedStepHook'), dict(type='mae_mm.CheckLossHook'), dict(type='mae_mm.SummaryHook')
]

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

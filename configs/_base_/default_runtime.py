custom_imports = dict(imports=['mae_mm'], allow_failed_imports=False)

# Images other than 8-bit RGB (docs/bands.md): statistics=FILE, which `mae-mm stats DIR` writes, or in a config
# statistics = dict(mean=[...], std=[...]). No `statistics = None` here: mmengine lets no dict take its place.
bands = None  # which band of the checkpoint each one starts from, None for a new one: [2, 1, 0, None, None]
picture_bands = None  # shown as red, green and blue; None: the first three

# compile=True compiles the model's parts; so do options of torch.compile, as compile=dict(mode='reduce-overhead').

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))
randomness = dict(seed=None)  # None: drawn at the start, written to the log and kept by a resumed run
log_level = 'INFO'
load_from = None
resume = False

go_back = 0  # so many times a loss that is not finite sends the run back to its last checkpoint, without that batch
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='mae_mm.CheckpointHook', max_keep_ckpts=3, minutes=30),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Here, and not in custom_hooks, they stay in a config that inherits and has hooks of its own; None removes one.
    seed_step=dict(type='mae_mm.SeedStepHook'),
    check_loss=dict(type='mae_mm.CheckLossHook', go_back=go_back),
    stop=dict(type='mae_mm.StopHook'),
    bound_history=dict(type='mae_mm.BoundHistoryHook'),
    summary=dict(type='mae_mm.SummaryHook'))
custom_hooks = []

val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# The recipe of facebookresearch/mae (FINETUNE.md) for batches of 16384 images.
base_batch_size = 16384
optim_wrapper = dict(
    type='AmpOptimWrapper',  # float32 where there is no accelerator
    dtype='auto',
    loss_scale='dynamic',
    # mmpretrain's; its momentum holds steps and not gradients, so that it differs from the official one while the
    # rate changes.
    optimizer=dict(type='LARS', lr=0.1 * base_batch_size / 256, momentum=0.9, weight_decay=0.),
    constructor='mae_mm.LayerDecayConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=1.,  # none
        custom_keys={'bias': dict(lars_exclude=True)}))  # a bias gets the plain rate
auto_scale_lr = dict(base_batch_size=base_batch_size, enable=False)
accumulate = 1

param_scheduler = dict(type='mae_mm.WarmupCosineLR', warmup=10, convert_to_iter_based=True)  # in epochs
train_cfg = dict(type='mae_mm.EpochBasedTrainLoop', max_epochs=90, val_interval=1)

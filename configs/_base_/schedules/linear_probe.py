# The recipe of facebookresearch/mae (FINETUNE.md) for batches of 16384 images.
base_batch_size = 16384
lr = 0.1 * base_batch_size / 256  # base rate x batch / 256
max_epochs = 90
warmup_epochs = min(10, max_epochs / 4)
# amp=False: float32. True: bfloat16 where the card has it, else float16 with a dynamic loss scale; without an
# accelerator float32.
amp = True
precision = dict(type='AmpOptimWrapper', dtype='auto', loss_scale='dynamic') if amp else dict(type='OptimWrapper')
optim_wrapper = dict(
    **precision,
    # mmpretrain's; its momentum holds steps and not gradients, so that it differs from the official one while the
    # rate changes.
    optimizer=dict(type='LARS', lr=lr, momentum=0.9, weight_decay=0.),
    constructor='mae_mm.LayerDecayConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=1.,  # none
        custom_keys={'bias': dict(lars_exclude=True)}))  # a bias gets the plain rate
auto_scale_lr = dict(base_batch_size=base_batch_size, enable=False)
accumulate = 1

param_scheduler = dict(type='mae_mm.WarmupCosineLR', warmup=warmup_epochs, convert_to_iter_based=True)  # in epochs
train_cfg = dict(type='mae_mm.EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)

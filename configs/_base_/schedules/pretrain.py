# The recipe of facebookresearch/mae (PRETRAIN.md). The rate is for batches of 4096 images; with others,
# tools/train.py --auto-scale-lr keeps rate / batch.
base_batch_size = 4096
lr = 1.5e-4 * base_batch_size / 256  # base rate x batch / 256
max_epochs = 800
warmup_epochs = min(40, max_epochs / 4)
# amp=False: float32. True: bfloat16 where the card has it, else float16 with a dynamic loss scale; without an
# accelerator float32.
amp = True
precision = dict(type='AmpOptimWrapper', dtype='auto', loss_scale='dynamic') if amp else dict(type='OptimWrapper')
optim_wrapper = dict(
    **precision,
    optimizer=dict(
        type='AdamW',
        lr=lr,
        betas=(0.9, 0.95),
        weight_decay=0.05),
    # clip_grad=dict(max_norm=1.)  off, as in the paper; --cfg-options optim_wrapper.clip_grad.max_norm=1
    constructor='mae_mm.LayerDecayConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=1.,  # none
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        flat_decay_mult=0.,
        # facebookresearch/mae decays the two tokens (all but biases and vectors); mmpretrain's recipe does not. For
        # the former: --cfg-options optim_wrapper.paramwise_cfg.custom_keys.cls_token.decay_mult=1
        # optim_wrapper.paramwise_cfg.custom_keys.mask_token.decay_mult=1
        custom_keys={'cls_token': dict(decay_mult=0.), 'mask_token': dict(decay_mult=0.)}))
auto_scale_lr = dict(base_batch_size=base_batch_size, enable=False)
accumulate = 1  # n: a batch goes through the card in n parts, which make one step

param_scheduler = dict(type='mae_mm.WarmupCosineLR', warmup=warmup_epochs, convert_to_iter_based=True)  # in epochs
train_cfg = dict(type='mae_mm.EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=20)

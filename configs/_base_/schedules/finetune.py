# The recipe of facebookresearch/mae (FINETUNE.md), for ViT-B and batches of 1024 images; with others,
# tools/train.py --auto-scale-lr keeps rate / batch.
base_batch_size = 1024
lr = 5e-4 * base_batch_size / 256  # base rate x batch / 256
min_lr = 1e-6
max_epochs = 100
warmup_epochs = min(5, max_epochs / 4)
# amp=False: float32. True: bfloat16 where the card has it, else float16 with a dynamic loss scale; without an
# accelerator float32.
amp = True
precision = dict(type='AmpOptimWrapper', dtype='auto', loss_scale='dynamic') if amp else dict(type='OptimWrapper')
optim_wrapper = dict(
    **precision,
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='mae_mm.LayerDecayConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.65,
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        flat_decay_mult=0.,
        custom_keys={'cls_token': dict(decay_mult=0.), 'pos_embed': dict(decay_mult=0.)}))
auto_scale_lr = dict(base_batch_size=base_batch_size, enable=False)
accumulate = 1  # n: a batch goes through the card in n parts, which make one step

param_scheduler = dict(  # in epochs
    type='mae_mm.WarmupCosineLR', warmup=warmup_epochs, min_ratio=min_lr / lr, convert_to_iter_based=True)
train_cfg = dict(type='mae_mm.EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)

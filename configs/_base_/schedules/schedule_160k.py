max_iters = 160000
warmup_iters = min(1500, max_iters // 4)  # with 0 or 1 the first step has the full rate
lr = 1e-4
amp = True  # float16 with a dynamic loss scale; float32 if False, and where there is no accelerator
precision = dict(type='AmpOptimWrapper', loss_scale='dynamic') if amp else dict(type='OptimWrapper')
optim_wrapper = dict(
    **precision,
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='mae_mm.LayerDecayConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.65,
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        flat_decay_mult=0.,
        # The published 48.13 was trained with decay on both embeddings, as its constructor compared their names
        # without 'backbone.'. Official MAE and BEiT recipes decay neither, and so does this config; for the
        # former: --cfg-options optim_wrapper.paramwise_cfg.custom_keys.cls_token.decay_mult=1
        # optim_wrapper.paramwise_cfg.custom_keys.pos_embed.decay_mult=1
        custom_keys={'cls_token': dict(decay_mult=0.), 'pos_embed': dict(decay_mult=0.)}))
rise = dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=warmup_iters)
param_scheduler = [rise] * (warmup_iters > 1) + [
    dict(type='PolyLR', eta_min=0., power=1., begin=warmup_iters, end=max_iters, by_epoch=False)
]
train_cfg = dict(type='mae_mm.IterBasedTrainLoop', max_iters=max_iters, val_interval=min(16000, max_iters))
accumulate = 1  # n: a batch goes through the card in n parts, which make one step; batch norms see a part each

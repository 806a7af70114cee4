# Sizes are the backbone's to give; the decoder learns grid, patch and width from it.
model = dict(
    type='mae_mm.MaskedAutoencoder',
    data_preprocessor=dict(
        type='mae_mm.ImagePreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(type='mae_mm.MAE'),
    decoder=dict(type='mae_mm.MAEDecoder', embed_dims=512, num_layers=8, num_heads=16),
    mask_ratio=0.75,
    norm_pix=True)

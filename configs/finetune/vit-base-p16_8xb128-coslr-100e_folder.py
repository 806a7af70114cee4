"""Fine-tuning of a pre-trained ViT-B/16 on any folder of class folders: DIR/{train,val}/CLASS/*.jpg.

    python tools/train.py configs/finetune/vit-base-p16_8xb128-coslr-100e_folder.py --cfg-options data_root=DIR \
        model.backbone.init_cfg.checkpoint=CHECKPOINT model.head.num_classes=N model.data_preprocessor.num_classes=N
"""
_base_ = './vit-base-p16_8xb128-coslr-100e_in1k.py'
data_root = 'data/classes'
dataset = dict(type='mae_mm.ClassFolder', data_root=data_root)
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader

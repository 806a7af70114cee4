"""A linear head on the frozen features of ViT-B, on Cityscapes: 40k iterations of 8 x 2 crops of 512 x 512.

Everything but the data is as on ADE20K; images keep their 1024 x 2048 pixels. `*_labelTrainIds.png` are made by
cityscapesscripts (`csCreateTrainIdLabelImgs`). Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/linear_mae-base_fp16_8x2_512x512_40k_cityscapes.py 8
"""
_base_ = './linear_mae-base_fp16_8x2_512x512_40k_ade20k.py'

dataset_type = 'CityscapesDataset'
data_root = 'data/cityscapes'
num_classes = 19
scale = (2048, 1024)
train_dataloader = dict(
    dataset=dict(data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')))
val_dataloader = dict(
    dataset=dict(data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val')))
test_dataloader = val_dataloader

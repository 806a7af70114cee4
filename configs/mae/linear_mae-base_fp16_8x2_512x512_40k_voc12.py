"""A linear head on the frozen features of ViT-B, on PASCAL VOC 2012: 40k iterations of 8 x 2 crops of 512 x 512.

Everything but the data is as on ADE20K. Trained on `train`; with the labels of SBD, in one folder with VOC's:

    --cfg-options split=trainaug labels=SegmentationClassAug

Not published for MAE; not trained by us.

    tools/dist_train.sh configs/mae/linear_mae-base_fp16_8x2_512x512_40k_voc12.py 8
"""
_base_ = './linear_mae-base_fp16_8x2_512x512_40k_ade20k.py'

dataset_type = 'PascalVOCDataset'
data_root = 'data/VOCdevkit/VOC2012'
num_classes = 21
split = 'train'
labels = 'SegmentationClass'
train_dataloader = dict(
    dataset=dict(
        ann_file=f'ImageSets/Segmentation/{split}.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path=labels)))
val_dataloader = dict(
    dataset=dict(
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass')))
test_dataloader = val_dataloader

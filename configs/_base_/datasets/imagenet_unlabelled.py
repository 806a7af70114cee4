# ImageNet-1K: data/imagenet/{train,val}, of which the labels are not used. 512 images for each of 8 GPUs.
_base_ = './unlabelled.py'
data_root = 'data/imagenet'
batch_size = 512

train_dataloader = dict(
    batch_size=batch_size, dataset=dict(data_root=data_root, data_prefix='train', held_out=0.))
val_dataloader = dict(
    batch_size=batch_size // 2, dataset=dict(data_root=data_root, data_prefix='val', held_out=0.))
test_dataloader = val_dataloader

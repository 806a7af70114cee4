# Any folder of class folders: DIR/{train,val}/CLASS/*.jpg, or DIR/CLASS/*.jpg, of which one image in five is held out.
_base_ = './imagenet.py'
data_root = 'data/classes'
batch_size = 64
held_out = 0.2

dataset = dict(_delete_=True, type='mae_mm.ClassFolder', data_root=data_root, held_out=held_out)
train_dataloader = dict(
    batch_size=batch_size, dataset=dict(**dataset, split='train', on_broken=_base_.on_broken,
                                        max_broken=_base_.max_broken, pipeline=_base_.train_pipeline))
val_dataloader = dict(
    batch_size=batch_size, dataset=dict(**dataset, split='val', pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

# ImageNet-R: 30,000 renditions of 200 classes of ImageNet-1K; the prediction is the best of the 200.
# What to download and where it goes: docs/datasets.md. tools/test.py CONFIG CHECKPOINT --on imagenet-r
test_dataloader = dict(dataset=dict(type='mae_mm.ImageNetFolder', data_root='data/imagenet-r', data_prefix=''))
test_evaluator = dict(topk=(1, ), among_present=True)

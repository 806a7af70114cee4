# ImageNet-Sketch: 50,000 drawings of the 1,000 classes.
# What to download and where it goes: docs/datasets.md. tools/test.py CONFIG CHECKPOINT --on imagenet-sketch
test_dataloader = dict(dataset=dict(type='mae_mm.ImageNetFolder', data_root='data/imagenet-sketch', data_prefix=''))
test_evaluator = dict(topk=(1, 5))

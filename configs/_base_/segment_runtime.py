_base_ = './default_runtime.py'
default_scope = 'mmseg'

visualizer = dict(type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=16000),
    unlabelled=dict(type='mae_mm.UnlabelledHook'),
    check_classes=dict(type='mae_mm.CheckClassesHook'))

val_evaluator = dict(type='mae_mm.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
tta_model = dict(type='SegTTAModel')  # the probabilities of all scales and flips, averaged

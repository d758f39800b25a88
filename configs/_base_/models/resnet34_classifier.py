# ResNet-34 for one class a tile, with the stem of large images. Data sets set the number of classes.
data_preprocessor = dict(
    num_classes=2, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet', depth=34, num_stages=4, out_indices=(3, ), style='pytorch', zero_init_residual=False),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=2,
        in_channels=512,
        topk=(1, ),
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0)))

# ResNet-34 for several classes an image: sigmoid and binary cross-entropy, averaged over images and classes as
# torch.nn.BCEWithLogitsLoss does. MMPretrain sums over the classes, hence the weight of 1 / 20.
data_preprocessor = dict(
    type='sdp_plugin.MultiLabelPreprocessor',
    num_classes=20,
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
    to_onehot=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet', depth=34, num_stages=4, out_indices=(3, ), style='pytorch', zero_init_residual=False),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='MultiLabelLinearClsHead',
        num_classes=20,
        in_channels=512,
        loss=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1 / 20)))

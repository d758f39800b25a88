# ViT-S/16 of timm. Other models of timm: --cfg-options model.backbone.model=... model.head.in_channels=...
data_preprocessor = dict(
    num_classes=2, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='sdp_plugin.TimmBackbone', model='vit_small_patch16_224', pooling='cls', drop_path_rate=0.1),
    neck=None,
    head=dict(
        type='LinearClsHead',
        num_classes=2,
        in_channels=384,
        topk=(1, ),
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0)))

# DeepLabV2 on a ResNet-34 of output stride 8. Residual branches start as torchvision's do, not at zero.
norm_cfg = dict(type='BN', requires_grad=True)
data_preprocessor = dict(
    type='sdp_plugin.SegmentationPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(321, 321))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='ResNet',
        depth=34,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch',
        zero_init_residual=False),
    decode_head=dict(
        type='sdp_plugin.DeepLabV2Head',
        in_channels=512,
        in_index=3,
        num_classes=21,
        dilations=(6, 12, 18, 24),
        align_corners=True,
        loss_decode=dict(type='sdp_plugin.PartialCrossEntropyLoss', normalisation='labelled')),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

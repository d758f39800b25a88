# MMSegmentation's UPerNet on Swin-T, without the auxiliary head.
_base_ = './segmentor.py'
model = dict(
    backbone=dict(
        type='SwinTransformer',
        embed_dims=96,
        depths=(2, 2, 6, 2),
        num_heads=(3, 6, 12, 24),
        window_size=7,
        drop_path_rate=0.3),
    decode_head=dict(
        type='sdp_plugin.UPerHead',
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=512,
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg={{_base_.norm_cfg}},
        align_corners=False,
        loss_decode=dict(type='sdp_plugin.PartialCrossEntropyLoss')))

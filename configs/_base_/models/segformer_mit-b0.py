# SegFormer-B0 as in MMSegmentation.
_base_ = './segmentor.py'
model = dict(
    backbone=dict(
        type='MixVisionTransformer',
        embed_dims=32,
        num_layers=[2, 2, 2, 2],
        num_heads=[1, 2, 5, 8],
        drop_path_rate=0.1),
    decode_head=dict(
        type='sdp_plugin.SegformerHead',
        in_channels=[32, 64, 160, 256],
        in_index=[0, 1, 2, 3],
        channels=256,
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg={{_base_.norm_cfg}},
        align_corners=False,
        loss_decode=dict(type='sdp_plugin.PartialCrossEntropyLoss')))

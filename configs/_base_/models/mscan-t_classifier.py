# MSCAN-T of MMSegmentation; MMPretrain has none.
_base_ = './resnet34_classifier.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='sdp_plugin.SegmentationBackbone',
        backbone=dict(
            type='MSCAN',
            embed_dims=[32, 64, 160, 256],
            mlp_ratios=[8, 8, 4, 4],
            depths=[3, 3, 5, 2],
            drop_path_rate=0.1,
            norm_cfg=dict(type='BN', requires_grad=True))),
    head=dict(in_channels=256))

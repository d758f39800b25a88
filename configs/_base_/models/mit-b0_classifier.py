# MiT-B0 of MMSegmentation; MMPretrain has none.
_base_ = './resnet34_classifier.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='sdp_plugin.SegmentationBackbone',
        backbone=dict(
            type='MixVisionTransformer',
            embed_dims=32,
            num_layers=[2, 2, 2, 2],
            num_heads=[1, 2, 5, 8],
            drop_path_rate=0.1)),
    head=dict(in_channels=256))

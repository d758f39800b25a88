# MobileNetV3-Large of MMSegmentation, at output stride 8: MMPretrain's pads, strides and dilates otherwise.
_base_ = './resnet34_classifier.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='sdp_plugin.SegmentationBackbone',
        backbone=dict(
            type='MobileNetV3',
            arch='large',
            out_indices=(16, ),
            norm_cfg=dict(type='BN', eps=0.001, requires_grad=True))),
    head=dict(in_channels=960))

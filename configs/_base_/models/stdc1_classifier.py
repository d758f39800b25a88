# STDC1 of MMSegmentation with its context path, whose fused map is pooled; MMPretrain has none.
_base_ = './resnet34_classifier.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='sdp_plugin.SegmentationBackbone',
        backbone=dict(
            type='STDCContextPathNet',
            backbone_cfg=dict(
                type='STDCNet',
                stdc_type='STDCNet1',
                in_channels=3,
                channels=(32, 64, 256, 512, 1024),
                bottleneck_type='cat',
                num_convs=4,
                norm_cfg=dict(type='BN', requires_grad=True),
                act_cfg=dict(type='ReLU'),
                with_final_conv=False),
            last_in_channels=(1024, 512),
            out_channels=128,
            ffm_cfg=dict(in_channels=384, out_channels=256, scale_factor=4))),
    head=dict(in_channels=256))

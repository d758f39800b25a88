# HRNet-W18 of MMSegmentation: MMPretrain's upsamples otherwise. MMPretrain's neck leads the four resolutions together.
_base_ = './resnet34_classifier.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='sdp_plugin.SegmentationBackbone',
        features=(0, 1, 2, 3),
        backbone=dict(
            type='HRNet',
            extra=dict(
                stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(4, ), num_channels=(64, )),
                stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(4, ) * 2, num_channels=(18, 36)),
                stage3=dict(
                    num_modules=4, num_branches=3, block='BASIC', num_blocks=(4, ) * 3, num_channels=(18, 36, 72)),
                stage4=dict(
                    num_modules=3, num_branches=4, block='BASIC', num_blocks=(4, ) * 4,
                    num_channels=(18, 36, 72, 144))))),
    neck=[dict(type='HRFuseScales', in_channels=(18, 36, 72, 144)), dict(type='GlobalAveragePooling')],
    head=dict(in_channels=2048))

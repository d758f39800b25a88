# MMSegmentation's FCN on HRNet-W18, which fuses the four resolutions.
_base_ = './segmentor.py'
model = dict(
    backbone=dict(
        type='HRNet',
        norm_cfg={{_base_.norm_cfg}},
        norm_eval=False,
        extra=dict(
            stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(4, ), num_channels=(64, )),
            stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(4, ) * 2, num_channels=(18, 36)),
            stage3=dict(num_modules=4, num_branches=3, block='BASIC', num_blocks=(4, ) * 3, num_channels=(18, 36, 72)),
            stage4=dict(
                num_modules=3, num_branches=4, block='BASIC', num_blocks=(4, ) * 4, num_channels=(18, 36, 72, 144)))),
    decode_head=dict(
        type='sdp_plugin.FCNHead',
        in_channels=[18, 36, 72, 144],
        in_index=(0, 1, 2, 3),
        input_transform='resize_concat',
        channels=270,
        kernel_size=1,
        num_convs=1,
        concat_input=False,
        dropout_ratio=-1,
        num_classes=21,
        norm_cfg={{_base_.norm_cfg}},
        align_corners=False,
        loss_decode=dict(type='sdp_plugin.PartialCrossEntropyLoss')))

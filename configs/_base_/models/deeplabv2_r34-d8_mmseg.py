# MMSegmentation's own ResNet-34 of output stride 8, which is not the classifier dilated: see docs/conversion.md.
_base_ = './deeplabv2.py'
model = dict(
    backbone=dict(
        type='ResNet',
        depth=34,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg={{_base_.norm_cfg}},
        zero_init_residual=False))

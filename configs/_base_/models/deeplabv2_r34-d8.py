# ResNet-34 of output stride 8, whose features are those of the classifier at every position. The paper does not say how
# its trunk was dilated; MMSegmentation's way is the variant ..._mmseg-trunk: see docs/conversion.md. Residual branches
# start as torchvision's do, not at zero.
_base_ = './deeplabv2.py'
output_stride = 8  # or 16 or 32: coarser, faster, the same function
model = dict(
    backbone=dict(
        type='sdp_plugin.AtrousResNet',
        depth=34,
        output_stride=output_stride,
        norm_cfg={{_base_.norm_cfg}},
        zero_init_residual=False))

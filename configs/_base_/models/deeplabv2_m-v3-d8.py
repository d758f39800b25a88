# DeepLabV2 on MobileNetV3-Large, which MMSegmentation builds at output stride 8. Its usual head, LR-ASPP, pools
# windows of 49 x 49 positions; a crop of 321 pixels has 41 x 41.
_base_ = './deeplabv2.py'
model = dict(
    backbone=dict(
        type='MobileNetV3',
        arch='large',
        out_indices=(16, ),
        norm_cfg=dict(type='BN', eps=0.001, requires_grad=True)),
    decode_head=dict(in_channels=960, in_index=0))

_base_ = './deeplabv2_r34-d8.py'
model = dict(backbone=dict(depth=50), decode_head=dict(in_channels=2048))

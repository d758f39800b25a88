_base_ = './deeplabv2_r50-d8.py'
model = dict(backbone=dict(type='sdp_plugin.AtrousResNeXt', groups=32, base_width=4))

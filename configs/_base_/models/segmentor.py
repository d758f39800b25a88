# What every segmentor here shares.
norm_cfg = dict(type='BN', requires_grad=True)
data_preprocessor = dict(
    type='sdp_plugin.SegmentationPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(321, 321))
model = dict(
    type='EncoderDecoder', data_preprocessor=data_preprocessor, train_cfg=dict(), test_cfg=dict(mode='whole'))

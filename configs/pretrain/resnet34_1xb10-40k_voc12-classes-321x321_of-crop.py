# Class labels of what the crop shows instead of the whole image.
_base_ = './resnet34_1xb10-40k_voc12-classes-321x321.py'
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadMask'),
    dict(
        type='sdp_plugin.RandomRescaledCrop',
        crop_size={{_base_.crop_size}},
        ratio_range=(0.5, 1.5),
        flip_prob=0.5,
        min_labelled=0),
    dict(type='sdp_plugin.ClassLabelsFromMask', keep_mask=False),
    dict(type='sdp_plugin.PackClassLabels')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# Class labels from VOC's detection files instead of its masks. VOC 2012 has one for every image.
_base_ = './resnet34_1xb10-40k_voc12-classes-321x321.py'
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadClassLabels'),
    dict(
        type='sdp_plugin.RandomRescaledCrop',
        crop_size={{_base_.crop_size}},
        ratio_range=(0.5, 1.5),
        flip_prob=0.5,
        min_labelled=0),
    dict(type='sdp_plugin.PackClassLabels')
]
test_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadClassLabels'),
    dict(type='PackInputs')
]
data_prefix = dict(_delete_=True, img_path='JPEGImages', annotation_path='Annotations')
train_dataloader = dict(dataset=dict(data_prefix=data_prefix, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(data_prefix=data_prefix, pipeline=test_pipeline))

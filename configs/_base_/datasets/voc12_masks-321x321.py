# Pascal VOC 2012 train_aug with its full masks.
_base_ = './voc12_scribbles-321x321.py'
crop_size = (321, 321)
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadMask'),
    dict(type='sdp_plugin.RandomRescale', ratio_range=(0.5, 1.5)),
    dict(type='sdp_plugin.RandomLabelledCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs')
]
scribbles = None
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(_delete_=True, img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
        pipeline=train_pipeline))

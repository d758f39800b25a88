# Pascal VOC 2012: train_aug with full masks to train on, val to test on.
data_root = 'data/VOCdevkit/VOC2012'
crop_size = (321, 321)
batch_size = 10
num_workers = 4
decode_first = True  # once, into memory or, where it is too small, into files that may be deleted
cache_dir = None  # the folder of those files; None is data_root
# The crop draws and does what RandomRescale, RandomLabelledCrop and RandomFlip do; see the _ordinary-input configs.
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadMask'),
    dict(type='sdp_plugin.RandomRescaledCrop', crop_size=crop_size, ratio_range=(0.5, 1.5), flip_prob=0.5),
    dict(type='sdp_plugin.PackBytes')
]
test_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadMask'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='sdp_plugin.collate_bytes'),
    sampler=dict(type='sdp_plugin.RepeatableSampler', shuffle=True),
    dataset=dict(
        type='sdp_plugin.VOCDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train_aug.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
        decode_first=decode_first,
        cache_dir=cache_dir,
        pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='sdp_plugin.VOCDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
        test_mode=True,
        pipeline=test_pipeline))
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])

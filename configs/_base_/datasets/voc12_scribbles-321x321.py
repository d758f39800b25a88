# Pascal VOC 2012: train_aug with ScribbleSup's strokes to train on, val with full masks to test on.
_base_ = './voc12_masks-321x321.py'
scribbles = '../../scribblesup/pascal_2012'  # relative to data_root, or absolute
line_width = 3  # of the re-scaled image
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadStrokes', line_width=line_width, mode='distance'),
    dict(
        type='sdp_plugin.RandomRescaledCrop',
        crop_size={{_base_.crop_size}},
        ratio_range=(0.5, 1.5),
        flip_prob=0.5),
    dict(type='sdp_plugin.PackBytes')
]
train_dataloader = dict(
    dataset=dict(
        data_prefix=dict(_delete_=True, img_path='JPEGImages', scribble_path=scribbles), pipeline=train_pipeline))

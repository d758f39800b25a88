# Shows how predictions grow out of the strokes during training: work_dirs/CONFIG_NAME/snapshots/snapshots.png.
_base_ = './deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
custom_hooks = [
    dict(
        type='sdp_plugin.PredictionSnapshotHook',
        ann_file='ImageSets/Segmentation/train_aug.txt',
        images=[0, 1, 2, 3])
]

# Kather's NCT-CRC-HE-100K, nine classes: a few labelled tiles a class to train on, all of CRC-VAL-HE-7K to test on.
_base_ = './tiles.py'
data_root = 'data'  # holds both folders
num_classes = 9
examples_per_class = 50
normalised = True  # False trains on NCT-CRC-HE-100K-NONORM, the tiles as they were scanned
input_size = 224
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='Resize', scale=input_size),
    dict(type='sdp_plugin.RandomCrop', crop_size=input_size, padding=28, padding_mode='reflect'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='mmseg.RandomRotate', prob=1.0, degree=180.0),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4),
    dict(type='PackInputs')
]
test_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='Resize', scale=input_size),
    dict(type='PackInputs')
]
train_dataloader = dict(
    dataset=dict(
        type='sdp_plugin.NCTCRCDataset',
        data_root=data_root,
        normalised=normalised,
        examples_per_class=examples_per_class,
        pipeline=train_pipeline))
test_dataloader = dict(
    dataset=dict(type='sdp_plugin.NCTCRCDataset', data_root=data_root, pipeline=test_pipeline))
custom_hooks = [dict(type='sdp_plugin.ModelCardHook', input_size=input_size)]

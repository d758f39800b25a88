# Your own tiles: a folder with one folder of images a class. Two of three tiles to train on, the third to test on.
_base_ = './tiles.py'
data_root = 'data/my_tiles'
num_classes = 2
examples_per_class = None  # all; or a number
num_folds = 3
fold = 0
group_pattern = None  # a regular expression whose first group is the patient or slide in a tile's path
input_size = 224
mpp = None  # micrometres a pixel of a tile once it is scaled to input_size; for whole slides
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
        type='sdp_plugin.TileFolderDataset',
        data_root=data_root,
        num_folds=num_folds,
        fold=fold,
        group_pattern=group_pattern,
        examples_per_class=examples_per_class,
        pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=64,
    dataset=dict(
        type='sdp_plugin.TileFolderDataset',
        data_root=data_root,
        num_folds=num_folds,
        fold=fold,
        group_pattern=group_pattern,
        pipeline=test_pipeline))
custom_hooks = [dict(type='sdp_plugin.ModelCardHook', input_size=input_size, mpp=mpp)]

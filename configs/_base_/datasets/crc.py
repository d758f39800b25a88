# Kather's colorectal tiles, eight classes: a few labelled tiles a class from nine folds, tested on the tenth.
_base_ = './tiles.py'
data_root = 'data/Kather_texture_2016_image_tiles_5000'
num_classes = 8
examples_per_class = 12
num_folds = 10
fold = 0
group_by = 'none'  # 'source_image' never splits a source image between folds
input_size = 150
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='Resize', scale=input_size),
    dict(type='sdp_plugin.RandomCrop', crop_size=input_size, padding=19, padding_mode='reflect'),
    *_base_.train_pipeline[3:]
]
test_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='Resize', scale=input_size),
    dict(type='PackInputs')
]
train_dataloader = dict(
    dataset=dict(
        type='sdp_plugin.CRCDataset',
        data_root=data_root,
        num_folds=num_folds,
        fold=fold,
        group_by=group_by,
        examples_per_class=examples_per_class,
        pipeline=train_pipeline))
test_dataloader = dict(
    dataset=dict(
        type='sdp_plugin.CRCDataset',
        data_root=data_root,
        num_folds=num_folds,
        fold=fold,
        group_by=group_by,
        pipeline=test_pipeline))
custom_hooks = [dict(type='sdp_plugin.ModelCardHook', input_size=input_size)]

# PatchCamelyon: a few labelled patches a class to train on, all of the test split to test on.
_base_ = './tiles.py'
data_root = 'data/pcam'
num_classes = 2
examples_per_class = 1000
exclude = None  # 'duplicates.txt' draws no patch that is there twice, or in another split too
input_size = 96
train_pipeline = [
    dict(type='sdp_plugin.LoadPatch'),
    dict(type='Resize', scale=input_size),
    dict(type='sdp_plugin.RandomCrop', crop_size=input_size, padding=12, padding_mode='reflect'),
    *_base_.train_pipeline[3:]
]
test_pipeline = [
    dict(type='sdp_plugin.LoadPatch'),
    dict(type='Resize', scale=input_size),
    dict(type='PackInputs')
]
train_dataloader = dict(
    dataset=dict(
        type='sdp_plugin.PCamDataset',
        data_root=data_root,
        examples_per_class=examples_per_class,
        exclude=exclude,
        pipeline=train_pipeline))
test_dataloader = dict(
    dataset=dict(type='sdp_plugin.PCamDataset', data_root=data_root, pipeline=test_pipeline))
custom_hooks = [dict(type='sdp_plugin.ModelCardHook', input_size=input_size)]

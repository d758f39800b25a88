# Your own tiles: a folder with one folder of images a class. Two of three tiles to train on, the third to test on.
_base_ = './tiles.py'
data_root = 'data/my_tiles'
num_classes = 2
examples_per_class = None  # all; or a number
num_folds = 3
fold = 0
group_pattern = None  # a regular expression whose first group is the patient or slide in a tile's path
mpp = None  # micrometres a pixel of a tile once it is scaled to input_size; for whole slides
train_dataloader = dict(
    dataset=dict(
        type='sdp_plugin.TileFolderDataset',
        data_root=data_root,
        num_folds=num_folds,
        fold=fold,
        group_pattern=group_pattern,
        examples_per_class=examples_per_class,
        pipeline={{_base_.train_pipeline}}))
test_dataloader = dict(
    batch_size=64,
    dataset=dict(
        type='sdp_plugin.TileFolderDataset',
        data_root=data_root,
        num_folds=num_folds,
        fold=fold,
        group_pattern=group_pattern,
        pipeline={{_base_.test_pipeline}}))
custom_hooks = [dict(type='sdp_plugin.ModelCardHook', input_size={{_base_.input_size}}, mpp=mpp)]

# Your own tiles, a folder with one folder of images a class: is scribble pre-training worth it for them? Copy this
# file, or override it: --cfg-options datasets.Tiles.options.data_root=/my/tiles datasets.Tiles.options.num_classes=3
_base_ = '../_base_/grids/paper.py'
name = 'tile_folder'
initialisations = {
    '_delete_': True,
    'Random': dict(),
    'Scribble segmentation': dict(pretraining='scribbles')
    # Without Pascal VOC: a checkpoint that tools/convert_weights.py wrote, from whatever weights.
    # 'Mine': dict(checkpoint='work_dirs/mine.pth')
}
datasets = {
    'Tiles': dict(
        config='finetune/resnet34_1xb32-100e_tile-folder.py',
        examples_per_class=[None],  # all; or numbers, as in [50, 100]
        folds=3,
        options=dict(
            data_root='data/my_tiles',
            num_classes=2,
            # A regular expression whose first group names the patient or slide in a tile's path: none is split.
            group_pattern=None))
}
comparisons = [dict(first='Scribble segmentation', second='Random')]

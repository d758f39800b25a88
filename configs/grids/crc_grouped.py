# CRC with folds that never split a source image: the ten folds are the ten source images, so what is tested comes from
# tissue that was not trained on. Random folds, as in the paper, put tiles of one image on both sides.
_base_ = '../_base_/grids/paper.py'
name = 'crc_grouped'
datasets = {
    'CRC': dict(
        config='finetune/resnet34_1xb32-200e_crc.py',
        examples_per_class=[12, 25, 50],
        folds=10,
        options=dict(group_by='source_image'))
}
comparisons = [
    dict(first='Scribble segmentation', second='Random'),
    dict(first='Scribble segmentation', second='Classification'),
    dict(first='Scribble segmentation', second='Full segmentation', margin={'CRC': 2.0})
]

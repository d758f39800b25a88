# The whole method on small generated data, in minutes on two cores: tools/demo.sh makes the data and runs it.
# Accuracies say that everything works, and nothing about real data.
_base_ = '../_base_/grids/paper.py'
name = 'demo'
# So few steps want other learning rates than 40,000: the segmentors' loss leaps at the published one before it falls,
# the classifier's hardly moves, and each of its steps is a fraction of a segmentor's.
pretrain_options = dict(
    data_root='work_dirs/demo/data/VOCdevkit/VOC2012', crop_size=(65, 65), batch_size=8, num_workers=0)
pretrainings = dict(
    classes=dict(options=dict(max_iters=200, lr=5e-3)),
    masks=dict(options=dict(max_iters=100, lr=1e-4)),
    scribbles=dict(options=dict(max_iters=100, lr=1e-4, scribbles='../../scribbles/pascal_2012')))
# Tiles of 64 pixels take less than half of the time of PCam's 96, and a fifth of that of CRC's 150.
finetune_options = dict(batch_size=16, num_workers=0, lr=3e-4, input_size=64)
datasets = {
    'PCam':
    dict(
        config='finetune/resnet34_1xb32-100e_pcam.py',
        examples_per_class=[20, 60],
        repeats=2,
        options=dict(data_root='work_dirs/demo/data/pcam', max_epochs=6)),
    'CRC':
    dict(
        config='finetune/resnet34_1xb32-200e_crc.py',
        examples_per_class=[12],
        folds=3,
        options=dict(data_root='work_dirs/demo/data/Kather_texture_2016_image_tiles_5000', max_epochs=5))
}

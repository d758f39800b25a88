# The whole method within minutes on two cores: tools/demo.sh makes the data and runs it.
# The scenes are drawn, the tiles real and few: accuracies say that everything works, and nothing about real data sets.
_base_ = '../_base_/grids/paper.py'
name = 'demo'
# 150 steps want another learning rate than 40,000, and its maps of 5 x 5 other dilations and a slower head.
pretrain_options = dict(
    data_root='work_dirs/demo/data/VOCdevkit/VOC2012', crop_size=65, batch_size=8, num_workers=0, max_iters=150,
    lr=3e-3)
_segmentation = {
    'output_stride': 16, 'head_dilations': (1, 2, 3, 4), 'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult': 0.3}
pretrainings = dict(
    classes=dict(config='pretrain/resnet18_1xb10-40k_voc12-classes-321x321.py'),
    masks=dict(
        config='pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-masks-321x321.py', options=_segmentation),
    scribbles=dict(
        config='pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-scribbles-321x321.py',
        options=dict(**_segmentation, scribbles='../../scribbles/pascal_2012')))
finetune_options = dict(batch_size=16, num_workers=0, lr=3e-4)
datasets = {
    'PCam':
    dict(
        config='finetune/resnet18_1xb32-100e_pcam.py',
        examples_per_class=[40],
        repeats=3,
        probes=dict(examples_per_class=[10, 40], repeats=100),
        options=dict(data_root='work_dirs/demo/data/pcam', max_epochs=3)),
    'CRC':
    dict(
        config='finetune/resnet18_1xb32-200e_crc.py',
        examples_per_class=[],  # probes alone
        folds=4,
        probes=dict(examples_per_class=[3, 6], repeats=5),
        options=dict(data_root='work_dirs/demo/data/Kather_texture_2016_image_tiles_5000', max_epochs=5, input_size=96))
}

# The whole method with a ResNet-18, small enough for two cores and an evening: do labels that say where beat those
# that do not, are scribbles as good as masks, where do clicks stand, and does longer pre-training help? The learning
# rate is such that its product with the iterations is the paper's (2.5e-4 x 40,000).
name = 'evidence'
pretrain_options = dict(
    data_root='data/VOCdevkit/VOC2012',
    crop_size=97,
    batch_size=10,
    num_workers=0,
    max_iters=8000,
    lr=1.25e-3,
    test_interval=2000,
)
_classes = 'pretrain/resnet18_1xb10-40k_voc12-classes-321x321.py'
_segmentor = 'pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-{}-321x321.py'
# The trunk's map has 7 x 7 positions here, and 41 x 41 in the paper. Dilations of 6 to 24 would see zeros alone in
# training, and in the test, on whole images, what their weights never learnt from: they are scaled with the map. At
# this rate the loss of a head that learns ten times as fast as the trunk rises several-fold at the start. Both were
# chosen by the loss and mIoU of masks over 1,000 iterations, before any transfer was looked at.
_head_lr = 'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult'
_segmentation = {'output_stride': 16, 'head_dilations': (1, 2, 3, 4), _head_lr: 1.0}
_strokes = dict(scribbles='../../scribbles/pascal_2012')
_short = dict(max_iters=1000, test_interval=500)
pretrainings = {
    'scribbles': dict(config=_segmentor.format('scribbles'), options={**_segmentation, **_strokes}),
    'classes': dict(config=_classes),
    'masks': dict(config=_segmentor.format('masks'), options=_segmentation),
    'clicks': dict(config=_segmentor.format('clicks'), options=_segmentation),
    # Does more pre-training help? The rate times the iterations is the paper's here too.
    'scribbles, 20,000 iterations': dict(
        config=_segmentor.format('scribbles'),
        options={**_segmentation, **_strokes, 'max_iters': 20000, 'lr': 5e-4, 'test_interval': 5000},
    ),
    # The ablations: one change each, planned before any run.
    **{
        f'scribbles, short{change}': dict(
            config=_segmentor.format('scribbles'), options={**_segmentation, **_strokes, **_short, **options}
        )
        for change, options in {
            '': {},
            ', head lr x 10': {_head_lr: 10.0},
            ', all pixels': {'model.decode_head.loss_decode.normalisation': 'all'},
            ', dilations 6 to 24': dict(head_dilations=(6, 12, 18, 24)),
            ', stride 32': dict(output_stride=32),
            ', stride 8': dict(output_stride=8),
        }.items()
    },
}
_arms = {
    'Classification': 'classes',
    'Full segmentation': 'masks',
    'Scribble segmentation': 'scribbles',
    'Click segmentation': 'clicks',
}
_probe = dict(kinds=['probe'])
_anew = dict(batch_norm_images=512)  # Batch-norm statistics estimated anew on unlabelled images of the target.
_suffix = ', batch norm of the target'
_longer = 'Scribble segmentation, 20,000 iterations'
initialisations = {
    'Random': dict(),
    **{arm: dict(pretraining=labels) for arm, labels in _arms.items()},
    f'Random{_suffix}': dict(**_anew, **_probe),
    **{f'{arm}{_suffix}': dict(pretraining=labels, **_anew, **_probe) for arm, labels in _arms.items()},
    # Along the way.
    **{
        f'{arm} at {iteration:,}': dict(pretraining=_arms[arm], iteration=iteration, **_anew, **_probe)
        for arm in ('Classification', 'Scribble segmentation')
        for iteration in (2000, 4000, 6000)
    },
    f'{_longer}{_suffix}': dict(pretraining='scribbles, 20,000 iterations', **_anew, **_probe),
    **{
        f'{_longer} at {iteration:,}': dict(
            pretraining='scribbles, 20,000 iterations', iteration=iteration, **_anew, **_probe
        )
        for iteration in (5000, 10000, 15000)
    },
    **{
        f'Scribble segmentation{name.removeprefix("scribbles")}': dict(pretraining=name, **_anew, **_probe)
        for name in pretrainings
        if 'short' in name
    },
}
finetune_options = dict(num_workers=0)
datasets = {
    'PCam': dict(
        config='finetune/resnet18_1xb32-100e_pcam.py',
        examples_per_class=[100, 500],
        repeats=10,
        probes=dict(examples_per_class=[5, 10, 50, 200, 500, 2000], repeats=100),
        options=dict(data_root='data/pcam', max_epochs=25),
    ),
    'CRC': dict(
        config='finetune/resnet18_1xb32-200e_crc.py',
        examples_per_class=[3, 6],
        folds=10,
        probes=dict(examples_per_class=[3, 6], repeats=10),
        options=dict(data_root='data/Kather_texture_2016_image_tiles_5000', max_epochs=40),
    ),
}
# Margins are set before any run.
_margin = {'PCam': 1.0, 'CRC': 2.0}
comparisons = [
    dict(first='Scribble segmentation', second='Random'),
    dict(first='Scribble segmentation', second='Classification'),
    dict(first='Scribble segmentation', second='Full segmentation', margin=_margin),
    dict(first='Click segmentation', second='Scribble segmentation', margin=_margin),
    *(dict(first=f'{arm}{_suffix}', second=arm) for arm in ('Random', *_arms)),
    dict(first=f'Scribble segmentation{_suffix}', second=f'Classification{_suffix}'),
    *(
        dict(first=f'{arm}{_suffix}', second=f'{arm} at {iteration:,}')
        for arm, iteration in (('Classification', 2000), ('Scribble segmentation', 2000))
    ),
    # Added when the means above were known, before the longer pre-training had begun.
    dict(first=f'Scribble segmentation{_suffix}', second='Random'),
    dict(first=f'{_longer}{_suffix}', second='Random'),
    dict(first=f'{_longer}{_suffix}', second=f'Scribble segmentation{_suffix}'),
]

# Random initialisation against a short pre-training from scribbles, on small parts of the real data: small_grid.sh.
# So little training on so few images says nothing about the method.
name = 'small parts of real data'
pretrainings = dict(
    scribbles=dict(
        config='pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py',
        options={
            'data_root': 'work_dirs/real_small/voc',
            'scribbles': 'scribbles',
            'train_dataloader.dataset.ann_file': 'train.txt',
            'test_dataloader.dataset.ann_file': 'val.txt',
            'max_iters': 200,
            'crop_size': (65, 65),
            'batch_size': 4,
            'num_workers': 0,
            'lr': 2.5e-5,
        },
    )
)
initialisations = {'Random': dict(), 'Scribble segmentation': dict(pretraining='scribbles')}
finetune_options = dict(input_size=48, batch_size=16, num_workers=0, lr=3e-4)
datasets = {
    'PCam': dict(
        config='finetune/resnet34_1xb32-100e_pcam.py',
        examples_per_class=[25, 100],
        repeats=3,
        options=dict(data_root='work_dirs/real_small/data/pcam', max_epochs=8),
    ),
    'CRC': dict(
        config='finetune/resnet34_1xb32-200e_crc.py',
        examples_per_class=[4, 8],
        folds=3,
        options=dict(data_root='work_dirs/real_small/data/Kather_texture_2016_image_tiles_5000', max_epochs=12),
    ),
}
comparisons = [dict(first='Scribble segmentation', second='Random', margin={'PCam': 5.0, 'CRC': 10.0})]

# How little will do? Clicks beside scribbles and full masks, all of the same images.
_base_ = '../_base_/grids/paper.py'
name = 'clicks'
pretrainings = {'clicks': dict(config='pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-clicks-321x321.py')}
initialisations = {
    '_delete_': True,
    'Random': dict(),
    'Click segmentation': dict(pretraining='clicks'),
    'Scribble segmentation': dict(pretraining='scribbles'),
    'Full segmentation': dict(pretraining='masks')
}
datasets = {
    'PCam': dict(config='finetune/resnet34_1xb32-100e_pcam.py', examples_per_class=[1000], repeats=10),
    'CRC': dict(config='finetune/resnet34_1xb32-200e_crc.py', examples_per_class=[12], folds=10)
}
comparisons = [
    dict(first='Click segmentation', second='Random'),
    dict(first='Click segmentation', second='Scribble segmentation', margin={'PCam': 1.0, 'CRC': 2.0}),
    dict(first='Click segmentation', second='Full segmentation', margin={'PCam': 1.0, 'CRC': 2.0})
]

# What grids after Teh and Taylor (ISBI 2022) share: three pre-trainings on Pascal VOC and the four initialisations.
pretrainings = {
    'classes': dict(config='pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py'),
    'masks': dict(config='pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-masks-321x321.py'),
    'scribbles': dict(config='pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py')
}
initialisations = {
    'Random': dict(),
    'Classification': dict(pretraining='classes'),
    'Full segmentation': dict(pretraining='masks'),
    'Scribble segmentation': dict(pretraining='scribbles')
}
# A margin is the difference in points up to which two initialisations count as equivalent. It is set before any run.
comparisons = [
    dict(first='Scribble segmentation', second='Random'),
    dict(first='Scribble segmentation', second='Classification'),
    dict(first='Scribble segmentation', second='Full segmentation', margin={'PCam': 1.0, 'CRC': 2.0})
]

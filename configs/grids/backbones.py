# Does the gain depend on the network? Each backbone of the README from random, full-mask and scribble initialisation.
_base_ = '../_base_/grids/paper.py'
name = 'backbones'
pretrainings = {
    'masks': dict(config='pretrain/{segmentor}_voc12-masks-321x321.py'),
    'scribbles': dict(config='pretrain/{segmentor}_voc12-scribbles-321x321.py')
}
initialisations = {
    '_delete_': True,
    'Random': dict(),
    'Full segmentation': dict(pretraining='masks'),
    'Scribble segmentation': dict(pretraining='scribbles')
}
datasets = {
    'PCam': dict(config='finetune/{classifier}_1xb32-100e_pcam.py', examples_per_class=[1000], repeats=10),
    'CRC': dict(config='finetune/{classifier}_1xb32-200e_crc.py', examples_per_class=[12], folds=10)
}
variants = {
    'ResNet-18': dict(values=dict(segmentor='deeplabv2_r18-d8_1xb10-40k', classifier='resnet18')),
    'ResNet-34': dict(values=dict(segmentor='deeplabv2_r34-d8_1xb10-40k', classifier='resnet34')),
    'ResNet-50': dict(values=dict(segmentor='deeplabv2_r50-d8_1xb10-40k', classifier='resnet50')),
    'ResNet-101': dict(values=dict(segmentor='deeplabv2_r101-d8_1xb10-40k', classifier='resnet101')),
    'ResNeXt-50': dict(values=dict(segmentor='deeplabv2_x50-32x4d-d8_1xb10-40k', classifier='resnext50-32x4d')),
    'HRNet-W18': dict(values=dict(segmentor='fcn_hr18_1xb10-40k', classifier='hrnet-w18')),
    'MobileNetV3': dict(values=dict(segmentor='deeplabv2_m-v3-d8_1xb10-40k', classifier='mobilenet-v3-large')),
    'STDC1': dict(values=dict(segmentor='fcn_stdc1_1xb10-40k', classifier='stdc1')),
    'Swin-T': dict(values=dict(segmentor='upernet_swin-t_1xb10-adamw-40k', classifier='swin-tiny')),
    'ConvNeXt-T': dict(values=dict(segmentor='upernet_convnext-t_1xb10-adamw-40k', classifier='convnext-tiny')),
    'MiT-B0': dict(values=dict(segmentor='segformer_mit-b0_1xb10-adamw-40k', classifier='mit-b0')),
    'MSCAN-T': dict(values=dict(segmentor='segnext_mscan-t_1xb10-adamw-40k', classifier='mscan-t'))
}
comparisons = [
    dict(first='Scribble segmentation', second='Random'),
    dict(first='Scribble segmentation', second='Full segmentation', margin={'PCam': 1.0, 'CRC': 2.0})
]

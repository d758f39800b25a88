_base_ = [
    '../_base_/models/deeplabv2_m-v3-d8.py', '../_base_/datasets/voc12_masks-321x321.py',
    '../_base_/schedules/poly_40k.py', '../_base_/runtimes/pretrain_segmentation.py'
]

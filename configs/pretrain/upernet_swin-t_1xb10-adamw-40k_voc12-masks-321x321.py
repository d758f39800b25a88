_base_ = [
    '../_base_/models/upernet_swin-t.py', '../_base_/datasets/voc12_masks-321x321.py',
    '../_base_/schedules/adamw_poly_40k.py', '../_base_/runtimes/pretrain_segmentation.py'
]

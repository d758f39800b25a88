_base_ = [
    '../_base_/models/deeplabv2_r18-d8.py', '../_base_/datasets/voc12_clicks-321x321.py',
    '../_base_/schedules/poly_40k.py', '../_base_/runtimes/pretrain_segmentation.py'
]

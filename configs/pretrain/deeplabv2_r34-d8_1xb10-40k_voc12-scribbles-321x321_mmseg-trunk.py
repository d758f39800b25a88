# The trunk that MMSegmentation builds from strides (1, 2, 1, 1) and dilations (1, 1, 2, 4).
_base_ = [
    '../_base_/models/deeplabv2_r34-d8_mmseg.py', '../_base_/datasets/voc12_scribbles-321x321.py',
    '../_base_/schedules/poly_40k.py', '../_base_/runtimes/pretrain_segmentation.py'
]

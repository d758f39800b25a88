_base_ = [
    '../_base_/models/resnet18_multilabel.py', '../_base_/datasets/voc12_classes-321x321.py',
    '../_base_/schedules/poly_40k.py', '../_base_/runtimes/pretrain_classification.py'
]

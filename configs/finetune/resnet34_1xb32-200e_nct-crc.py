_base_ = [
    '../_base_/models/resnet34_classifier.py', '../_base_/datasets/nct-crc.py',
    '../_base_/schedules/exponential_200e.py', '../_base_/runtimes/finetune.py'
]

_base_ = [
    '../_base_/models/convnext-tiny_classifier.py', '../_base_/datasets/crc.py',
    '../_base_/schedules/exponential_200e.py', '../_base_/runtimes/finetune.py'
]

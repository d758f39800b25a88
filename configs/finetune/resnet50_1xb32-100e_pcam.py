_base_ = [
    '../_base_/models/resnet50_classifier.py', '../_base_/datasets/pcam.py',
    '../_base_/schedules/exponential_100e.py', '../_base_/runtimes/finetune.py'
]

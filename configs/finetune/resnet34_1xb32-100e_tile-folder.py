_base_ = [
    '../_base_/models/resnet34_classifier.py', '../_base_/datasets/tile_folder.py',
    '../_base_/schedules/exponential_100e.py', '../_base_/runtimes/finetune.py'
]

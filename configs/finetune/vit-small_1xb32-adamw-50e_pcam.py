_base_ = [
    '../_base_/models/vit-small_classifier.py', '../_base_/datasets/pcam.py',
    '../_base_/schedules/adamw-layer-decay_50e.py', '../_base_/runtimes/finetune.py'
]
input_size = 224  # 14 times the patch, as it was trained; 96 works as well, with the table of positions resampled
train_pipeline = [
    _base_.train_pipeline[0],
    dict(type='Resize', scale=input_size),
    dict(type='sdp_plugin.RandomCrop', crop_size=input_size, padding=28, padding_mode='reflect'),
    *_base_.train_pipeline[3:]
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

_base_ = [
    '../_base_/models/vit-small_classifier.py', '../_base_/datasets/pcam.py',
    '../_base_/schedules/adamw-layer-decay_50e.py', '../_base_/runtimes/finetune.py'
]
input_size = 224  # 14 times the patch, as it was trained; 96 works as well, with the table of positions resampled
train_pipeline = [
    dict(type='sdp_plugin.LoadPatch'),
    dict(type='Resize', scale=input_size),
    dict(type='sdp_plugin.RandomCrop', crop_size=input_size, padding=28, padding_mode='reflect'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='mmseg.RandomRotate', prob=1.0, degree=180.0),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4),
    dict(type='PackInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

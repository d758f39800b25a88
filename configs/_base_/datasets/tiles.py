# What fine-tuning on labelled tiles shares, whichever they are: augmentation, loaders and metrics.
input_size = 224
batch_size = 32
num_workers = 2
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='Resize', scale=input_size),
    dict(type='sdp_plugin.RandomCrop', crop_size=input_size, padding=28, padding_mode='reflect'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='mmseg.RandomRotate', prob=1.0, degree=180.0),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4),
    dict(type='PackInputs')
]
test_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='Resize', scale=input_size),
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(split='train', seed=0))
test_dataloader = dict(
    batch_size=128,
    num_workers=num_workers,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', test_mode=True))
test_evaluator = [
    dict(type='Accuracy', topk=(1, )),
    dict(type='sdp_plugin.BalancedAccuracy'),
    dict(type='sdp_plugin.AUROC')
]
custom_hooks = [dict(type='sdp_plugin.ModelCardHook', input_size=input_size)]

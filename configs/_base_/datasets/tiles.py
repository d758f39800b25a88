# What fine-tuning on labelled tiles shares, whichever they are: loaders and metrics.
batch_size = 32
num_workers = 2
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

# lr (1 - iter / max_iters)^0.9; new layers learn ten times as fast as the trunk.
max_iters = 40000
lr = 2.5e-4
optim_wrapper = dict(
    type='sdp_plugin.AutocastOptimWrapper',
    precision='auto',
    optimizer=dict(type='SGD', lr=lr, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head': dict(lr_mult=10.0)}))
# `end` is one more than max_iters, or mmengine's poly decay would end an iteration early.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False)]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters)
test_cfg = dict(type='TestLoop')

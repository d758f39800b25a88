# AdamW, for transformers and other trunks that are not trained with SGD. Rates, decay and warm-up are MMSegmentation's
# for SegFormer (Xie et al. 2021, arXiv 2105.15203) and SegNeXt; those for Swin differ in a head as slow as the trunk,
# those for ConvNeXt in 1e-4, a decay of 0.05 and rates that fall with depth. Iterations are the other backbones'.
max_iters = 40000
lr = 6e-5
optim_wrapper = dict(
    type='sdp_plugin.AutocastOptimWrapper',
    precision='auto',
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={
            'relative_position_bias_table': dict(decay_mult=0.0),
            'head': dict(lr_mult=10.0)
        }))
# Both factors multiply: lr (1 - iter / max_iters), risen to linearly. `end` as in poly_40k.py.
param_scheduler = [
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=0, end=max_iters + 1, by_epoch=False),
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1500, by_epoch=False)
]
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters)
test_cfg = dict(type='TestLoop')

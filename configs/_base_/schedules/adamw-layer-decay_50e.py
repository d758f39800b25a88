# For vision transformers: AdamW, each block at 0.75 of the learning rate of the one above it, no decay of norms, biases
# and positions. The last epoch's weights are tested, none is selected.
_base_ = './exponential_100e.py'
max_epochs = 50
lr = 5e-4
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.05),
    constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.75,
        norm_decay_mult=0.0,
        flat_decay_mult=0.0,
        custom_keys={
            '.cls_token': dict(decay_mult=0.0),
            '.reg_token': dict(decay_mult=0.0),
            '.pos_embed': dict(decay_mult=0.0)
        }))

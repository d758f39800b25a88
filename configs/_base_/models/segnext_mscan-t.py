# SegNeXt-T as in MMSegmentation.
_base_ = './segmentor.py'
model = dict(
    backbone=dict(
        type='MSCAN',
        embed_dims=[32, 64, 160, 256],
        mlp_ratios=[8, 8, 4, 4],
        depths=[3, 3, 5, 2],
        drop_path_rate=0.1,
        norm_cfg={{_base_.norm_cfg}}),
    decode_head=dict(
        type='sdp_plugin.LightHamHead',
        in_channels=[64, 160, 256],
        in_index=[1, 2, 3],
        channels=256,
        ham_channels=256,
        ham_kwargs=dict(MD_S=1, MD_R=16, train_steps=6, eval_steps=7, inv_t=100, rand_init=True),
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg=dict(type='GN', num_groups=32, requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='sdp_plugin.PartialCrossEntropyLoss')))

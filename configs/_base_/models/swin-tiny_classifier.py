# Swin-T. Tiles of 96 pixels give maps smaller than a window, which are padded as MMSegmentation does.
_base_ = './resnet34_classifier.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='SwinTransformer',
        arch=dict(embed_dims=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24]),
        window_size=7,
        pad_small_map=True,
        drop_path_rate=0.2),
    head=dict(in_channels=768))

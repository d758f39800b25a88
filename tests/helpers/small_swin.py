"""A Swin transformer that is small, and draws random numbers while it trains."""

SWIN = 'finetune/swin-tiny_1xb32-100e_pcam.py'
SMALL_SWIN = {
    'small_model': False,
    'model.backbone.arch': dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1]),
    'model.backbone.drop_path_rate': 0.5,
    'model.head.in_channels': 64,
}

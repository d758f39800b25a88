# MMSegmentation's UPerNet on ConvNeXt-T, without the auxiliary head. Nothing here starts from ImageNet, so blocks are
# dropped as often as when training from scratch there (0.1), not as in fine-tuning (0.4).
_base_ = './upernet_swin-t.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.ConvNeXt',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.1,
        layer_scale_init_value=1.0,
        gap_before_final_norm=False))

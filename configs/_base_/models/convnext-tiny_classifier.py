# ConvNeXt-T, normalised before it is pooled, as in the segmentor.
_base_ = './resnet34_classifier.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ConvNeXt',
        arch='tiny',
        out_indices=(3, ),
        drop_path_rate=0.1,
        layer_scale_init_value=1.0,
        gap_before_final_norm=False),
    head=dict(in_channels=768))

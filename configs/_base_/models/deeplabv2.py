# DeepLabV2 without its trunk.
_base_ = './segmentor.py'
# For output stride 8. At another stride the same dilations span other distances in the image: (3, 6, 9, 12) at 16 and
# (2, 3, 5, 6) at 32 see about what these see at 8. Nothing changes them by itself.
head_dilations = (6, 12, 18, 24)
model = dict(
    decode_head=dict(
        type='sdp_plugin.DeepLabV2Head',
        in_channels=512,
        in_index=3,
        num_classes=21,
        dilations=head_dilations,
        align_corners=True,
        loss_decode=dict(type='sdp_plugin.PartialCrossEntropyLoss', normalisation='labelled')))

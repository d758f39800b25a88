# Fine-tuning by epochs, from an initialisation.
_base_ = './default.py'
default_scope = 'mmpretrain'
initialisation = ''  # a file that tools/convert_weights.py wrote; empty is random
checkpoint_minutes = 5  # at the end of an epoch; so much a killed training loses at most, beside that epoch
batch_norm_images = 0  # so many unlabelled training images give batch norms new statistics before the first iteration
default_hooks = dict(
    logger=dict(ignore_last=False),  # a line an epoch, from loops that report once an epoch
    initialisation=dict(
        type='sdp_plugin.InitialisationHook', checkpoint=initialisation, batch_norm_images=batch_norm_images),
    checkpoint=dict(
        type='sdp_plugin.TimedCheckpointHook',
        by_epoch=True,
        interval=10,
        minutes=checkpoint_minutes,
        max_keep_ckpts=2))

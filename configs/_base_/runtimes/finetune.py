# Fine-tuning by epochs, from an initialisation.
_base_ = './default.py'
default_scope = 'mmpretrain'
initialisation = ''  # a file that tools/convert_weights.py wrote; empty is random
default_hooks = dict(
    logger=dict(ignore_last=False),  # a line an epoch, from loops that report once an epoch
    initialisation=dict(type='sdp_plugin.InitialisationHook', checkpoint=initialisation),
    checkpoint=dict(type='CheckpointHook', by_epoch=True, interval=10, max_keep_ckpts=2))

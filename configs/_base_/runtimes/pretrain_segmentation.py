# Pre-training by iterations. Two checkpoints are kept, so that one is complete while the next is written.
_base_ = './default.py'
default_scope = 'mmseg'
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)

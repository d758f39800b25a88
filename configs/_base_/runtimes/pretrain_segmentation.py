# Pre-training by iterations. Two checkpoints are kept, so that one is complete while the next is written.
_base_ = './default.py'
default_scope = 'mmseg'
precision = 'auto'  # bfloat16 where the device computes it in hardware; or 'float32', 'bfloat16'
channels_last = True
compile_backbone = False  # a minute or more at the start, and a C++ compiler
default_hooks = dict(
    runtime_info=dict(type='sdp_plugin.DeferredRuntimeInfoHook'),
    prepare_model=dict(
        type='sdp_plugin.PrepareModelHook', channels_last=channels_last, compile_backbone=compile_backbone),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2000, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)

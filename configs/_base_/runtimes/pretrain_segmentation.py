# Pre-training by iterations. Two checkpoints are kept, whichever of the two intervals they were due by.
_base_ = './default.py'
default_scope = 'mmseg'
precision = 'auto'  # bfloat16 where the device computes it in hardware; or 'float32', 'bfloat16'
channels_last = True
compile_backbone = False  # a minute or more at the start, and a C++ compiler
checkpoint_minutes = 5  # so much a killed training loses at most; None: by iterations alone
test_interval = 0  # iterations between two tests along the training; 0: at its end alone
default_hooks = dict(
    seed_iterations=dict(type='sdp_plugin.IterationSeedHook'),
    runtime_info=dict(type='sdp_plugin.DeferredRuntimeInfoHook'),
    prepare_model=dict(
        type='sdp_plugin.PrepareModelHook', channels_last=channels_last, compile_backbone=compile_backbone),
    trunks=dict(type='sdp_plugin.KeepTrunksHook', iterations=[]),  # those of a grid's initialisations
    periodic_test=dict(type='sdp_plugin.PeriodicTestHook', interval=test_interval),
    checkpoint=dict(
        type='sdp_plugin.TimedCheckpointHook',
        by_epoch=False,
        interval=2000,
        minutes=checkpoint_minutes,
        max_keep_ckpts=2))
log_processor = dict(by_epoch=False)

# Adam, the learning rate times 0.94 after each epoch; the last epoch's weights are tested, none is selected.
max_epochs = 100
lr = 1e-4
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=lr))
param_scheduler = [dict(type='ExponentialLR', gamma=0.94, by_epoch=True)]
in_memory = True  # False: MMEngine's own loops, batch by batch from data loaders
precision = 'auto'  # bfloat16 where the device computes it in hardware; or 'float32', 'bfloat16'
train_cfg = dict(
    type='sdp_plugin.InMemoryTrainLoop', max_epochs=max_epochs, in_memory=in_memory, precision=precision)
test_cfg = dict(type='sdp_plugin.InMemoryTestLoop', in_memory=in_memory, precision=precision)

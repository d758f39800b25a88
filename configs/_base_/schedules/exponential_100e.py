# Adam, the learning rate times 0.94 after each epoch; the last epoch's weights are tested, none is selected.
max_epochs = 100
lr = 1e-4
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=lr))
param_scheduler = [dict(type='ExponentialLR', gamma=0.94, by_epoch=True)]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)
test_cfg = dict(type='TestLoop')

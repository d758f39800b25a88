_base_ = './exponential_100e.py'
max_epochs = 200
train_cfg = dict(max_epochs=max_epochs)

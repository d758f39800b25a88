_base_ = './resnet34_classifier.py'
model = dict(backbone=dict(depth=50), head=dict(in_channels=2048))

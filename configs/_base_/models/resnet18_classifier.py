_base_ = './resnet34_classifier.py'
model = dict(backbone=dict(depth=18))

_base_ = './resnet34_multilabel.py'
model = dict(backbone=dict(depth=18))

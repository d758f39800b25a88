_base_ = './resnet50_classifier.py'
model = dict(backbone=dict(depth=101))

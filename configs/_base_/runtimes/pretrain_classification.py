_base_ = './pretrain_segmentation.py'
default_scope = 'mmpretrain'

# The paper's Table 1: 3 pre-trainings and 240 fine-tunings. On CRC the ten repeats are the ten folds.
_base_ = '../_base_/grids/paper.py'
name = 'table1'
datasets = {
    'PCam': dict(config='finetune/resnet34_1xb32-100e_pcam.py', examples_per_class=[1000, 2000, 3000], repeats=10),
    'CRC': dict(config='finetune/resnet34_1xb32-200e_crc.py', examples_per_class=[12, 25, 50], folds=10)
}
published = 'teh2022'

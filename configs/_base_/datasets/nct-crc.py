# Kather's NCT-CRC-HE-100K, nine classes: a few labelled tiles a class to train on, all of CRC-VAL-HE-7K to test on.
_base_ = './tiles.py'
data_root = 'data'  # holds both folders
num_classes = 9
examples_per_class = 50
normalised = True  # False trains on NCT-CRC-HE-100K-NONORM, the tiles as they were scanned
train_dataloader = dict(
    dataset=dict(
        type='sdp_plugin.NCTCRCDataset',
        data_root=data_root,
        normalised=normalised,
        examples_per_class=examples_per_class,
        pipeline={{_base_.train_pipeline}}))
test_dataloader = dict(
    dataset=dict(type='sdp_plugin.NCTCRCDataset', data_root=data_root, pipeline={{_base_.test_pipeline}}))

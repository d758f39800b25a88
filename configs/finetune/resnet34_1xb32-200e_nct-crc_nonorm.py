# Trained on the tiles as they were scanned; the test set is the same.
_base_ = './resnet34_1xb32-200e_nct-crc.py'
normalised = False

# Pascal VOC 2012: train_aug with people's clicks as dots of line_width pixels, val with full masks to test on.
# The clicks ("What's the Point") are strokes of one point, written by tools/prepare_data.py clicks.
_base_ = './voc12_scribbles-321x321.py'
scribbles = '../../clicks/pascal_2012'

# The same crops by ordinary transforms and MMPretrain's collation: slower, and a place for transforms of your own.
_base_ = './resnet34_1xb10-40k_voc12-classes-321x321.py'
decode_first = False
train_pipeline = [
    dict(type='sdp_plugin.LoadImage'),
    dict(type='sdp_plugin.LoadMask'),
    dict(type='sdp_plugin.ClassLabelsFromMask'),
    dict(type='sdp_plugin.RandomRescale', ratio_range=(0.5, 1.5)),
    dict(type='sdp_plugin.RandomLabelledCrop', crop_size={{_base_.crop_size}}, min_labelled=0),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackInputs')
]
train_dataloader = dict(
    collate_fn=dict(type='pseudo_collate'), dataset=dict(decode_first=decode_first, pipeline=train_pipeline))

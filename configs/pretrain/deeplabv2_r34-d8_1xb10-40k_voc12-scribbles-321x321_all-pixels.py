# Equation 1 of the paper taken literally: the loss is divided by all pixels, labelled or not.
_base_ = './deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
model = dict(decode_head=dict(loss_decode=dict(normalisation='all')))

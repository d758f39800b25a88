# The head of some public code, which returns inside its loop and sums only the first two branches.
_base_ = './deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
head_dilations = (6, 12)

# A giant of 1.1 billion weights in the layout of H-optimus-0 and -1, kept as it is: only the head learns. Its file is
# given by initialisation=PATH; frozen=False trains all of it, on a GPU that has the memory.
_base_ = './vit-small_1xb32-adamw-50e_pcam.py'
data_preprocessor = dict(mean=[180.341865, 147.575895, 179.422335], std=[54.030165, 58.679835, 45.266835])
model = dict(
    backbone=dict(
        model='vit_giant_patch14_reg4_dinov2', arguments=dict(img_size=224, init_values=1e-5), frozen=True),
    head=dict(in_channels=1536))

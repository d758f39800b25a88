# What the paper leaves open: does the outcome hang on a choice that it does not state? One change at a time.
_base_ = '../_base_/grids/paper.py'
name = 'protocol'
datasets = {
    'PCam': dict(config='finetune/resnet34_1xb32-100e_pcam.py', examples_per_class=[1000], repeats=10),
    'CRC': dict(config='finetune/resnet34_1xb32-200e_crc.py', examples_per_class=[12], folds=10)
}
variants = {
    '': dict(),
    'batch size 16': dict(finetune_options=dict(batch_size=16)),
    'batch size 64': dict(finetune_options=dict(batch_size=64)),
    'batch size 128': dict(finetune_options=dict(batch_size=128)),
    # The authors' later code resized to 224 pixels first. The margin of the random crop grows with the tile.
    'input size 224': dict(
        finetune_options={'input_size': 224, 'train_dataloader.dataset.pipeline.RandomCrop.padding': 28},
        datasets=['PCam']),
    # Equation 1 taken literally.
    'loss over all pixels': dict(
        pretrain_options={'model.decode_head.loss_decode.normalisation': 'all'},
        initialisations=['Random', 'Full segmentation', 'Scribble segmentation']),
    'weight decay 5e-4': dict(finetune_options={'optim_wrapper.optimizer.weight_decay': 5e-4}),
    # A linear probe: what the pre-trained features are worth as they are.
    'frozen backbone': dict(
        finetune_options={'model.backbone.frozen_stages': 4, 'model.backbone.norm_eval': True})
}

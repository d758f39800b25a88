# Why not a foundation model? Frozen probes of the paper's initialisations, and of any foundation model whose file you
# have, on the same draws. A row more for each: --cfg-options initialisations.UNI.card=uni
# initialisations.UNI.checkpoint=/models/uni/pytorch_model.bin; sdp_plugin/catalogue/foundation_models.py has the cards.
_base_ = '../_base_/grids/paper.py'
name = 'foundation'
metric = 'single-label/balanced-accuracy'
published = 'eva'
initialisations = {
    # ImageNet weights as torchvision, timm or MMPretrain's zoo publish them need no card.
    # 'ImageNet': dict(checkpoint='/models/resnet34-b627a593.pth')
}
datasets = {
    'PCam':
    dict(
        config='finetune/resnet34_1xb32-100e_pcam.py',
        examples_per_class=[],
        probes=dict(
            examples_per_class=[1, 10, 100, 1000],
            classifiers=['logistic regression', 'SimpleShot', 'k-NN'],
            repeats=50)),
    'CRC':
    dict(
        config='finetune/resnet34_1xb32-200e_crc.py',
        examples_per_class=[],
        folds=10,
        probes=dict(
            examples_per_class=[1, 12, 25, 50],
            classifiers=['logistic regression', 'SimpleShot', 'k-NN'],
            repeats=5))
}

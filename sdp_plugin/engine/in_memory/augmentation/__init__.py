"""The fine-tuning configs' augmentation for images that are in memory: same distribution, a fraction of the time.

loading, settings = settings_from_pipeline(cfg.train_dataloader.dataset.pipeline)
augment = BatchAugmentation(settings)
parameters = draw_parameters(settings, len(images), height, width, seed, epoch)    # once an epoch
batch = augment(images[indices], parameters[indices])
"""

from sdp_plugin.engine.in_memory.augmentation.batch_augmentation import BatchAugmentation
from sdp_plugin.engine.in_memory.augmentation.from_pipeline import AugmentationSettings, settings_from_pipeline
from sdp_plugin.engine.in_memory.augmentation.parameters import AugmentationParameters, draw_parameters

__all__ = [
    'AugmentationParameters',
    'AugmentationSettings',
    'BatchAugmentation',
    'draw_parameters',
    'settings_from_pipeline',
]

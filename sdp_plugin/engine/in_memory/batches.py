"""The batches of an epoch and of a test: chosen, augmented and normalised on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sdp_plugin.engine.in_memory.augmentation import AugmentationSettings, BatchAugmentation, draw_parameters
from sdp_plugin.engine.in_memory.images import ImagesInMemory
from sdp_plugin.transfer import on_device

IMAGES_AT_ONCE = {'cuda': 2048, 'cpu': 1}
"""How many images to augment at once, at least a batch. On a GPU the launches of many small kernels cost most; on a CPU
a batch stays in its caches."""


class TrainingBatches:
    """The batches of an epoch, augmented and normalised on the device.

    Args:
        loader (DataLoader): Gives the sampler, the batch size and whether a smaller last batch is dropped.
        images (ImagesInMemory): The images.
        augmentation (AugmentationSettings): The random part of the pipeline.
        normalise (InputNormalisation): What makes inputs of images.
        seed (int): The seed of the run.
    """

    def __init__(
        self,
        loader: DataLoader,
        images: ImagesInMemory,
        augmentation: AugmentationSettings,
        normalise: InputNormalisation,
        seed: int,
    ) -> None:
        self.loader = loader
        self.images = images
        self.settings = augmentation
        self.device = images.labels.device
        self.seed = seed
        self._augment = BatchAugmentation(augmentation, threads=torch.get_num_threads())
        self._normalise = normalise

    def of_epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch.

        Yields:
            tuple[Tensor, Tensor]: Inputs, shape (n, 3, H, W), and int64 labels, shape (n,).
        """
        order = np.array(list(self.loader.sampler))
        height, width = self.images.images.shape[1:3]
        parameters = draw_parameters(self.settings, len(self.images), height, width, self.seed, epoch)
        in_epoch = len(self.loader) * self.loader.batch_size
        a_chunk = max(IMAGES_AT_ONCE.get(self.device.type, 1) // self.loader.batch_size, 1) * self.loader.batch_size
        for start in range(0, min(in_epoch, len(order)), a_chunk):
            chosen = order[start : min(start + a_chunk, in_epoch)]
            positions = torch.from_numpy(chosen)
            inputs = self._normalise(self._augment(self.images.batch(positions), parameters[chosen]))
            labels = self.images.labels.index_select(0, on_device(positions, self.device))
            yield from zip(inputs.split(self.loader.batch_size), labels.split(self.loader.batch_size), strict=True)


class InputNormalisation:
    """What the data preprocessor of a classifier does to images, for a batch on the device.

    Args:
        model (nn.Module): The classifier, whose weights give the type.
        memory_format (torch.memory_format): Of the inputs. Defaults to channels_last.
    """

    def __init__(self, model: nn.Module, memory_format: torch.memory_format = torch.channels_last) -> None:
        self.memory_format = memory_format
        preprocessor = model.data_preprocessor
        self.dtype = next(model.parameters()).dtype
        self.flips_channels = preprocessor.to_rgb
        self.mean = self.std = None
        if preprocessor._enable_normalize:
            self.mean, self.std = preprocessor.mean.to(self.dtype), preprocessor.std.to(self.dtype)

    def __call__(self, images: Tensor) -> Tensor:
        """Normalise BGR images, uint8 of shape (n, H, W, 3); the result has shape (n, 3, H, W)."""
        inputs = images.permute(0, 3, 1, 2)
        if self.flips_channels:
            inputs = inputs.flip(1)
        inputs = inputs.to(self.dtype, memory_format=self.memory_format)
        return inputs if self.mean is None else inputs.sub_(self.mean).div_(self.std)

"""The augmentation of a batch, on whatever device it lies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from sdp_plugin.engine.in_memory.augmentation import batched, opencv
from sdp_plugin.engine.in_memory.augmentation.from_pipeline import AugmentationSettings
from sdp_plugin.engine.in_memory.augmentation.parameters import AugmentationParameters


class BatchAugmentation:
    """Augment batches of images: with OpenCV on a CPU, with torch elsewhere.

    Args:
        settings (AugmentationSettings): What to do, see :func:`settings_from_pipeline`.
        threads (int): On a CPU, threads that share a batch. Defaults to 1.
        chunk (int): On another device, images to work on at once. Defaults to 1024.
    """

    def __init__(self, settings: AugmentationSettings, threads: int = 1, chunk: int = batched.CHUNK) -> None:
        self.settings = settings
        self.threads = threads
        self.chunk = chunk
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __call__(self, images: Tensor, parameters: AugmentationParameters) -> Tensor:
        """Augment a batch.

        Args:
            images (Tensor): uint8, shape (N, H, W, 3), BGR, contiguous.
            parameters (AugmentationParameters): N entries, drawn with the same settings for H and W.

        Returns:
            Tensor: uint8, shape (N, crop height, crop width, 3), BGR, contiguous, on the device of ``images``;
            ``permute(0, 3, 1, 2)`` makes it a batch in channels_last without a copy. It is ``images`` itself where
            the settings change nothing.
        """
        if self.settings.is_identity:
            return images
        if images.device.type != 'cpu':
            return batched.augment(images, parameters, self.settings, self.chunk)
        out = images.new_empty((len(images), *self._output_size(images), 3))
        opencv.augment(images.numpy(), parameters, self.settings, out.numpy(), self._pool, self.threads)
        return out

    def _output_size(self, images: Tensor) -> tuple[int, int]:
        left, top, right, bottom = self.settings.padding
        return self.settings.output_size(images.shape[1] + top + bottom, images.shape[2] + left + right)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.settings}, threads={self.threads}, chunk={self.chunk})'

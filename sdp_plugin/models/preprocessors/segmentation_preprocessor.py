"""From bytes to what a segmentor takes, a batch at once."""

from __future__ import annotations

from mmseg.models import SegDataPreProcessor
from torch import Tensor
from torch.nn import functional

from sdp_plugin.datasets.transforms.packing import labelled_sample
from sdp_plugin.models.preprocessors.byte_images import as_floats
from sdp_plugin.registry import MODELS
from sdp_plugin.transfer import on_device


@MODELS.register_module()
class SegmentationPreprocessor(SegDataPreProcessor):
    """MMSegmentation's ``SegDataPreProcessor``, which also takes whole batches of bytes.

    Batches of :func:`collate_bytes` go to the device as bytes and are reordered, normalised and padded there, all
    images at once. Lists of images, as in testing, are treated as before.

    Args:
        size (int | tuple[int, int] | None): Height and width that training images are padded to. Defaults to None.
        **kwargs: Of :class:`mmseg.models.SegDataPreProcessor`.
    """

    def __init__(self, size: int | tuple[int, int] | None = None, **kwargs) -> None:
        super().__init__(size=(size, size) if isinstance(size, int) else size, **kwargs)
        # The parent keeps it under different names in the forks and upstream.
        self._swaps_channels = bool(kwargs.get('bgr_to_rgb') or kwargs.get('rgb_to_bgr'))
        # Lists of images whose memory the data loader has pinned are copied while the host goes on.
        self._non_blocking = True

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and pad.

        Args:
            data (dict): ``inputs``, a list of images or a uint8 tensor (N, 3, H, W), and ``data_samples``.
            training (bool): Whether the images are padded to ``size``. Defaults to False.

        Returns:
            dict: ``inputs``, float32, shape (N, 3, H, W), and ``data_samples``, a list of N samples.
        """
        if not isinstance(data['inputs'], Tensor):
            return super().forward(data, training)
        mean, std = (self.mean, self.std) if self._enable_normalize else (None, None)
        images = as_floats(on_device(data['inputs'], self.device), self._swaps_channels, mean, std)
        labels = on_device(data['data_samples']['labels'], self.device).long()
        metas = data['data_samples']['metas']
        padding = self._padding(images)
        if any(padding):
            images = functional.pad(images, padding, value=self.pad_val)
            labels = functional.pad(labels, padding, value=self.seg_pad_val)
        shape = dict(pad_shape=tuple(labels.shape[-2:]), padding_size=padding)
        samples = [labelled_sample(label, {**meta, **shape}) for label, meta in zip(labels, metas, strict=True)]
        return dict(inputs=images, data_samples=samples)

    def _padding(self, images: Tensor) -> tuple[int, int, int, int]:
        shape = images.shape[-2:]
        divisor = self.size_divisor or 1
        height, width = self.size or (-(-length // divisor) * divisor for length in shape)
        return (0, max(0, width - shape[1]), 0, max(0, height - shape[0]))

"""From bytes to what a classifier of several classes an image takes, a batch at once."""

from __future__ import annotations

from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample
from torch import Tensor

from sdp_plugin.errors import UserError
from sdp_plugin.models.preprocessors.byte_images import as_floats
from sdp_plugin.registry import MODELS
from sdp_plugin.transfer import on_device


@MODELS.register_module()
class MultiLabelPreprocessor(ClsDataPreprocessor):
    """MMPretrain's ``ClsDataPreprocessor``, which also takes whole batches of bytes with their classes.

    Batches of :func:`collate_class_labels` go to the device as bytes and are reordered and normalised there, all images
    at once, to the same floats. Other batches are treated as before.

    Args:
        **kwargs: Of :class:`mmpretrain.models.ClsDataPreprocessor`, without ``pad_size_divisor`` and
            ``batch_augments``.

    Raises:
        UserError: If images are to be padded or mixed, which whole batches of bytes are not.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        if self.pad_size_divisor > 1 or self.batch_augments is not None:
            raise UserError(
                'MultiLabelPreprocessor neither pads nor mixes images.',
                found=f'pad_size_divisor={self.pad_size_divisor}, batch_augments={kwargs.get("batch_augments")}',
                remedy="use type='ClsDataPreprocessor', with PackInputs and pseudo_collate in the train_dataloader",
            )

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise the images and hand the classes on.

        Args:
            data (dict): ``inputs``, uint8, shape (N, 3, H, W), and ``data_samples``, float32, shape (N, C), one for
                each class that is there; or what the parent takes.
            training (bool): As the parent takes it. Defaults to False.

        Returns:
            dict: ``inputs``, float32, shape (N, 3, H, W), and ``data_samples``, a list of N samples with ``gt_score``.
        """
        scores = data.get('data_samples')
        if not isinstance(scores, Tensor):
            return super().forward(data, training)
        mean, std = (self.mean, self.std) if self._enable_normalize else (None, None)
        images = as_floats(on_device(data['inputs'], self.device), self.to_rgb, mean, std)
        samples = [DataSample().set_gt_score(score) for score in on_device(scores, self.device)]
        return dict(inputs=images, data_samples=samples)

"""A fine-tuned classifier, from its checkpoint alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.device import get_device
from mmpretrain.models import ImageClassifier
from scipy.special import softmax

from sdp_plugin.checkpoints.building import build_model
from sdp_plugin.checkpoints.reading import check_finite, config_of, load_checkpoint, model_of, state_dict_of
from sdp_plugin.checkpoints.records import model_card_of
from sdp_plugin.errors import UserError


@dataclass(frozen=True)
class Classifier:
    """A fine-tuned network and what its checkpoint says of its input and output.

    Args:
        model (ImageClassifier): The network, in evaluation mode.
        classes (tuple[str, ...]): Class names.
        input_size (tuple[int, int]): Height and width of the tiles that it was tested on, in pixels.
        mpp (float | None): Micrometres a pixel of these tiles, where the checkpoint says it.
    """

    model: ImageClassifier
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    mpp: float | None = None

    @torch.no_grad()
    def logits(self, tiles: Sequence[np.ndarray]) -> np.ndarray:
        """Classify tiles.

        Args:
            tiles (Sequence[np.ndarray]): BGR images of ``input_size``, uint8, shape (H, W, 3) each.

        Returns:
            np.ndarray: What the network gives before the softmax, float32, shape (N, C).
        """
        return self.model(self.normalised(tiles), mode='tensor').float().cpu().numpy()

    def normalised(self, tiles: Sequence[np.ndarray]) -> torch.Tensor:
        """Tiles as the network takes them: float32, shape (N, 3, H, W), on its device."""
        batch = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
        return self.model.data_preprocessor(dict(inputs=list(batch)))['inputs']

    def probabilities(self, tiles: Sequence[np.ndarray]) -> np.ndarray:
        """As :meth:`logits`, after the softmax."""
        return softmax(self.logits(tiles), axis=1)


def load_classifier(path: str | Path, trusted: bool = False) -> Classifier:
    """Build the classifier that a checkpoint describes and give it all its weights.

    Args:
        path (str | Path): A checkpoint of a fine-tuning.
        trusted (bool): Whether the file may run code while it is read and built. Defaults to False.

    Raises:
        UserError: If the file is no checkpoint, or none of a fine-tuning by this plugin.
    """
    checkpoint = load_checkpoint(path, trusted=trusted)
    card = model_card_of(checkpoint, path)
    weights = state_dict_of(checkpoint)
    check_finite(weights, path)
    cfg = config_of(checkpoint)
    model_cfg = model_of(cfg)
    if 'data_preprocessor' in cfg:
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = build_model(model_cfg, 'mmpretrain', trusted)
    if not isinstance(model, ImageClassifier):
        raise UserError(f'{path} is no classifier.', looked_for='an ImageClassifier', found=f'a {type(model).__name__}')
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise UserError(
            'The weights in the checkpoint are not those of the network that its config describes.',
            found=f'{path}: {str(error)[:2000]}',
        ) from error
    outputs = getattr(model.head, 'num_classes', None)
    if outputs is not None and outputs != len(card.classes):
        raise UserError(
            'The network and the names of its classes do not belong together.',
            looked_for=f'{outputs} names, one for each output',
            found=f"{len(card.classes)} in meta['model_card'] of {path}",
        )
    model.to(get_device()).eval()
    return Classifier(model, card.classes, card.input_size, card.mpp)

"""Where in a tile a classifier sees a class: Grad-CAM (Selvaraju et al., ICCV 2017), by the package grad-cam."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sdp_plugin.apis.predict import Classifier
from sdp_plugin.errors import UserError


class ClassActivation:
    """Class activation maps of the deepest feature map of a classifier's backbone.

    Args:
        classifier (Classifier): The classifier.

    Raises:
        UserError: If grad-cam is not installed, or no part of the backbone gives a map of features (N, C, H, W) of
            more than one pixel.
    """

    def __init__(self, classifier: Classifier) -> None:
        try:
            from pytorch_grad_cam import GradCAM
            from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
        except ImportError as error:
            raise UserError(
                'Class activation maps need grad-cam.', found=error, remedy="pip install '.[export]'"
            ) from None
        self.classifier = classifier
        self._target = ClassifierOutputTarget
        self._cam = GradCAM(_Logits(classifier.model), [_deepest_map(classifier)])

    def __call__(self, tile: np.ndarray, class_index: int) -> np.ndarray:
        """The map of a class.

        Args:
            tile (np.ndarray): (H, W, 3) uint8, RGB, of the classifier's size.
            class_index (int): The class.

        Returns:
            np.ndarray: (H, W) float32: 0 where nothing speaks for the class, 1 where most does.
        """
        inputs = self.classifier.normalised([tile[..., ::-1]])
        return self._cam(inputs, [self._target(class_index)])[0].astype(np.float32)


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.model(inputs, mode='tensor')


def _deepest_map(classifier: Classifier) -> nn.Module:
    """The last child of the backbone, or of one of its stages, whose output is a map."""
    last: list[nn.Module] = []

    def note(module: nn.Module, _: tuple, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
            last[:] = [module]

    modules = [module for module in classifier.model.backbone.modules() if module is not classifier.model.backbone]
    handles = [module.register_forward_hook(note) for module in modules]
    try:
        classifier.logits([np.zeros((*classifier.input_size, 3), np.uint8)])
    finally:
        for handle in handles:
            handle.remove()
    if not last:
        raise UserError(
            'The network has no map of features to show.',
            looked_for='an output of shape (N, C, H, W) in its backbone',
            remedy='leave --cam out',
        )
    return last[0]

"""What computes features: the network of a classifier up to its last layer, whose weights stay as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmengine.runner import set_random_seed
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from sdp_plugin.conversion.initialise import load_initialisation
from sdp_plugin.engine.construction import faults_of
from sdp_plugin.engine.precision import autocast, autocast_type
from sdp_plugin.engine.target_statistics import reestimate_on_target
from sdp_plugin.errors import UserError
from sdp_plugin.probes.all_images import DIGITS


class FrozenNetwork:
    """A classifier's network up to its last layer, in evaluation mode.

    Args:
        cfg (Config): A config of a classifier.
        initialisation (str | Path | None): A converted checkpoint; None is a random network of the config's seed.
    """

    def __init__(self, cfg: Config, initialisation: str | Path | None) -> None:
        self.device = torch.device(get_device())
        self.model = _built_classifier(cfg)
        if initialisation:
            load_initialisation(self.model, initialisation)
        self.model.to(self.device, memory_format=torch.channels_last).eval()
        if count := cfg.get('batch_norm_images'):
            print_log(reestimate_on_target(self.model, cfg, count), logger='current')
            self.model.eval()
        self.precision = autocast_type((cfg.get('test_cfg') or {}).get('precision', 'float32'), self.model, self.device)
        self.digest = _digest_of_weights(self.model)

    @torch.inference_mode()
    def features_of(self, batches: Iterator[Tensor]) -> np.ndarray:
        """The features of batches of images.

        Args:
            batches (Iterator[Tensor]): uint8, shape (n, 3, H, W) each, BGR.

        Returns:
            np.ndarray: float32, shape (N, D).

        Raises:
            UserError: Features are not finite, or not one vector an image.
        """
        found = []
        for batch in batches:
            inputs = self.model.data_preprocessor({'inputs': list(batch)})['inputs']
            with autocast(self.precision, self.device):
                outputs = self.model.extract_feat(inputs.to(memory_format=torch.channels_last), stage='neck')
            features = outputs[-1] if isinstance(outputs, tuple | list) else outputs
            if features.ndim != 2:
                raise UserError(
                    'The network gives no feature vector for an image.',
                    looked_for='shape (N, D) after its neck',
                    found=f'shape {tuple(features.shape)}',
                    remedy='give the classifier a neck that pools, such as GlobalAveragePooling',
                )
            found.append(features.float().cpu().numpy())
        features = np.concatenate(found)
        if not np.isfinite(features).all():
            raise UserError(
                'Features are not finite.',
                found=f'{(~np.isfinite(features)).any(axis=1).sum()} of {len(features)} images',
                remedy='the weights are damaged, or of a training that diverged',
            )
        return features


def _built_classifier(cfg: Config) -> ImageClassifier:
    model_cfg = dict(cfg.model)
    if 'data_preprocessor' in cfg:
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    set_random_seed((cfg.get('randomness') or {}).get('seed') or 0)
    with faults_of(cfg), DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(model_cfg)
        model.init_weights()
    return model


def _digest_of_weights(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if not name.startswith('head.'):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:DIGITS]

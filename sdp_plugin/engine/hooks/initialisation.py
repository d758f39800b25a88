"""Hooks that start a classifier from converted weights and describe it in its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from sdp_plugin import __version__
from sdp_plugin.conversion.initialise import load_initialisation
from sdp_plugin.engine.target_statistics import reestimate_on_target
from sdp_plugin.registry import HOOKS


@HOOKS.register_module()
class InitialisationHook(Hook):
    """Give a classifier's backbone the weights of a converted checkpoint, every tensor of it.

    mmengine's own ``init_cfg=dict(type='Pretrained', prefix=...)`` only logs what it leaves out. Here a tensor that
    is missing, left over or of another shape ends the run. A resumed run keeps the weights it resumes from.

    Args:
        checkpoint (str): File written by ``tools/convert_weights.py``. Empty keeps the random initialisation.
            Defaults to ``''``.
        batch_norm_images (int): From how many unlabelled images of the training part the statistics of batch norms
            are estimated anew, of a random initialisation too. 0 keeps those of the checkpoint. Defaults to 0.
    """

    priority = 'VERY_HIGH'

    def __init__(self, checkpoint: str = '', batch_norm_images: int = 0) -> None:
        self.checkpoint = checkpoint
        self.batch_norm_images = batch_norm_images

    def before_train(self, runner: Runner) -> None:
        """Load the weights before the first iteration; ``before_run`` would come before testing, too."""
        if runner.iter > 0:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if self.checkpoint:
            load_initialisation(model, self.checkpoint)
        runner.logger.info(f'Initialisation: {self.checkpoint or "random"}')
        if self.batch_norm_images:
            runner.logger.info(reestimate_on_target(model, runner.cfg, self.batch_norm_images))


@HOOKS.register_module()
class ModelCardHook(Hook):
    """Write into each checkpoint what it takes to apply the classifier to new images.

    ``meta['model_card']`` holds plain values: ``classes``, ``input_size`` (height, width), ``mpp`` (micrometres a pixel
    of an image of that size, or None), ``mean`` and ``std`` in the order of the network's channels, ``channel_order``
    ('rgb' or 'bgr') and ``sdp_plugin_version``.

    Args:
        input_size (int | Sequence[int]): Height and width of the images that the classifier is tested on, in pixels.
        mpp (float | None): Micrometres a pixel of such an image. None takes what the data set's card says of its
            images, scaled to ``input_size``. Defaults to None.
    """

    def __init__(self, input_size: int | Sequence[int], mpp: float | None = None) -> None:
        self.input_size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
        self.mpp = mpp

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the card."""
        preprocessor = runner.cfg.model.get('data_preprocessor') or runner.cfg.get('data_preprocessor', {})
        checkpoint['meta']['model_card'] = dict(
            classes=list(runner.train_dataloader.dataset.metainfo['classes']),
            input_size=list(self.input_size),
            mpp=self.mpp or self._mpp_of(runner.train_dataloader.dataset),
            mean=list(preprocessor.get('mean', ())),
            std=list(preprocessor.get('std', ())),
            channel_order='rgb' if preprocessor.get('to_rgb') or preprocessor.get('bgr_to_rgb') else 'bgr',
            sdp_plugin_version=__version__,
        )

    def _mpp_of(self, dataset: BaseDataset) -> float | None:
        card = getattr(getattr(dataset, 'collection', None), 'CARD', None)
        if card is None or card.mpp is None or card.image_size is None:
            return None
        return card.mpp * card.image_size[0] / self.input_size[0]

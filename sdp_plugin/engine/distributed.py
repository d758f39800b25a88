"""Distributed training where there is no GPU."""

from __future__ import annotations

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed


def prepare_cpu_group(cfg: Config) -> None:
    """Join the process group and wrap the model for the CPU, where mmengine would ask for a GPU.

    mmengine's launcher calls ``torch.cuda.set_device`` and its default wrapper places the model on a CUDA device.
    With a group that exists already, and a wrapper without device ids, it does neither. Does nothing where there is a
    GPU or no launcher.

    Args:
        cfg (Config): The config to train; ``launcher`` is read, ``model_wrapper_cfg`` is set.
    """
    if cfg.get('launcher', 'none') == 'none' or torch.cuda.is_available():
        return
    if not is_distributed():
        torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)

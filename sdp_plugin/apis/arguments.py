"""The command-line arguments that every tool which runs a config has."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config

from sdp_plugin.command_line import folder_to_write
from sdp_plugin.settings import OptionsAction, describe_settings
from sdp_plugin.shipped import get_config


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that :func:`config_from` reads, ``config`` excepted, and say which settings there are."""
    parser.epilog = describe_settings()
    parser.add_argument(
        '--work-dir', type=folder_to_write, help='folder for logs and checkpoints (default: work_dirs/CONFIG_NAME)'
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision: the same as precision=bfloat16')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE', help='override values of the config'
    )


def config_from(args: argparse.Namespace) -> Config:
    """Read the config that the arguments name, with all that they override.

    Raises:
        UserError: As :func:`get_config` does.
    """
    options = dict(args.cfg_options or {})
    if args.amp:
        options.setdefault('precision', 'bfloat16')
    cfg = get_config(args.config, options)
    cfg.work_dir = str(args.work_dir or cfg.get('work_dir') or Path('work_dirs', Path(args.config).stem))
    cfg.launcher = args.launcher
    return cfg

"""Training and testing a config, segmentation or classification alike."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import is_main_process

from sdp_plugin import __version__
from sdp_plugin.catalogue.data_checks import check_run
from sdp_plugin.checkpoints.reading import load_checkpoint, register_safe_loader
from sdp_plugin.engine.construction import faults_of
from sdp_plugin.engine.distributed import prepare_cpu_group
from sdp_plugin.engine.hooks import DivergenceHook
from sdp_plugin.engine.preflight import check_before_test, check_before_training
from sdp_plugin.engine.resuming import check_same_training
from sdp_plugin.engine.runner import Runner
from sdp_plugin.engine.work_dir import only_training_in
from sdp_plugin.errors import UserError
from sdp_plugin.files import naming, write_json_atomically
from sdp_plugin.settings import settings_of

RESULTS_FILE = 'results.json'
CHECKPOINT_NAME = re.compile(r'(iter|epoch)_\d+\.pth')


def train(cfg: Config, resume: bool = False) -> dict[str, float]:
    """Train a config and test its last weights once.

    Args:
        cfg (Config): A config with ``work_dir`` set.
        resume (bool): Go on from the newest complete checkpoint in the work directory, if there is one. Defaults to
            False.

    Returns:
        dict[str, float]: The metrics of the test. They are also in ``results.json`` in the work directory.

    Raises:
        UserError: As :func:`build_runner`, if another process trains in the work directory, or if the training
            diverges.
        MemoryError: The device has too little.
    """
    with only_training_in(cfg.work_dir, cfg.get('launcher', 'none')), naming(cfg.work_dir):
        try:
            runner = build_runner(cfg, resume)
            run_training(runner)
            metrics = run_test(runner)
        except torch.cuda.OutOfMemoryError as error:
            raise MemoryError(str(error)) from error
        if is_main_process():
            _write_results(cfg, metrics)
            runner.logger.info(f'Results: {Path(cfg.work_dir) / RESULTS_FILE}')
    return metrics


def build_runner(cfg: Config, resume: bool = False) -> Runner:
    """Build what trains a config, without training it, and look at all that can be known before.

    Args:
        cfg (Config): A config with ``work_dir`` set.
        resume (bool): See :func:`train`. Defaults to False.

    Returns:
        Runner: For :func:`run_training` and :func:`run_test`.

    Raises:
        UserError: If the work directory holds another training and ``resume`` is False, or one of another config and
            it is True; if data of the training or of the test are not as they should be, or a metric does not fit.
    """
    register_safe_loader()
    checkpoint = latest_checkpoint(cfg.work_dir)
    if checkpoint and not resume:
        raise UserError(
            'The work directory holds a training already.',
            looked_for='an empty or new folder',
            found=checkpoint,
            remedy='go on with --resume, or give another --work-dir',
        )
    cfg.load_from, cfg.resume = (str(checkpoint), True) if checkpoint else (cfg.get('load_from'), False)
    with faults_of(cfg):
        check_run(cfg)
    prepare_cpu_group(cfg)
    differs = check_same_training(cfg, checkpoint) if checkpoint else []
    runner = Runner.from_cfg(cfg)
    for line in differs:
        runner.logger.warning(line)
    runner.register_hook(DivergenceHook())
    check_before_training(runner)
    if resume and not checkpoint:
        runner.logger.info(f'Nothing to resume in {cfg.work_dir}: starting from the beginning')
    return runner


def run_training(runner: Runner) -> None:
    """Train to the end; say how to go on if interrupted."""
    try:
        runner.train()
    except KeyboardInterrupt:
        newest = latest_checkpoint(runner.work_dir) or 'the beginning: no checkpoint was written yet'
        runner.logger.warning(f'Interrupted. The same command with --resume goes on from {newest}')
        raise


def run_test(runner: Runner) -> dict[str, float]:
    """Test the weights that a runner holds.

    Returns:
        dict[str, float]: The metrics, as plain numbers; empty for a config without a test.
    """
    # MMSegmentation's metrics are NumPy scalars, which JSON does not know.
    has_test = runner.cfg.get('test_dataloader')
    return {name: float(value) for name, value in runner.test().items()} if has_test else {}


def test(cfg: Config, checkpoint: str | Path) -> dict[str, float]:
    """Test a checkpoint on the test set of a config.

    Args:
        cfg (Config): A config with ``work_dir`` set.
        checkpoint (str | Path): A checkpoint that the same config trained.

    Returns:
        dict[str, float]: The metrics.

    Raises:
        UserError: If the checkpoint is none, or is one of another network.
    """
    register_safe_loader()
    # What cannot be read is said before anything is built and written.
    load_checkpoint(checkpoint)
    # Only the checkpoint that is to be tested is loaded.
    cfg.load_from, cfg.resume = None, False
    prepare_cpu_group(cfg)
    with naming(cfg.work_dir):
        runner = Runner.from_cfg(cfg)
        check_before_test(runner)
        _load_all(runner, checkpoint)
        return run_test(runner)


def _load_all(runner: Runner, checkpoint: str | Path) -> None:
    try:
        runner.load_checkpoint(str(checkpoint), strict=True)
    except RuntimeError as error:
        raise UserError(
            'The checkpoint is one of another network than the config builds.',
            looked_for=f'the tensors of {runner.cfg.filename}',
            found=f'{checkpoint}: {_first_lines(error)}',
            remedy='use the config that the checkpoint was trained with',
        ) from error


def _first_lines(error: Exception, count: int = 3) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ' '.join(line if len(line) < 200 else f'{line[:200]} ...' for line in lines[:count])


def latest_checkpoint(work_dir: str | Path) -> Path | None:
    """Find the newest checkpoint in a work directory that was written to its end.

    mmengine's ``last_checkpoint`` names it, unless the run was killed between the two writes or the folder has moved.

    Args:
        work_dir (str | Path): The work directory.

    Returns:
        Path | None: The checkpoint, or None if there is none.
    """
    work_dir = Path(work_dir)
    pointer = work_dir / 'last_checkpoint'
    named = [work_dir / Path(pointer.read_text().strip()).name] if pointer.is_file() else []
    written = [path for path in work_dir.glob('*.pth') if CHECKPOINT_NAME.fullmatch(path.name)]
    newest_first = sorted(written, key=lambda path: path.stat().st_mtime, reverse=True)
    # torch.save writes a zip archive, whose directory comes last: half a file is no archive.
    return next((path for path in [*named, *newest_first] if path.is_file() and zipfile.is_zipfile(path)), None)


def _write_results(cfg: Config, metrics: dict[str, float]) -> None:
    results = dict(
        config=str(cfg.filename),
        settings=settings_of(cfg),
        metrics=metrics,
        versions=dict(sdp_plugin=__version__, torch=str(torch.__version__)),
    )
    write_json_atomically(Path(cfg.work_dir) / RESULTS_FILE, results)

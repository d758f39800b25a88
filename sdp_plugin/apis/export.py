"""A classifier as a file for other programs: TorchScript with the config of WSInfer's zoo, and ONNX.

The config is what WSInfer (https://github.com/SBU-BMI/wsinfer) and QuPath's extension for it read, version 1.0 of the
zoo's schema. Both networks take float32 of shape (N, 3, H, W), RGB, for any N, and give raw logits: whoever applies
them takes the softmax once.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sdp_plugin.apis.predict import Classifier
from sdp_plugin.errors import UserError
from sdp_plugin.files import naming, write_text_atomically

TOLERANCE = 1e-5
"""The largest difference of a logit from PyTorch's that is accepted; relative, where the largest logit is above 1."""

TORCHSCRIPT_FILE, ONNX_FILE, CONFIG_FILE = 'torchscript_model.pt', 'model.onnx', 'config.json'
ONNX_INPUT, ONNX_OUTPUT = 'tiles', 'logits'
# Another number of tiles than the one that was traced finds a batch size that was written into the network.
_TRACED, _RANDOM_TILES = 2, 5


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how far its logits are from PyTorch's at most."""

    path: Path
    difference: float
    tiles: int


class _Network(nn.Module):
    """RGB tiles to logits; the preprocessor's normalisation and order of channels are inside where asked for.

    Args:
        classifier (Classifier): The classifier, on the CPU.
        normalises (bool): Whether it takes tiles from 0 to 1, and not normalised ones.
    """

    def __init__(self, classifier: Classifier, normalises: bool) -> None:
        super().__init__()
        self.model = classifier.model
        mean, std, self.swaps = normalisation(classifier)
        shape = (1, 3, 1, 1)
        # In the order of RGB, from 0 to 1.
        self.register_buffer('mean', torch.tensor(mean).reshape(shape))
        self.register_buffer('std', torch.tensor(std).reshape(shape))
        self.normalises = normalises

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        if self.normalises:
            tiles = (tiles - self.mean) / self.std
        if self.swaps:
            tiles = tiles.flip(1)
        return self.model(tiles, mode='tensor')


def normalisation(classifier: Classifier) -> tuple[list[float], list[float], bool]:
    """Mean and standard deviation of red, green and blue from 0 to 1, and whether the network takes blue first."""
    preprocessor = classifier.model.data_preprocessor
    takes_blue_first = not preprocessor.to_rgb
    if not preprocessor._enable_normalize:
        return [0.0] * 3, [1 / 255] * 3, takes_blue_first
    mean, std = (values.flatten().double() / 255 for values in (preprocessor.mean, preprocessor.std))
    if takes_blue_first:
        mean, std = mean.flip(0), std.flip(0)
    # They were written with three decimals, and became float32.
    return mean.round(decimals=7).tolist(), std.round(decimals=7).tolist(), takes_blue_first


def export(
    classifier: Classifier,
    out: str | os.PathLike,
    real_tiles: Sequence[np.ndarray] = (),
    normalisation_inside: bool = False,
    mpp: float | None = None,
) -> list[Exported]:
    """Write a classifier as TorchScript and as ONNX, with the config, and compare each with PyTorch.

    Nothing is written before all comparisons hold.

    Args:
        classifier (Classifier): The classifier.
        out (str | os.PathLike): The folder.
        real_tiles (Sequence[np.ndarray]): BGR images of the classifier's size, uint8, to compare on, too.
        normalisation_inside (bool): Whether the networks take values from 0 to 1 and normalise them themselves; else
            the config says how to. Defaults to False, as in WSInfer's zoo.
        mpp (float | None): Micrometres a pixel of a tile, instead of what the checkpoint says.

    Returns:
        list[Exported]: TorchScript, ONNX.

    Raises:
        UserError: If the resolution is unknown, tiles are not square, the network cannot be traced, a library is
            missing, or a file's logits differ from PyTorch's.
    """
    config = zoo_config(classifier, normalisation_inside, mpp)
    classifier.model.to('cpu')
    network = _Network(classifier, normalisation_inside).eval()
    tiles = _tiles_to_compare(classifier, real_tiles)
    inputs = _inputs(tiles, config)
    expected = np.concatenate([classifier.logits([tile]) for tile in tiles])
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with tempfile.TemporaryDirectory(dir=out, prefix='.export-') as folder:
        for name, write, apply in (
            (TORCHSCRIPT_FILE, _write_torchscript, _apply_torchscript),
            (ONNX_FILE, _write_onnx, _apply_onnx),
        ):
            path = Path(folder) / name
            _traced(write, network, inputs[:_TRACED], path)
            difference = float(np.abs(apply(path, inputs) - expected).max())
            if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
                raise UserError(
                    f'{name} would not give what the checkpoint gives.',
                    looked_for=f'logits within {TOLERANCE:g} of PyTorch',
                    found=f'{difference:g} on {len(tiles)} tiles',
                    remedy='this network cannot be exported: apply it with tools/predict.py',
                )
            written.append(Exported(out / name, difference, len(tiles)))
        for exported in written:
            os.replace(Path(folder) / exported.path.name, exported.path)
    write_text_atomically(out / CONFIG_FILE, json.dumps(config, indent=2) + '\n')
    return written


def zoo_config(classifier: Classifier, normalisation_inside: bool = False, mpp: float | None = None) -> dict:
    """What WSInfer's zoo says of a model (spec 1.0), with the steps that turn a tile into the network's input.

    Raises:
        UserError: If the resolution is unknown, or tiles are not square.
    """
    height, width = classifier.input_size
    if height != width:
        raise UserError("WSInfer's tiles are squares.", found=f'{width} x {height} pixels')
    mpp = classifier.mpp if mpp is None else mpp
    if not mpp:
        raise UserError(
            'The checkpoint does not say at which resolution it was trained.',
            remedy='give it with --model-mpp, in micrometres a pixel of a tile',
        )
    mean, std, _ = normalisation(classifier)
    normalise = [] if normalisation_inside else [{'name': 'Normalize', 'arguments': {'mean': mean, 'std': std}}]
    backbone = classifier.model.backbone
    depth = getattr(backbone, 'depth', '')
    return {
        'spec_version': '1.0',
        'architecture': f'{type(backbone).__name__}{depth}'.lower(),
        'num_classes': len(classifier.classes),
        'class_names': list(classifier.classes),
        'patch_size_pixels': width,
        'spacing_um_px': mpp,
        'transform': [{'name': 'Resize', 'arguments': {'size': width}}, {'name': 'ToTensor'}, *normalise],
    }


def _tiles_to_compare(classifier: Classifier, real_tiles: Sequence[np.ndarray]) -> list[np.ndarray]:
    shape = (*classifier.input_size, 3)
    if any(tile.shape != shape for tile in real_tiles):
        raise UserError('Real tiles are to have the size of the classifier.', looked_for=shape)
    rng = np.random.default_rng(0)
    return [*rng.integers(0, 256, (_RANDOM_TILES, *shape), dtype=np.uint8), *real_tiles]


def _inputs(tiles: Sequence[np.ndarray], config: dict) -> np.ndarray:
    """What a program that follows the config makes of BGR tiles: float32, (N, 3, H, W), RGB."""
    values = np.stack(tiles)[..., ::-1].astype(np.float32).transpose(0, 3, 1, 2) / np.float32(255)
    for step in config['transform']:
        if step['name'] == 'Normalize':
            mean, std = (np.array(step['arguments'][key], np.float32)[:, None, None] for key in ('mean', 'std'))
            values = (values - mean) / std
    return np.ascontiguousarray(values)


def _traced(write: Callable, network: nn.Module, inputs: np.ndarray, path: Path) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        try:
            with naming(path):
                write(network, torch.from_numpy(inputs), path)
        except (UserError, OSError):
            raise
        except Exception as error:
            # Tracing raises whatever the network's code and the exporter's passes raise.
            raise UserError(
                f'This network cannot be written as {path.name}.',
                found=f'{type(error).__name__}: {str(error).strip()[:200].partition(chr(10))[0]}',
                remedy='apply it with tools/predict.py',
            ) from error


def _write_torchscript(network: nn.Module, inputs: torch.Tensor, path: Path) -> None:
    with open(path, 'wb') as file:
        torch.jit.save(torch.jit.trace(network, inputs, check_trace=False), file)


def _apply_torchscript(path: Path, inputs: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return torch.jit.load(str(path), map_location='cpu')(torch.from_numpy(inputs)).numpy()


def _write_onnx(network: nn.Module, inputs: torch.Tensor, path: Path) -> None:
    _import('onnx'), _import('onnxruntime')
    any_count = getattr(getattr(torch.export, 'Dim', None), 'DYNAMIC', None)
    if any_count is None:  # before PyTorch 2.6
        options = dict(dynamic_axes={ONNX_INPUT: {0: 'count'}, ONNX_OUTPUT: {0: 'count'}})
    else:
        _import('onnxscript')
        options = dict(dynamic_shapes=({0: any_count},), dynamo=True, external_data=False)
    names = dict(input_names=[ONNX_INPUT], output_names=[ONNX_OUTPUT])
    torch.onnx.export(network, (inputs,), str(path), verbose=False, **names, **options)


def _apply_onnx(path: Path, inputs: np.ndarray) -> np.ndarray:
    session = _import('onnxruntime').InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return session.run([ONNX_OUTPUT], {ONNX_INPUT: inputs})[0]


def _import(name: str) -> object:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f'Exporting needs {name}.', found=error, remedy="pip install '.[export]'") from None

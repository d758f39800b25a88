#!/usr/bin/env python3
"""Images a second that one core augments for fine-tuning: ours beside the transforms of MMPretrain and MMSegmentation.

Every side does what the shipped config of PCam asks for: crop from padding, flip, rotation by any angle, jitter of
brightness, contrast, saturation and hue. Stock runs the config's transforms, image by image; ours are the two
implementations of BatchAugmentation, of which OpenCV's has the pixels of stock; torchvision v2, and kornia where it is
installed, do as nearly the same as they can. All run in one process, in turn, on patches in memory, one thread each,
and are timed by the core's time. Then come the steps that cost most, with cheaper ways and what they change, and the
batched implementation on a GPU if there is one.

example:
  python tools/benchmarks/augmentation.py --data-root data/pcam --out augmentation.json
"""

from __future__ import annotations

import argparse
import functools
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import h5py
import mmcv
import numpy as np
import torch
from measuring import alternate, core_seconds, machine, ratios, seconds, spread, summary, table, write_report
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope

from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.demo_data.tiles import pcam_patches
from sdp_plugin.engine.in_memory.augmentation import (
    BatchAugmentation,
    batched,
    draw_parameters,
    opencv,
    settings_from_pipeline,
)
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.settings import load_config

CONFIG = Path(__file__).parents[2] / 'configs/finetune/resnet34_1xb32-100e_pcam.py'
PATCHES = 'camelyonpatch_level_2_split_train_x.h5'
STOCK = 'stock'
# Those that BatchAugmentation chooses from.
OURS, BATCHED = 'ours, OpenCV', 'ours, batched in torch'


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--data-root', type=Path, help=f'folder of {PATCHES}; without it patches are generated')
    parser.add_argument('--images', type=int, default=256, metavar='N', help='a measurement (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=32, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=9, metavar='N', help='measurements a side (default: %(default)s)')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def read_patches(data_root: Path | None, number: int) -> np.ndarray:
    """Patches as the transforms see them: uint8, shape (number, 96, 96, 3), BGR."""
    if data_root is None:
        return np.ascontiguousarray(pcam_patches('train', number)[0][..., ::-1])
    path = data_root / PATCHES
    if not path.is_file():
        raise UserError(
            'The patches are missing.', looked_for=path, remedy='leave --data-root out to take those of the package'
        )
    with h5py.File(path) as file:
        patches = file['x'][:number]
    if len(patches) < number:
        raise UserError('There are too few patches.', looked_for=f'{number} (--images)', found=f'{len(patches)}')
    return np.ascontiguousarray(patches[..., ::-1])


def in_batches(patches: np.ndarray, size: int, augment: Callable[[np.ndarray], object]) -> None:
    """Augment the patches in random order, batch after batch, as an epoch does."""
    order = np.random.permutation(len(patches))
    for start in range(0, len(order), size):
        augment(order[start : start + size])


def stock_side(pipeline: list[dict], patches: np.ndarray) -> Callable[[np.ndarray], object]:
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        transforms = Compose(pipeline)

    def augment(indices: np.ndarray) -> object:
        return pseudo_collate([transforms(dict(img=patches[index], gt_label=0)) for index in indices])

    return augment


def torchvision_side(patches: torch.Tensor) -> Callable[[np.ndarray], object]:
    from torchvision.transforms import v2

    transforms = v2.Compose(
        [
            v2.RandomCrop(96, padding=12, padding_mode='reflect'),
            v2.RandomHorizontalFlip(),
            v2.RandomRotation(180, interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.4),
        ]
    )
    # Image by image: of a batch it draws all images the same numbers.
    return lambda indices: torch.stack([transforms(patches[index]) for index in indices])


def kornia_side(patches: torch.Tensor) -> Callable[[np.ndarray], object]:
    from kornia import augmentation as kornia

    transforms = kornia.AugmentationSequential(
        kornia.RandomCrop((96, 96), padding=12, padding_mode='reflect'),
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomRotation(180.0, p=1.0),
        kornia.ColorJitter(0.4, 0.4, 0.4, 0.4, p=1.0),
    )
    return lambda indices: transforms(patches[indices].float() / 255)


def measure_sides(patches: np.ndarray, args: argparse.Namespace) -> dict[str, dict]:
    """Images a second of every side, and how many times those of stock."""
    pipeline = load_config(CONFIG).train_dataloader.dataset.pipeline
    loading, settings = settings_from_pipeline(pipeline)
    tensors = torch.from_numpy(patches)
    planes = tensors.permute(0, 3, 1, 2).contiguous()

    def ours(augment: Callable) -> Callable[[np.ndarray], object]:
        def run(indices: np.ndarray) -> object:
            parameters = draw_parameters(settings, len(indices), *patches.shape[1:3], seed=0, epoch=int(indices[0]))
            return augment(tensors[indices], parameters)

        return run

    sides = {
        STOCK: stock_side(pipeline[len(loading) :], patches),
        OURS: ours(BatchAugmentation(settings)),
        BATCHED: ours(lambda images, parameters: batched.augment(images, parameters, settings)),
        'torchvision v2': torchvision_side(planes),
    }
    if find_spec('kornia'):
        sides['kornia'] = kornia_side(planes)
    work = {name: functools.partial(in_batches, patches, args.batch_size, side) for name, side in sides.items()}
    for warm_up in work.values():
        warm_up()
    measured = alternate({name: functools.partial(core_seconds, each) for name, each in work.items()}, args.rounds)
    speeds = {name: [len(patches) / taken for taken in each] for name, each in measured.items()}
    return {
        name: dict(images_a_second=summary(each), of_stock=ratios(each, speeds[STOCK])) for name, each in speeds.items()
    }


def opencv_hue(image: np.ndarray, shift: float) -> np.ndarray:
    """Shift the hue through OpenCV's HSV, of which a byte has 256 hues and not 255: near Pillow's, and cheap."""
    return mmcv.adjust_hue(image, shift, backend='cv2')


def measure_steps(patches: np.ndarray, args: argparse.Namespace) -> dict[str, dict]:
    """What the dear steps cost an image, in which ways, and how far each way is from the reference's pixels."""
    height, width = patches.shape[1:3]
    _, settings = settings_from_pipeline(load_config(CONFIG).train_dataloader.dataset.pipeline)
    parameters = draw_parameters(settings, len(patches), height, width, seed=0, epoch=0)
    nothing = dict(brightness=None, contrast=None, saturation=None, hue=None)
    rotation = replace(settings, **nothing, padding=(0, 0, 0, 0), crop_size=None, flips=())
    still = replace(parameters, top=0 * parameters.top, left=0 * parameters.left, flip=0 * parameters.flip)
    hue = replace(rotation, rotation_probability=0.0, hue=settings.hue)
    unmoved = replace(still, rotated=np.zeros(len(patches), bool))

    def each(function: Callable[[np.ndarray, float], np.ndarray], amounts: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: np.stack([function(*pair) for pair in zip(patches, amounts.tolist(), strict=True)])

    ways = {
        'rotation: mmcv, the reference': each(mmcv.imrotate, parameters.angle),
        'rotation: ours': lambda: opencv.augment(patches, still, rotation),
        'rotation: nearest pixel': each(functools.partial(mmcv.imrotate, interpolation='nearest'), parameters.angle),
        'hue: Pillow, the reference': each(functools.partial(mmcv.adjust_hue, backend='pillow'), parameters.hue),
        'hue: ours': lambda: opencv.augment(patches, unmoved, hue),
        'hue: OpenCV': each(opencv_hue, parameters.hue),
    }
    exact = {}
    found = {}
    for name, way in ways.items():
        result = way()
        reference = exact.setdefault(name.split(':')[0], result)
        differences = np.abs(result.astype(int) - reference)
        found[name] = dict(mean_difference=float(differences.mean()), largest_difference=int(differences.max()))
    measured = alternate({name: functools.partial(core_seconds, way) for name, way in ways.items()}, args.rounds)
    for name, taken in measured.items():
        found[name]['microseconds_an_image'] = summary([1e6 * each / len(patches) for each in taken])
    return found


def measure_gpu(patches: np.ndarray, rounds: int, images: int = 4096) -> dict[str, object]:
    """Images a second of the batched implementation on a GPU, an epoch of ``images`` at once."""
    _, settings = settings_from_pipeline(load_config(CONFIG).train_dataloader.dataset.pipeline)
    epoch = torch.from_numpy(patches).cuda().repeat(-(-images // len(patches)), 1, 1, 1)
    parameters = draw_parameters(settings, len(epoch), *patches.shape[1:3], seed=0, epoch=0)
    augment = BatchAugmentation(settings)

    def work() -> None:
        augment(epoch, parameters)
        torch.cuda.synchronize()

    work()
    return dict(
        device=torch.cuda.get_device_name(),
        images_a_second=summary([len(epoch) / seconds(work) for _ in range(rounds)]),
        largest_memory_mib=torch.cuda.max_memory_allocated() / 2**20,
    )


@exits_on_user_error
def main() -> None:
    args = parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    warnings.filterwarnings('ignore', message="Only use 'alpha' for pillow backend")
    patches = read_patches(args.data_root, args.images)
    report = dict(
        machine=machine(),
        images=len(patches),
        real=args.data_root is not None,
        batch_size=args.batch_size,
        sides=measure_sides(patches, args),
        steps=measure_steps(patches, args),
        gpu=measure_gpu(patches, args.rounds) if torch.cuda.is_available() else None,
    )
    print(
        f'{report["machine"]["processor"]}, one core; {len(patches)} {"real" if report["real"] else "generated"} '
        f'patches in batches of {args.batch_size}; medians (least-greatest) of {args.rounds}'
    )
    rows = [
        (name, spread(side['images_a_second']), spread(side['of_stock'], 2)) for name, side in report['sides'].items()
    ]
    print(table(('augmentation', 'images/s', 'of stock'), rows))
    rows = [
        (
            name,
            spread(step['microseconds_an_image']),
            f'{step["mean_difference"]:.2f}',
            str(step['largest_difference']),
        )
        for name, step in report['steps'].items()
    ]
    print()
    print(table(('step', 'microseconds an image', 'mean difference, levels', 'largest'), rows))
    gpu = report['gpu']
    print()
    print(
        f'{gpu["device"]}: {spread(gpu["images_a_second"])} images/s, {gpu["largest_memory_mib"]:,.0f} MiB'
        if gpu
        else 'There is no GPU here: the batched implementation was measured on the CPU alone.'
    )
    write_report(args.out, report)


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
r"""Print the table of the backbones that have configs for both phases: what they cost, and how well they convert.

Everything in it is computed: both models of each backbone are built from their configs, and the conversion's verdict
is the key map's. It takes about half a minute.

examples:
  python tools/docs/backbone_table.py
  python tools/docs/backbone_table.py --update docs/conversion.md
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sdp_plugin.command_line import ToolParser
from sdp_plugin.conversion.key_map import Verdict
from sdp_plugin.conversion.key_maps import key_map_for
from sdp_plugin.conversion.source import config_in
from sdp_plugin.conversion.trunks import ADAPTER, trunk_of_model
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.files import write_text_atomically
from sdp_plugin.records import read_text

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SUPERVISIONS = ('scribbles', 'masks')
SCHEDULES = {'pcam': '100e', 'crc': '200e'}

BEGIN, END = '<!-- backbones: begin -->', '<!-- backbones: end -->'


@dataclass(frozen=True)
class Backbone:
    """A backbone and the names of its configs.

    Args:
        name (str): What papers call it.
        segmentor (str): How the names of its pre-training configs begin.
        classifier (str): How the names of its fine-tuning configs begin.
        schedule (str): Of pre-training.
    """

    name: str
    segmentor: str
    classifier: str
    schedule: str = '40k'

    def pretraining(self, supervision: str) -> str:
        """The config that pre-trains it, relative to ``configs/``; ``supervision`` is one of ``SUPERVISIONS``."""
        return f'pretrain/{self.segmentor}_1xb10-{self.schedule}_voc12-{supervision}-321x321.py'

    def finetuning(self, dataset: str) -> str:
        """The config that fine-tunes it, relative to ``configs/``; ``dataset`` is one of ``SCHEDULES``."""
        return f'finetune/{self.classifier}_1xb32-{SCHEDULES[dataset]}_{dataset}.py'


BACKBONES = (
    Backbone('ResNet-18', 'deeplabv2_r18-d8', 'resnet18'),
    Backbone('ResNet-34', 'deeplabv2_r34-d8', 'resnet34'),
    Backbone('ResNet-50', 'deeplabv2_r50-d8', 'resnet50'),
    Backbone('ResNet-101', 'deeplabv2_r101-d8', 'resnet101'),
    Backbone('ResNeXt-50 (32x4d)', 'deeplabv2_x50-32x4d-d8', 'resnext50-32x4d'),
    Backbone('HRNet-W18', 'fcn_hr18', 'hrnet-w18'),
    Backbone('MobileNetV3-Large', 'deeplabv2_m-v3-d8', 'mobilenet-v3-large'),
    Backbone('STDC1', 'fcn_stdc1', 'stdc1'),
    Backbone('Swin-T', 'upernet_swin-t', 'swin-tiny', 'adamw-40k'),
    Backbone('ConvNeXt-T', 'upernet_convnext-t', 'convnext-tiny', 'adamw-40k'),
    Backbone('MiT-B0', 'segformer_mit-b0', 'mit-b0', 'adamw-40k'),
    Backbone('MSCAN-T', 'segnext_mscan-t', 'mscan-t', 'adamw-40k'),
)


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Args:
        parameters (int): Trainable numbers.
        flops (int): Of the forward pass of one image, a multiplication and an addition as two.
        size (int): Height and width of that image in pixels.
    """

    parameters: int
    flops: int
    size: int


@dataclass(frozen=True)
class Row:
    """What the table says about a backbone.

    Args:
        backbone (Backbone): The backbone.
        head (str): Class of the segmentor's head.
        segmentor (Cost): In pre-training.
        classifier (Cost): In fine-tuning on PCam.
        target (str): Class of the classifier's backbone, with its scope.
        verdict (Verdict): Of the conversion.
    """

    backbone: Backbone
    head: str
    segmentor: Cost
    classifier: Cost
    target: str
    verdict: Verdict


def measure(backbone: Backbone) -> Row:
    """Build both of a backbone's models and count.

    Raises:
        UserError: If a config is missing, or the segmentor's trunk cannot be carried into the classifier's.
    """
    pretraining = config_in(CONFIGS / backbone.pretraining('scribbles'))
    finetuning = config_in(CONFIGS / backbone.finetuning('pcam'))
    source, target = trunk_of_model(pretraining), trunk_of_model(finetuning)
    key_map = key_map_for(source, target)
    key_map.check_target(source, target)
    return Row(
        backbone,
        head=_class_name(pretraining.model.decode_head.type),
        segmentor=_cost(pretraining, max(pretraining.crop_size)),
        classifier=_cost(finetuning, finetuning.input_size),
        target=target.kind,
        verdict=key_map.verdict,
    )


def build_model(cfg: Config) -> nn.Module:
    """Build the segmentor or classifier of a config, with weights as its layers draw them."""
    # As mmengine's Runner does, for the preprocessor of a classifier stands beside its model.
    model = {'data_preprocessor': cfg.get('data_preprocessor'), **cfg.model}
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return import_module(f'{cfg.default_scope}.registry').MODELS.build(model)


def count_flops(model: nn.Module, size: int) -> int:
    """Count the operations of convolutions and matrix products in the forward pass of one image.

    A multiplication and an addition are two operations, so a "multiply-add" of other tables is two of these.
    Normalisation, activations and interpolation are not counted. ``model`` is left without values on the meta device.
    """
    model.to('meta')
    model.eval()
    weight = next(model.parameters())
    with FlopCounterMode(display=False) as counter:
        # With gradients: without, attention takes a fused path in evaluation, which the counter does not know.
        model(weight.new_empty(1, 3, size, size), mode='tensor')
    return counter.get_total_flops()


def _cost(cfg: Config, size: int) -> Cost:
    model = build_model(cfg)
    return Cost(sum(parameter.numel() for parameter in model.parameters()), count_flops(model, size), size)


def _class_name(kind: str) -> str:
    return kind.rpartition('.')[2]


COLUMNS: dict[str, Callable[[Row], str]] = {
    'Backbone': lambda row: row.backbone.name,
    '`pretrain/`': lambda row: f'`{row.backbone.segmentor}`',
    'Head': lambda row: row.head.removesuffix('Head'),
    '`finetune/`': lambda row: f'`{row.backbone.classifier}`',
    'M parameters': lambda row: f'{row.segmentor.parameters / 1e6:.1f} / {row.classifier.parameters / 1e6:.1f}',
    'GFLOPs': lambda row: f'{row.segmentor.flops / 1e9:.1f} / {row.classifier.flops / 1e9:.2f}',
    "Classifier's trunk": lambda row: 'adapter' if row.target == ADAPTER else f'`{row.target}`',
    'Conversion': lambda row: row.verdict.name,
}


def to_markdown(rows: Iterable[Row]) -> str:
    """The table in Markdown under a note that says what it counts, ending in a line feed.

    Raises:
        UserError: If the rows are not all measured at the same sizes.
    """
    rows = list(rows)
    sizes = {(row.segmentor.size, row.classifier.size) for row in rows}
    if len(sizes) != 1:
        raise UserError(
            'The configs are for different image sizes, so their costs do not compare.',
            looked_for='one crop_size in pre-training and one input_size in fine-tuning',
            found=sorted(sizes),
        )
    ((crop, tile),) = sizes
    note = f"""\
The second and the fourth column are how the names of the configs begin. Each pair of numbers is the segmentor's, with
21 classes and images of {crop} × {crop} pixels, and the classifier's, with 2 classes and {tile} × {tile} pixels. GFLOPs
are of the forward pass of one image, a multiplication and an addition counted as two; training takes three times as
many, less the gradient by the image. The adapter, `{ADAPTER}`, runs MMSegmentation's class itself.
"""  # noqa: RUF001
    return '\n'.join([note, _line(COLUMNS), '|' + '---|' * len(COLUMNS), *map(_row, rows)]) + '\n'


def _row(row: Row) -> str:
    return _line(cell(row) for cell in COLUMNS.values())


def _line(cells: Iterable[str]) -> str:
    return f'| {" | ".join(cells)} |'


def update(path: Path, table: str) -> None:
    """Put ``table`` between the two markers in a file, all of it or nothing."""
    before, after = around_table(path)
    write_text_atomically(path, f'{before}{BEGIN}\n\n{table}\n{END}{after}')


def around_table(path: Path) -> tuple[str, str]:
    """What precedes and follows the table in a file.

    Raises:
        UserError: If the file is missing, or the markers are not there once each, in their order.
    """
    text = read_text(path)
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in before + after:
        raise UserError(
            f'{path} has no place for the table of backbones.',
            looked_for=f'{BEGIN} and after it {END}, once each',
            found=f'{text.count(BEGIN)} of the first, {text.count(END)} of the second, or in the other order',
            remedy='add both markers, each on a line of its own',
        )
    return before, after


@exits_on_user_error
def main() -> None:
    parser = ToolParser(__doc__)
    parser.add_argument(
        '--update', metavar='FILE', type=Path, help='put the table between the two markers in FILE, and print nothing'
    )
    file = parser.parse_args().update
    if file:
        around_table(file)  # before half a minute of counting
    table = to_markdown(measure(backbone) for backbone in BACKBONES)
    if not file:
        print(table, end='')
        return
    update(file, table)
    print(f'updated: {file}')


if __name__ == '__main__':
    sys.exit(main())

"""Checkpoints without a config whose names give away what they are: ResNets of torchvision, timm, MMPretrain's zoo."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from sdp_plugin.conversion.trunks import Trunk

DEPTHS = {
    (False, (2, 2, 2, 2)): 18,
    (False, (3, 4, 6, 3)): 34,
    (True, (3, 4, 6, 3)): 50,
    (True, (3, 4, 23, 3)): 101,
    (True, (3, 8, 36, 3)): 152,
}
"""By whether blocks have three convolutions, and how many blocks each stage has."""

WIDTH = {'conv1.weight': (64, 3, 7, 7), 'layer1.0.conv2.weight': (64, 64, 3, 3)}
"""Shapes that deep stems, grouped convolutions (ResNeXt) and wide ResNets do not have."""

IMAGENET = {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375], 'channel_order': 'rgb'}


@dataclass(frozen=True)
class Layout:
    """A way of naming the tensors of a ResNet.

    Args:
        name (str): Whose it is, as it is reported.
        kind (str): The class that computes the function, with its scope.
        prefix (str): What precedes the trunk's names.
        head (str): What precedes the head's.
        normalisation (dict): Of the inputs, which such checkpoints do not record.
    """

    name: str
    kind: str
    prefix: str
    head: str
    normalisation: Mapping[str, object]


LAYOUTS = (
    Layout('torchvision or timm', 'sdp_plugin.TorchvisionResNet', '', 'fc.', IMAGENET),
    Layout("MMPretrain's zoo", 'mmpretrain.ResNet', 'backbone.', 'head.', IMAGENET),
)


def recognised(tensors: Mapping[str, Tensor]) -> tuple[Layout, Trunk] | None:
    """The layout and the trunk that the names and shapes belong to, or None if they are no plain ResNet's."""
    for layout in LAYOUTS:
        trunk = {
            name.removeprefix(layout.prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(layout.prefix) and not name.startswith(layout.head)
        }
        depth = _depth(trunk)
        # A segmentor's trunk has these names too, but not its strides and dilations: it needs its config.
        whole = all(name.startswith((layout.prefix, layout.head)) for name in tensors)
        if (
            whole
            and depth
            and all(name in trunk and tuple(trunk[name].shape) == shape for name, shape in WIDTH.items())
        ):
            return layout, Trunk(*layout.kind.split('.'), {'depth': depth})
    return None


def _depth(names: Iterable[str]) -> int | None:
    names = set(names)
    blocks = {found.groups() for found in map(re.compile(r'layer(\d)\.(\d+)\.').match, names) if found}
    count = Counter(stage for stage, _ in blocks)
    return DEPTHS.get(('layer1.0.conv3.weight' in names, tuple(count[str(stage)] for stage in range(1, 5))))

"""The twenty foreground classes of Pascal VOC as drawings: one function a class that invents another example each time.

An example is a list of parts in drawing order. Coordinates run from -1 to 1 in both directions, y downwards, and an
upright object stands on y = 1. Nothing here is shared with the pathology pictures (:mod:`.histology`).
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdp_plugin.demo_data.drawing import bar_points, blob_points, box_points, ellipse_points

Colour = tuple[float, float, float]
Parts = list['Part']


@dataclass(frozen=True)
class Part:
    """One evenly painted piece of an object.

    Args:
        points (np.ndarray): (N, 2) outline in object coordinates.
        colour (tuple[float, float, float]): RGB in [0, 1].
        texture (str): A key of ``natural_scenes.TEXTURES``.
    """

    points: np.ndarray
    colour: Colour
    texture: str = 'plain'


# Hue, saturation and value ranges from which an example's colours are drawn. They overlap between classes on purpose.
COLOURS = {
    'paint': ((0.0, 1.0), (0.2, 0.9), (0.3, 0.95)),
    'white': ((0.0, 1.0), (0.0, 0.1), (0.75, 0.98)),
    'dark': ((0.0, 1.0), (0.0, 0.3), (0.06, 0.25)),
    'grey': ((0.5, 0.7), (0.0, 0.12), (0.35, 0.7)),
    'glass': ((0.52, 0.62), (0.15, 0.45), (0.25, 0.65)),
    'brown': ((0.04, 0.09), (0.4, 0.75), (0.25, 0.6)),
    'sand': ((0.08, 0.13), (0.25, 0.5), (0.6, 0.9)),
    'ginger': ((0.05, 0.09), (0.55, 0.85), (0.6, 0.9)),
    'skin': ((0.03, 0.08), (0.3, 0.6), (0.4, 0.95)),
    'leaf': ((0.22, 0.4), (0.35, 0.8), (0.25, 0.65)),
    'bottle': ((0.05, 0.45), (0.4, 0.9), (0.2, 0.55)),
    'clay': ((0.02, 0.08), (0.4, 0.7), (0.45, 0.75)),
    'cloth': ((0.0, 1.0), (0.15, 0.7), (0.25, 0.8)),
    'feather': ((0.0, 0.65), (0.1, 0.8), (0.2, 0.85)),
}


def pick(rng: np.random.RandomState, *families: str) -> Colour:
    """A colour from one of the named ranges."""
    ranges = COLOURS[families[rng.randint(len(families))]]
    return colorsys.hsv_to_rgb(*(rng.uniform(low, high) for low, high in ranges))


def shade(colour: Colour, factor: float) -> Colour:
    """The same colour, lighter or darker."""
    return tuple(min(1.0, channel * factor) for channel in colour)


def _wheel(x: float, y: float, radius: float, hub: Colour) -> Parts:
    return [
        Part(ellipse_points(x, y, radius, radius), (0.08, 0.08, 0.09)),
        Part(ellipse_points(x, y, radius * 0.5, radius * 0.5), hub, 'metal'),
    ]


def _tyre(x: float, y: float, radius: float, width: float, colour: Colour) -> Part:
    outer = ellipse_points(x, y, radius, radius, count=32)
    inner = ellipse_points(x, y, radius - width, radius - width, count=32)
    # Walking the inner circle backwards leaves the hole of a ring empty.
    return Part(np.concatenate([outer, outer[:1], inner[:1], inner[::-1]]), colour)


def _eyes(x: float, y: float, apart: float, size: float) -> Parts:
    return [Part(ellipse_points(x + side * apart, y, size, size, count=10), (0.05, 0.05, 0.05)) for side in (-1, 1)]


def aeroplane(rng: np.random.RandomState) -> Parts:
    body, wing = pick(rng, 'white', 'white', 'grey', 'paint'), pick(rng, 'grey', 'white')
    thick, sweep = rng.uniform(0.1, 0.18), rng.uniform(0.2, 0.5)
    hull = np.array([(-1, -0.02), (-0.8, -thick), (0.7, -thick), (1, -0.05), (0.95, 0.05), (0.5, thick), (-0.8, thick)])
    fin = np.array([(0.6, -thick), (0.85, -0.55), (1, -0.55), (0.95, -0.05)])
    near = np.array([(-0.25, 0), (0.2, 0), (sweep + 0.3, 0.65), (sweep + 0.1, 0.65)])
    far = near * (1, -rng.uniform(0.4, 0.8))
    windows = [
        Part(ellipse_points(x, -0.03, 0.025, 0.035, count=8), (0.1, 0.12, 0.2)) for x in np.linspace(-0.7, 0.5, 9)
    ]
    engine = Part(ellipse_points(0.05, 0.28, 0.14, 0.07), shade(wing, 0.6), 'metal')
    tail = Part(fin, pick(rng, 'paint'))
    return [Part(far, shade(wing, 0.8)), tail, Part(hull, body, 'metal'), *windows, engine, Part(near, wing, 'metal')]


def bicycle(rng: np.random.RandomState) -> Parts:
    frame, width, radius = pick(rng, 'paint', 'dark'), rng.uniform(0.07, 0.11), rng.uniform(0.42, 0.5)
    y, seat, pedal, bar = 1 - radius, (-0.28, -0.15), (-0.05, 0.6), (0.42, -0.2)
    back, front = (-1 + radius, y), (1 - radius, y)
    lines = [(back, seat), (seat, pedal), (pedal, bar), (seat, bar), (back, pedal), (bar, front)]
    tubes = [Part(bar_points(start, end, width), frame, 'metal') for start, end in lines]
    handle = Part(bar_points((0.36, -0.35), (0.6, -0.42), width), (0.1, 0.1, 0.1))
    saddle = Part(ellipse_points(-0.3, -0.24, 0.17, 0.06), (0.1, 0.08, 0.07))
    tyres = [_tyre(x, y, radius, rng.uniform(0.08, 0.13), (0.1, 0.1, 0.1)) for x, _ in (back, front)]
    return [*tyres, *tubes, handle, saddle]


def bird(rng: np.random.RandomState) -> Parts:
    body, wing = pick(rng, 'feather', 'dark', 'white', 'brown'), pick(rng, 'feather', 'grey', 'brown')
    plump, head = rng.uniform(0.3, 0.48), rng.uniform(0.17, 0.26)
    beak = np.array([(0.75, -0.5), (0.75 + rng.uniform(0.2, 0.35), -0.4), (0.75, -0.33)])
    tail = np.array([(-0.45, 0.1), (-1, rng.uniform(0, 0.5)), (-0.9, rng.uniform(0.45, 0.6)), (-0.35, 0.4)])
    flying = rng.uniform() < 0.4
    tip = (-0.5, -1.0) if flying else (-0.75, 0.35)
    feathers = np.array([(0.25, 0.0), (-0.15, -0.15), tip, (-0.25, 0.3), (0.1, 0.35)])
    legs = [] if flying else [Part(bar_points((x, 0.35), (x + 0.05, 1), 0.06), (0.6, 0.4, 0.15)) for x in (-0.05, 0.15)]
    return [
        *legs,
        Part(tail, shade(wing, 0.8), 'fur'),
        Part(ellipse_points(0.05, 0.15, 0.58, plump, -0.35), body, 'fur'),
        Part(ellipse_points(0.58, -0.4, head * 1.1, head), shade(body, rng.uniform(0.7, 1.3)), 'fur'),
        Part(beak, (0.85, 0.6, 0.15)),
        Part(feathers, wing, 'stripes' if rng.uniform() < 0.5 else 'fur'),
        Part(ellipse_points(0.65, -0.44, 0.04, 0.04, count=8), (0.03, 0.03, 0.03)),
    ]


def boat(rng: np.random.RandomState) -> Parts:
    hull = pick(rng, 'paint', 'white', 'brown', 'dark')
    deck = rng.uniform(0.35, 0.55)
    side = np.array([(-1, deck), (1, deck - 0.1), (rng.uniform(0.6, 0.8), 1), (-0.75, 1)])
    stripe = np.array([(-0.98, deck + 0.08), (0.96, deck), (0.93, deck + 0.09), (-0.94, deck + 0.17)])
    parts = [Part(side, hull, 'wood'), Part(stripe, pick(rng, 'white', 'paint'))]
    if rng.uniform() < 0.55:
        mast = rng.uniform(-0.15, 0.15)
        cloth = pick(rng, 'white', 'white', 'sand', 'paint')
        sails = [
            np.array([(mast + 0.04, -1), (mast + 0.04, deck - 0.12), (0.85, deck - 0.15)]),
            np.array([(mast - 0.04, -0.85), (mast - 0.04, deck - 0.12), (-0.75, deck - 0.1)]),
        ]
        return [
            Part(bar_points((mast, -1), (mast, deck), 0.06), (0.3, 0.2, 0.12)),
            *(Part(s, cloth) for s in sails),
            *parts,
        ]
    top, left = rng.uniform(-0.3, 0.05), rng.uniform(-0.6, -0.3)
    cabin = Part(box_points(left, top, left + 0.8, deck), pick(rng, 'white', 'paint', 'brown'), 'wood')
    panes = [
        Part(box_points(left + x, top + 0.1, left + x + 0.16, top + 0.28), pick(rng, 'glass'))
        for x in (0.1, 0.33, 0.56)
    ]
    return [cabin, *panes, *parts]


def bottle(rng: np.random.RandomState) -> Parts:
    glass, width = pick(rng, 'bottle', 'bottle', 'glass', 'white'), rng.uniform(0.24, 0.36)
    neck, shoulder = rng.uniform(0.08, 0.13), rng.uniform(-0.45, -0.05)
    right = np.array([(neck, -0.92), (neck, shoulder - 0.25), (width, shoulder + 0.1), (width, 0.95), (width * 0.9, 1)])
    outline = np.concatenate([right, (right * (-1, 1))[::-1]])
    low = rng.uniform(0.2, 0.4)
    label = Part(box_points(-width, low, width, low + rng.uniform(0.25, 0.45)), pick(rng, 'white', 'paint', 'sand'))
    cap = Part(box_points(-neck * 1.2, -1, neck * 1.2, -0.86), pick(rng, 'paint', 'dark', 'white'))
    shine = Part(box_points(-width * 0.7, shoulder + 0.2, -width * 0.5, 0.9), shade(glass, 1.9))
    return [Part(outline, glass, 'metal'), *([label] if rng.uniform() < 0.75 else []), shine, cap]


def _boxy_vehicle(rng: np.random.RandomState, paint: Colour, top: float, rows: int, panes: int, wheels: int) -> Parts:
    parts = [Part(box_points(-1, top, 1, 0.82), paint, 'metal')]
    height = (0.35 - top) / rows
    glass = pick(rng, 'glass')
    for row in range(rows):
        for pane in range(panes):
            left = -0.93 + pane * 1.86 / panes
            upper = top + 0.12 + row * height
            parts.append(Part(box_points(left, upper, left + 1.86 / panes * 0.8, upper + height * 0.6), glass, 'glass'))
    parts.append(Part(box_points(-1, 0.5, 1, 0.58), pick(rng, 'paint', 'white')))
    radius = rng.uniform(0.15, 0.22)
    for x in np.linspace(-0.72, 0.72, wheels):
        parts += _wheel(x, 1 - radius, radius, (0.6, 0.6, 0.62))
    return parts


def bus(rng: np.random.RandomState) -> Parts:
    paint = pick(rng, 'paint', 'paint', 'white')
    if rng.uniform() < 0.35:
        front = [Part(box_points(-0.62, -0.95, 0.62, 0.88), paint, 'metal')]
        front += [Part(box_points(-0.54, -0.6, 0.54, 0.15), pick(rng, 'glass'), 'glass')]
        front += [Part(box_points(-0.4, -0.88, 0.4, -0.68), (0.95, 0.75, 0.2))]
        front += [Part(ellipse_points(x, 0.55, 0.1, 0.1, count=12), (1, 1, 0.85)) for x in (-0.45, 0.45)]
        return [Part(box_points(x - 0.1, 0.7, x + 0.1, 1), (0.07, 0.07, 0.07)) for x in (-0.48, 0.48)] + front
    double = rng.uniform() < 0.3
    return _boxy_vehicle(rng, paint, -0.9 if double else -0.45, 2 if double else 1, rng.randint(4, 8), 2)


def car(rng: np.random.RandomState) -> Parts:
    paint, roof = pick(rng, 'paint', 'paint', 'dark', 'white', 'grey'), rng.uniform(-0.35, -0.1)
    lamp = (1, 0.95, 0.75)
    if rng.uniform() < 0.35:
        parts = [Part(box_points(x - 0.13, 0.6, x + 0.13, 1), (0.06, 0.06, 0.06)) for x in (-0.55, 0.55)]
        parts += [Part(np.array([(-0.55, 0.1), (-0.42, roof - 0.3), (0.42, roof - 0.3), (0.55, 0.1)]), paint, 'metal')]
        parts += [
            Part(
                np.array([(-0.47, 0.08), (-0.37, roof - 0.2), (0.37, roof - 0.2), (0.47, 0.08)]),
                pick(rng, 'glass'),
                'glass',
            )
        ]
        parts += [Part(box_points(-0.75, 0.1, 0.75, 0.8), paint, 'metal')]
        parts += [Part(ellipse_points(x, 0.35, 0.13, 0.09, count=12), lamp) for x in (-0.52, 0.52)]
        return [*parts, Part(box_points(-0.3, 0.4, 0.3, 0.58), (0.12, 0.12, 0.13))]
    bonnet = rng.uniform(0.4, 0.65)
    body = np.array(
        [(-1, 0.3), (-0.65, 0.2), (-0.4, roof), (0.3, roof), (bonnet, 0.22), (1, 0.35), (1, 0.8), (-1, 0.8)]
    )
    rear = np.array([(-0.55, 0.2), (-0.36, roof + 0.08), (-0.06, roof + 0.08), (-0.06, 0.2)])
    fore = np.array([(0.02, 0.2), (0.02, roof + 0.08), (0.27, roof + 0.08), (bonnet - 0.12, 0.2)])
    radius = rng.uniform(0.2, 0.26)
    wheels = [part for x in (-0.6, 0.6) for part in _wheel(x, 1 - radius, radius, (0.65, 0.65, 0.68))]
    panes = [Part(pane, pick(rng, 'glass'), 'glass') for pane in (rear, fore)]
    return [Part(body, paint, 'metal'), *panes, Part(box_points(0.9, 0.4, 1, 0.5), lamp), *wheels]


@dataclass(frozen=True)
class Quadruped:
    """What tells four-legged animals apart, each as a range."""

    coats: tuple[str, ...]
    textures: tuple[str, ...]
    girth: tuple[float, float]
    legs: tuple[float, float]
    neck: tuple[float, float]
    muzzle: tuple[float, float]
    ears: str
    tail: str


QUADRUPEDS = {
    'cat': Quadruped(
        ('ginger', 'grey', 'dark', 'white', 'sand'),
        ('fur', 'stripes'),
        (0.24, 0.32),
        (0.3, 0.45),
        (0.0, 0.1),
        (0.0, 0.05),
        'pointed',
        'up',
    ),
    'cow': Quadruped(
        ('white', 'brown', 'dark', 'sand'),
        ('patches', 'patches', 'plain'),
        (0.36, 0.46),
        (0.4, 0.5),
        (0.0, 0.15),
        (0.16, 0.24),
        'horns',
        'down',
    ),
    'dog': Quadruped(
        ('brown', 'sand', 'dark', 'white', 'ginger'),
        ('fur', 'patches', 'plain'),
        (0.24, 0.34),
        (0.4, 0.55),
        (0.15, 0.3),
        (0.16, 0.26),
        'floppy',
        'up',
    ),
    'horse': Quadruped(
        ('brown', 'brown', 'dark', 'white', 'sand'),
        ('plain', 'fur'),
        (0.27, 0.34),
        (0.6, 0.75),
        (0.42, 0.6),
        (0.24, 0.32),
        'mane',
        'down',
    ),
    'sheep': Quadruped(
        ('white', 'white', 'sand', 'grey', 'dark'),
        ('wool',),
        (0.42, 0.52),
        (0.3, 0.4),
        (0.02, 0.12),
        (0.12, 0.18),
        'floppy',
        'none',
    ),
}


def _head(
    rng: np.random.RandomState, kind: Quadruped, x: float, y: float, size: float, coat: Colour, texture: str
) -> Parts:
    parts = []
    if kind.ears == 'pointed':
        for side in (-1, 1):
            ear = np.array([(side * 0.9, -0.4), (side * 0.85, -1.6), (side * 0.1, -0.85)]) * size + (x, y)
            parts.append(Part(ear, shade(coat, 0.85)))
    if kind.ears == 'horns':
        parts += [
            Part(bar_points((x, y - size * 0.6), (x + s * size, y - size * 1.6), size * 0.3), (0.85, 0.8, 0.65))
            for s in (-1, 1)
        ]
    reach = rng.uniform(*kind.muzzle)
    parts.append(Part(ellipse_points(x, y, size, size * 0.9), coat, texture))
    parts.append(
        Part(
            ellipse_points(x + size * 0.6 + reach / 2, y + size * 0.35, size * 0.35 + reach / 2, size * 0.45, 0.3),
            shade(coat, rng.uniform(0.7, 1.2)),
            'plain',
        )
    )
    if kind.ears == 'floppy':
        parts.append(
            Part(ellipse_points(x - size * 0.5, y + size * 0.1, size * 0.35, size * 0.85, 0.3), shade(coat, 0.65))
        )
    return parts + _eyes(x + size * 0.3, y - size * 0.15, size * 0.3, size * 0.12)


def quadruped(rng: np.random.RandomState, kind: Quadruped) -> Parts:
    """A standing animal seen from the side, or its head filling the picture."""
    coat, texture = pick(rng, *kind.coats), kind.textures[rng.randint(len(kind.textures))]
    if rng.uniform() < 0.25:
        chest = Part(blob_points(rng, -0.25, 0.75, 0.6, 0.15), coat, texture)
        return [chest, *_head(rng, kind, -0.05, -0.05, 0.55, coat, texture)]
    girth, legs, neck = rng.uniform(*kind.girth), rng.uniform(*kind.legs), rng.uniform(*kind.neck)
    middle = 1 - legs - girth * 0.7
    shin, stride = rng.uniform(0.1, 0.15), rng.uniform(-0.12, 0.12)
    parts = []
    for x, tone in ((-0.5, 0.7), (0.45, 0.7), (-0.62, 1), (0.33, 1)):
        foot = (x + stride * (2 - tone * 3), 1.0)
        parts.append(Part(bar_points((x, middle), foot, shin), shade(coat, tone * (0.4 if texture == 'wool' else 0.9))))
    if kind.tail == 'up':
        parts.append(Part(bar_points((-0.65, middle), (-1, middle - rng.uniform(0.2, 0.6)), 0.1), coat, 'fur'))
    if kind.tail == 'down':
        parts.append(
            Part(bar_points((-0.68, middle - 0.1), (-0.9, middle + legs * 0.7), 0.09), shade(coat, 0.6), 'fur')
        )
    if texture == 'wool':
        parts.append(Part(blob_points(rng, -0.1, middle, girth * 1.25, 0.2), coat, texture))
    parts.append(Part(ellipse_points(-0.12, middle, 0.64, girth), coat, texture))
    size = rng.uniform(0.2, 0.27)
    head = (0.62, middle - girth * 0.3 - neck)
    parts.append(Part(bar_points((0.3, middle), head, size * 1.5), coat, texture))
    if kind.ears == 'mane':
        parts.append(
            Part(bar_points((0.18, middle - 0.2), (head[0] - 0.15, head[1] - 0.15), 0.13), shade(coat, 0.35), 'fur')
        )
    return parts + _head(rng, kind, *head, size, coat, texture)


def chair(rng: np.random.RandomState) -> Parts:
    wood, seat = pick(rng, 'brown', 'dark', 'white', 'sand'), pick(rng, 'cloth', 'brown', 'dark')
    level, lean, width = rng.uniform(0.1, 0.25), rng.uniform(-0.12, 0.12), rng.uniform(0.09, 0.14)
    legs = [
        Part(bar_points((x, level), (x * 1.1 + shift, 1 - abs(shift)), width), wood, 'wood')
        for x, shift in ((-0.5, 0), (0.5, 0), (-0.25, 0.08), (0.65, 0.08))
    ]
    posts = [Part(bar_points((x, level), (x + lean, -1), width), wood, 'wood') for x in (-0.5, 0.42)]
    if rng.uniform() < 0.5:
        back = [Part(box_points(-0.5 + lean, -0.95, 0.45 + lean, level - 0.2), seat, 'cloth')]
    else:
        back = [
            Part(bar_points((-0.5 + lean / 2, y), (0.42 + lean / 2, y), 0.13), wood, 'wood')
            for y in (-0.85, -0.5, -0.15)
        ]
    cushion = np.array([(-0.55, level - 0.1), (0.5, level - 0.1), (0.72, level + 0.12), (-0.45, level + 0.12)])
    return [*legs, *posts, *back, Part(cushion, seat, 'cloth')]


def diningtable(rng: np.random.RandomState) -> Parts:
    wood, height, width = pick(rng, 'brown', 'sand', 'white', 'dark'), rng.uniform(-0.2, 0.1), rng.uniform(0.1, 0.16)
    legs = [
        Part(bar_points((x, height), (x, foot), width), shade(wood, 0.7), 'wood')
        for x, foot in ((-0.8, 1), (0.8, 1), (-0.55, 0.75), (0.55, 0.75))
    ]
    if rng.uniform() < 0.4:
        legs = [
            Part(bar_points((0, height), (0, 1), 0.2), shade(wood, 0.7), 'wood'),
            Part(ellipse_points(0, 0.95, 0.45, 0.08), shade(wood, 0.6)),
        ]
        slab = ellipse_points(0, height, 1, rng.uniform(0.2, 0.35))
    else:
        slab = np.array([(-0.7, height - 0.3), (0.7, height - 0.3), (1, height + 0.1), (-1, height + 0.1)])
    edge = Part(slab + np.array([0, 0.08]), shade(wood, 0.6), 'wood')
    things = [
        Part(ellipse_points(x, height - 0.1, 0.16, 0.07, count=16), pick(rng, 'white', 'paint'))
        for x in rng.uniform(-0.6, 0.6, rng.randint(1, 4))
    ]
    return [*legs, edge, Part(slab, wood, 'wood'), *things]


def motorbike(rng: np.random.RandomState) -> Parts:
    paint, radius = pick(rng, 'paint', 'paint', 'dark'), rng.uniform(0.34, 0.42)
    y = 1 - radius
    tank = np.array([(-0.15, 0.0), (0.3, -0.12), (0.45, 0.15), (0.1, 0.35), (-0.2, 0.3)])
    fairing = np.array([(0.35, -0.2), (0.6, -0.1), (0.65, 0.3), (0.35, 0.45)])
    return [
        _tyre(-1 + radius, y, radius, 0.17, (0.07, 0.07, 0.07)),
        _tyre(1 - radius, y, radius, 0.17, (0.07, 0.07, 0.07)),
        Part(ellipse_points(-1 + radius, y, 0.14, 0.14), (0.55, 0.55, 0.58), 'metal'),
        Part(ellipse_points(1 - radius, y, 0.14, 0.14), (0.55, 0.55, 0.58), 'metal'),
        Part(bar_points((1 - radius, y), (0.42, -0.3), 0.09), (0.6, 0.6, 0.62), 'metal'),
        Part(bar_points((-1 + radius, y), (0, 0.35), 0.12), (0.3, 0.3, 0.32), 'metal'),
        Part(blob_points(rng, 0, 0.5, rng.uniform(0.26, 0.34), 0.2), (0.25, 0.25, 0.27), 'metal'),
        Part(bar_points((-0.05, 0.78), (-0.95, 0.72), 0.1), (0.75, 0.75, 0.78), 'metal'),
        Part(np.array([(-0.85, -0.02), (-0.2, 0.1), (-0.15, 0.25), (-0.8, 0.15)]), (0.09, 0.08, 0.08), 'cloth'),
        Part(tank, paint, 'metal'),
        Part(fairing, shade(paint, 0.85), 'metal'),
        Part(bar_points((0.25, -0.35), (0.5, -0.28), 0.08), (0.1, 0.1, 0.1)),
    ]


def person(rng: np.random.RandomState) -> Parts:
    skin, hair = pick(rng, 'skin'), pick(rng, 'dark', 'brown', 'sand')
    shirt, trousers = pick(rng, 'cloth', 'paint', 'white', 'dark'), pick(rng, 'cloth', 'dark', 'brown')
    if rng.uniform() < 0.3:
        torso = np.array([(-0.9, 1), (-0.75, 0.3), (-0.2, 0.08), (0.2, 0.08), (0.75, 0.3), (0.9, 1)])
        return [
            Part(ellipse_points(0, -0.42, 0.47, rng.uniform(0.5, 0.62)), hair, 'fur'),
            Part(box_points(-0.16, -0.1, 0.16, 0.3), shade(skin, 0.85)),
            Part(torso, shirt, 'cloth'),
            Part(ellipse_points(0, -0.34, 0.37, 0.48), skin),
            *_eyes(0, -0.4, 0.15, 0.045),
            Part(ellipse_points(0, -0.07, 0.12, 0.03, count=10), (0.6, 0.25, 0.25)),
        ]
    width, stride = rng.uniform(0.2, 0.28), rng.uniform(0.02, 0.22)
    hands = [(-0.45, rng.uniform(-0.5, 0.3)), (0.45, rng.uniform(-0.5, 0.3))]
    legs = [Part(bar_points((side * 0.1, 0.05), (side * stride, 0.97), 0.17), trousers, 'cloth') for side in (-1, 1)]
    shoes = [
        Part(ellipse_points(side * stride + 0.05, 0.97, 0.12, 0.05, count=12), (0.1, 0.08, 0.08)) for side in (-1, 1)
    ]
    arms = [Part(bar_points((np.sign(x) * width * 0.8, -0.52), (x, y), 0.12), shirt, 'cloth') for x, y in hands]
    palms = [Part(ellipse_points(x, y, 0.07, 0.07, count=12), skin) for x, y in hands]
    torso = np.array([(-width, -0.58), (width, -0.58), (width * 0.85, 0.12), (-width * 0.85, 0.12)])
    head = [
        Part(ellipse_points(0, -0.8, 0.155, 0.19), hair, 'fur'),
        Part(ellipse_points(0.02, -0.76, 0.125, 0.155), skin),
    ]
    return [
        *legs,
        *shoes,
        *arms,
        *palms,
        Part(box_points(-0.06, -0.68, 0.06, -0.52), skin),
        Part(torso, shirt, 'cloth'),
        *head,
    ]


def pottedplant(rng: np.random.RandomState) -> Parts:
    leaf, tall = pick(rng, 'leaf'), rng.uniform(0.25, 0.5)
    pot = np.array([(-0.35, tall), (0.35, tall), (0.26, 1), (-0.26, 1)])
    parts = []
    for _ in range(rng.randint(9, 20)):
        angle, reach = rng.uniform(-2.9, -0.25), rng.uniform(0.5, 1.2)
        x, y = reach * 0.6 * np.cos(angle), tall + reach * np.sin(angle)
        parts.append(Part(bar_points((0, tall), (x, y), 0.05), shade(leaf, 0.6)))
        size = rng.uniform(0.16, 0.34)
        parts.append(
            Part(
                ellipse_points(x, y, size, size * rng.uniform(0.3, 0.6), angle),
                shade(leaf, rng.uniform(0.6, 1.3)),
                'leaf',
            )
        )
    if rng.uniform() < 0.35:
        bloom = pick(rng, 'paint')
        parts += [
            Part(ellipse_points(x, y, 0.12, 0.12, count=12), bloom)
            for x, y in rng.uniform((-0.5, -0.9), (0.5, 0), (4, 2))
        ]
    return [
        *parts,
        Part(pot, pick(rng, 'clay', 'clay', 'white', 'paint')),
        Part(box_points(-0.4, tall, 0.4, tall + 0.1), pick(rng, 'clay')),
    ]


def sofa(rng: np.random.RandomState) -> Parts:
    cloth, back, seat = pick(rng, 'cloth', 'brown', 'dark', 'sand'), rng.uniform(-0.55, -0.25), rng.uniform(0.25, 0.4)
    feet = [Part(box_points(x - 0.06, 0.85, x + 0.06, 1), (0.2, 0.13, 0.08)) for x in (-0.8, 0.8)]
    parts = [*feet, Part(box_points(-0.9, back, 0.9, 0.7), shade(cloth, 0.8), 'cloth')]
    count = rng.randint(2, 4)
    for index in range(count):
        left = -0.75 + index * 1.5 / count
        parts.append(Part(box_points(left, back + 0.08, left + 1.46 / count, seat), cloth, 'cloth'))
        parts.append(Part(box_points(left, seat, left + 1.46 / count, 0.6), shade(cloth, 1.15), 'cloth'))
    parts.append(Part(box_points(-0.9, 0.6, 0.9, 0.88), shade(cloth, 0.7), 'cloth'))
    parts += [Part(ellipse_points(x, 0.45, 0.18, 0.45), shade(cloth, 0.95), 'cloth') for x in (-0.86, 0.86)]
    if rng.uniform() < 0.6:
        parts.append(
            Part(blob_points(rng, rng.uniform(-0.5, 0.5), seat - 0.1, 0.22, 0.15), pick(rng, 'paint', 'white'), 'cloth')
        )
    return parts


def train(rng: np.random.RandomState) -> Parts:
    paint = pick(rng, 'paint', 'paint', 'grey', 'dark')
    if rng.uniform() < 0.5:
        parts = _boxy_vehicle(rng, paint, -0.25, 1, rng.randint(7, 11), rng.randint(5, 8))
        return [
            *parts,
            Part(bar_points((-0.2, -0.25), (0.1, -0.6), 0.05), (0.1, 0.1, 0.1)),
            Part(bar_points((-1, 1), (1, 1), 0.06), (0.3, 0.22, 0.18)),
        ]
    # A train coming towards the viewer: its side runs away to the vanishing point.
    side = np.array([(0.1, -0.8), (1, -0.2), (1, 0.3), (0.1, 0.85)])
    front = np.array([(-0.9, 0.85), (-0.9, -0.5), (-0.7, -0.9), (-0.1, -0.9), (0.1, -0.5), (0.1, 0.85)])
    glass = pick(rng, 'glass')
    parts = [Part(side, shade(paint, 0.75), 'metal'), Part(front, paint, 'metal')]
    parts += [
        Part(
            np.array(
                [(x, -0.45 + x * 0.4), (x + 0.16, -0.38 + x * 0.4), (x + 0.16, 0.05 + x * 0.1), (x, 0.08 + x * 0.1)]
            ),
            glass,
            'glass',
        )
        for x in (0.2, 0.45, 0.7)
    ]
    parts += [Part(box_points(left, -0.6, left + 0.4, -0.1), glass, 'glass') for left in (-0.82, -0.36)]
    parts += [Part(ellipse_points(x, 0.35, 0.09, 0.09, count=12), (1, 0.95, 0.7)) for x in (-0.7, -0.1)]
    return [
        *parts,
        Part(box_points(-0.9, 0.6, 0.1, 0.75), pick(rng, 'paint')),
        Part(box_points(-0.85, 0.85, 0.05, 1), (0.12, 0.12, 0.12)),
    ]


def tvmonitor(rng: np.random.RandomState) -> Parts:
    case, bottom = pick(rng, 'dark', 'dark', 'grey', 'white'), rng.uniform(0.45, 0.65)
    screen = pick(rng, 'dark', 'glass', 'paint')
    parts = [
        Part(bar_points((0, bottom), (0, 0.95), 0.2), shade(case, 0.8)),
        Part(ellipse_points(0, 0.95, rng.uniform(0.35, 0.55), 0.05), shade(case, 0.7)),
        Part(box_points(-0.95, -0.85, 0.95, bottom), case, 'metal'),
        Part(box_points(-0.84, -0.74, 0.84, bottom - 0.14), screen, 'glass'),
    ]
    if rng.uniform() < 0.5:
        for _ in range(rng.randint(2, 5)):
            left, top = rng.uniform(-0.8, 0.2), rng.uniform(-0.7, bottom - 0.5)
            parts.append(
                Part(
                    box_points(left, top, left + rng.uniform(0.2, 0.6), top + rng.uniform(0.08, 0.3)),
                    pick(rng, 'paint', 'white'),
                )
            )
    return parts


@dataclass(frozen=True)
class ObjectClass:
    """How a class is drawn and where it is seen.

    Args:
        name (str): VOC's name of the class.
        draw (Callable): Makes an example from a random stream.
        places (tuple[str, ...]): Keys of ``natural_scenes.PLACES`` in which it is mostly seen.
        aspect (tuple[float, float]): Range of width over height.
        airborne (bool): Whether it floats in the upper part of the picture.
    """

    name: str
    draw: Callable[[np.random.RandomState], Parts]
    places: tuple[str, ...]
    aspect: tuple[float, float]
    airborne: bool = False


def _animal(name: str) -> Callable[[np.random.RandomState], Parts]:
    return lambda rng: quadruped(rng, QUADRUPEDS[name])


OBJECT_CLASSES = (
    ObjectClass('aeroplane', aeroplane, ('sky', 'street'), (1.6, 2.6), airborne=True),
    ObjectClass('bicycle', bicycle, ('street', 'meadow'), (1.3, 1.7)),
    ObjectClass('bird', bird, ('sky', 'meadow', 'water'), (1.0, 1.6), airborne=True),
    ObjectClass('boat', boat, ('water',), (1.0, 2.2)),
    ObjectClass('bottle', bottle, ('room',), (0.6, 0.9)),
    ObjectClass('bus', bus, ('street',), (1.2, 2.0)),
    ObjectClass('car', car, ('street', 'meadow'), (1.5, 2.3)),
    ObjectClass('cat', _animal('cat'), ('room', 'meadow'), (1.0, 1.6)),
    ObjectClass('chair', chair, ('room',), (0.6, 0.9)),
    ObjectClass('cow', _animal('cow'), ('meadow',), (1.2, 1.7)),
    ObjectClass('diningtable', diningtable, ('room',), (1.2, 2.0)),
    ObjectClass('dog', _animal('dog'), ('room', 'meadow', 'street'), (1.0, 1.5)),
    ObjectClass('horse', _animal('horse'), ('meadow',), (0.9, 1.3)),
    ObjectClass('motorbike', motorbike, ('street', 'meadow'), (1.3, 1.8)),
    ObjectClass('person', person, ('street', 'room', 'meadow'), (0.6, 1.0)),
    ObjectClass('pottedplant', pottedplant, ('room', 'street'), (0.7, 1.1)),
    ObjectClass('sheep', _animal('sheep'), ('meadow',), (1.1, 1.6)),
    ObjectClass('sofa', sofa, ('room',), (1.5, 2.3)),
    ObjectClass('train', train, ('street', 'meadow'), (1.5, 2.6)),
    ObjectClass('tvmonitor', tvmonitor, ('room',), (1.1, 1.6)),
)
"""VOC's foreground classes; the class index of an entry is its position plus one."""

"""Contents of files, spoilt: bytes and words replaced, parts cut and doubled, values of JSON exchanged for others."""

from __future__ import annotations

import json
import random
from typing import Any

VALUES = (
    None, True, False, 0, 1, -1, 0.5, 1e308, float('nan'), float('inf'), 2**31, 2**63, 2**80, 10**40, '', 'a', 'plane',
    '\ud800', '\x00', 'x' * 300, '=1+1', '../x', [], {}, [[]], [None], [[1]], [['a', 'b']], [1, 2], {'a': 1}, '9' * 50,
    [0] * 1000, '1', 'NaN', [1e20, 1e20], [[1e20, -1e20]], 'os.system',
)  # fmt: skip
MAX_BYTES = 1 << 16


def mutated(seed: bytes, words: tuple[bytes, ...], chance: random.Random) -> bytes:
    """``seed`` with one to six faults."""
    data = seed
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        is_json = chance.random() < 0.6 and data[:1] in (b'{', b'[')
        data = _other_json(data, chance) if is_json else _other_bytes(data, words, chance)
    return data[:MAX_BYTES]


def _other_bytes(data: bytes, words: tuple[bytes, ...], chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice((0, 1, 1, 2, 4, 8, 40)))
    match chance.randrange(6):
        case 0:
            new = bytes([chance.randrange(256)])
        case 1:
            new = data[start:end] * 2
        case 2:
            new = b''
        case 3 if words:
            new = chance.choice(words)
        case 4:
            other = chance.randrange(len(data) + 1)
            new = data[other : other + (end - start)]
        case 5 if chance.random() < 0.2:
            return data[:start]
        case _:
            new = bytes(byte ^ (1 << chance.randrange(8)) for byte in data[start:end])
    return data[:start] + new + data[end:]


def _other_json(data: bytes, chance: random.Random) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = list(_places(value))
    if not places:
        return data
    holder, key = chance.choice(places)
    match chance.randrange(6):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.insert(key, chance.choice(VALUES))
        case 2:
            holder[key] = [holder[key]]
        case 3:
            other, there = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[there])) if there in _keys(other) else None
        case _:
            holder[key] = chance.choice(VALUES)
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return data


def _keys(holder: Any) -> Any:
    return holder if isinstance(holder, dict) else range(len(holder))


def _places(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        for key in list(_keys(value)):
            yield value, key
            yield from _places(value[key])

"""Pictures of sample predictions that a training may leave for the report.

A grid's work directory may have a folder ``samples`` with PNG or JPEG files, and beside them ``samples.json``::

    {"format": 1, "samples": [{"file": "pcam.png", "caption": "what it shows", "group": "PCam 1,000"}, ...]}

``group`` may be left out. Without ``samples.json`` all pictures are shown, each with its name for a caption.
"""

from __future__ import annotations

import os
from pathlib import Path

from sdp_plugin.files import read_regular_file
from sdp_plugin.records import Record, as_record, read_json
from sdp_plugin.report.model import Sample

SUFFIXES = {'.png': 'image/png', '.jpg': 'image/jpeg', '.jpeg': 'image/jpeg'}
STARTS = {'image/png': b'\x89PNG\r\n\x1a\n', 'image/jpeg': b'\xff\xd8\xff'}
# The page is one file that also a phone should open.
MAX_BYTES = 12 * 2**20


def read_samples(work_dir: Path) -> tuple[list[Sample], list[str]]:
    """The pictures, and what is wrong with those that are left out."""
    folder = work_dir / 'samples'
    samples, problems, total = [], [], 0
    try:
        wanted = _wanted(folder)
    except (OSError, ValueError) as error:
        return [], [f'samples/samples.json cannot be read: {" ".join(str(error).split())}']
    for wish in wanted:
        name = wish.file
        path = folder / name
        media_type = SUFFIXES.get(path.suffix.lower())
        if media_type is None or path.parent != folder or not os.path.isfile(path):
            problems.append(f'The picture samples/{name} is left out: there is no such PNG or JPEG file.')
            continue
        try:
            content = read_regular_file(path, MAX_BYTES)
        except (OSError, ValueError) as error:
            problems.append(f'The picture samples/{name} is left out: {error}.')
            continue
        total += len(content)
        if not content.startswith(STARTS[media_type]):
            problems.append(f'The picture samples/{name} is left out: it is no {media_type.removeprefix("image/")}.')
        elif total > MAX_BYTES:
            problems.append(f'The picture samples/{name} is left out: the page would become too large.')
        else:
            samples.append(Sample(name, wish.caption, wish.group, content))
    return samples, problems


class _Wish(Record):
    file: str
    caption: str = ''
    group: str = ''


class _Index(Record):
    samples: list[_Wish]


def _wanted(folder: Path) -> list[_Wish]:
    index = folder / 'samples.json'
    if index.is_file():
        return as_record(_Index, read_json(read_regular_file(index, MAX_BYTES), index), index).samples
    pictures = sorted(path for path in folder.glob('*') if path.suffix.lower() in SUFFIXES)
    return [_Wish(file=path.name, caption=path.stem.replace('_', ' ')) for path in pictures]

"""Pictures of sample predictions that a training may leave for the report.

A grid's work directory may have a folder ``samples`` with PNG or JPEG files, and beside them ``samples.json``::

    {"format": 1, "samples": [{"file": "pcam.png", "caption": "what it shows", "group": "PCam 1,000"}, ...]}

``group`` may be left out. Without ``samples.json`` all pictures are shown, each with its name for a caption.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [], [f'samples/samples.json cannot be read: {type(error).__name__}: {error}']
    for values in wanted:
        name = str(values['file'])
        path = folder / name
        media_type = SUFFIXES.get(path.suffix.lower())
        if media_type is None or path.parent != folder or not path.is_file():
            problems.append(f'The picture samples/{name} is left out: there is no such PNG or JPEG file.')
            continue
        content = path.read_bytes()
        total += len(content)
        if not content.startswith(STARTS[media_type]):
            problems.append(f'The picture samples/{name} is left out: it is no {media_type.removeprefix("image/")}.')
        elif total > MAX_BYTES:
            problems.append(f'The picture samples/{name} is left out: the page would become too large.')
        else:
            samples.append(Sample(name, str(values.get('caption', '')), str(values.get('group', '')), content))
    return samples, problems


def _wanted(folder: Path) -> list[dict[str, Any]]:
    index = folder / 'samples.json'
    if index.is_file():
        values = json.loads(index.read_text(encoding='utf-8'))
        return [dict(sample, file=sample['file']) for sample in values['samples']]
    pictures = sorted(path for path in folder.glob('*') if path.suffix.lower() in SUFFIXES)
    return [{'file': path.name, 'caption': path.stem.replace('_', ' ')} for path in pictures]

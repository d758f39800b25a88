from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.grid import segmentations, store
from sdp_plugin.grid.plan import plan_grid
from sdp_plugin.grid.segmentations import draw_segmentations
from sdp_plugin.grid.worker import Worker
from sdp_plugin.report.samples import read_samples
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
MASKS = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-masks-321x321.py'
CLASSES = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py'
WIDE = {'scribbles': {'line_width': 7}}


@pytest.fixture
def grid(small_options, tmp_path):
    """A work directory with three pre-trainings of an iteration, planned."""
    pretrainings = {
        name: dict(config=config, options=small_options(config, max_iters=1) | WIDE.get(name, {}))
        for name, config in {'scribbles': SCRIBBLES, 'masks': MASKS, 'classes': CLASSES}.items()
    }
    initialisations = {name.title(): dict(pretraining=name) for name in pretrainings}
    path = tmp_path / 'grid.py'
    # No data set: there is nothing to fine-tune.
    values = dict(name='segmentors', pretrainings=pretrainings, initialisations=initialisations, datasets={})
    path.write_text('\n'.join(f'{key} = {value!r}' for key, value in values.items()))
    store.write_plan(tmp_path / 'work', plan_grid(path))
    return tmp_path / 'work'


def test_no_images_are_refused(run_tool, tmp_path):
    status, _, errors = run_tool('draw_segmentations.py', tmp_path, '--images', 0)
    assert status == 2
    assert '0 is less than 1' in errors


def test_a_picture_of_the_segmentors(grid, small_data, monkeypatch):
    with pytest.raises(UserError, match='no finished segmentor'):
        draw_segmentations(grid)
    Worker(grid).run()
    drawn = []
    save = segmentations.save_segmentation_panels
    monkeypatch.setattr(
        segmentations, 'save_segmentation_panels', lambda rows, *more: (drawn.extend(rows), save(rows, *more))
    )
    (path,) = draw_segmentations(grid, num_images=2)
    assert cv2.imread(str(path)) is not None
    assert len(drawn) == 2
    for row in drawn:
        assert list(row.predictions) == ['pre-training scribbles', 'pre-training masks']
        assert all(prediction.shape == row.mask.shape for prediction in row.predictions.values())
        strokes = rasterise(read_scribblesup(small_data.scribbles / f'{row.title}.xml'), 7)
        assert np.array_equal(row.scribbles, strokes)
    assert json.loads((grid / 'samples' / 'samples.json').read_text())['samples'][0]['file'] == path.name
    samples, problems = read_samples(grid)
    assert len(samples) == 1
    assert problems == []

"""tools/predict.py on slides: a small fine-tuned classifier on the real slide, and what a person can get wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'


@pytest.fixture
def checkpoint(small_config, tmp_path) -> Path:
    runner = Runner.from_cfg(small_config(PCAM))
    runner.train_loop  # noqa: B018 - builds it, and with it the data set whose classes the card names
    runner.save_checkpoint(str(tmp_path), 'epoch_1.pth', save_optimizer=False, save_param_scheduler=False)
    return tmp_path / 'epoch_1.pth'


@pytest.mark.real_data
def test_three_slides_of_which_one_is_broken(real_data, checkpoint, run_tool, tmp_path):
    """The table is what the classifier says of the tiles that OpenSlide itself reads."""
    import openslide

    from sdp_plugin.apis.predict import load_classifier

    whole, broken = (real_data / 'slides' / name for name in ('CMU-1-Small-Region.svs', 'broken.svs'))
    again = tmp_path / 'again.svs'
    again.symlink_to(whole)
    out = tmp_path / 'out'
    status, printed, errors = run_tool('predict.py', checkpoint, whole, broken, again, '--out', out, '--shown', 2)
    assert status == 1, errors
    lines = [line for line in printed.splitlines() if '.svs (' in line and ' left' not in line.replace('left out', '')]
    assert len(lines) == 3
    assert 'broken.svs (2 of 3): left out: ' in lines[1]
    with open(out / 'slides.csv', newline='', encoding='utf-8') as file:
        assert [bool(row['problem']) for row in csv.DictReader(file)] == [False, True, False]
    tables = [(out / name / 'tiles.csv').read_bytes() for name in ('CMU-1-Small-Region', 'again')]
    assert tables[0] == tables[1]

    with open(out / 'again' / 'tiles.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    slide = openslide.OpenSlide(str(whole))
    assert 60 < len(rows) < 90
    inside = [row for row in rows if int(row['x']) + 187 <= 2220 and int(row['y']) + 187 <= 2967]
    tiles = []
    for row in inside:
        region = slide.read_region((int(row['x']), int(row['y'])), 0, (187, 187)).convert('RGB')
        tiles.append(np.asarray(region.resize((96, 96), Image.Resampling.BILINEAR))[..., ::-1])
    expected = load_classifier(checkpoint).logits(tiles)
    found = np.array([[float(row['logit_normal']), float(row['logit_tumour'])] for row in inside])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_a_person_can_get_wrong(checkpoint, run_tool, tmp_path, small_data):
    plain = tmp_path / 'plain.png'
    Image.new('RGB', (200, 150), (205, 120, 180)).save(plain)
    (tmp_path / 'bad.svs').write_bytes(b'no slide')

    def refused(message: str, *arguments: object) -> None:
        status, _, errors = run_tool('predict.py', checkpoint, *arguments, '--out', tmp_path / 'out')
        assert status == 2
        assert message in errors
        assert errors.count('error:') == 1

    refused('The resolution of', plain)
    refused('--mpp', plain)
    refused('no such slide', tmp_path / 'nowhere.svs')
    refused('no slide that can be read', tmp_path / 'bad.svs')
    refused('no such class', plain, '--mpp', 1, '--class', 'stroma')
    refused('is no JSON', plain, '--mpp', 1, '--tissue', plain)
    refused('one folder or file at a time', plain, small_data.pcam)
    assert not (tmp_path / 'out').exists()
    status, printed, errors = run_tool('predict.py', checkpoint, plain, '--mpp', 1, '--out', tmp_path / 'out')
    assert status == 0, errors
    assert 'plain.png (1 of 1): 6 tiles' in printed

"""Looking at the samples of a config, and the tool that does it."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import mmcv
import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from PIL import Image

from sdp_plugin.apis.browse import SPLITS, browse, choose, open_dataset
from sdp_plugin.catalogue.crc import CRC
from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise

ROOT = Path(__file__).parents[2]
SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
MASKS = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-masks-321x321.py'
CLASSES = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py'
CLASSES_OF_CROP = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321_of-crop.py'
CLASSES_XML = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321_xml.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC_TILES = 'finetune/resnet34_1xb32-200e_crc.py'
TILE_FOLDER = 'finetune/resnet34_1xb32-100e_tile-folder.py'

# The columns of a sample, with one draw of the pipeline, in training and in testing.
HEADS = {
    SCRIBBLES: (
        ['image', 'scribbles', 'augmented 1', 'augmented 1: scribbles'],
        ['image', 'full mask', 'as tested', 'as tested: full mask'],
    ),
    MASKS: (
        ['image', 'full mask', 'augmented 1', 'augmented 1: full mask'],
        ['image', 'full mask', 'as tested', 'as tested: full mask'],
    ),
    **dict.fromkeys(
        (CLASSES, CLASSES_OF_CROP, CLASSES_XML, PCAM, CRC_TILES, TILE_FOLDER),
        (['image', 'augmented 1'], ['image', 'as tested']),
    ),
}


@pytest.fixture
def open_small(small_config):
    def build(config: str, split: str = 'train', **options):
        return open_dataset(small_config(config, small_model=False, **options), split)

    return build


@pytest.fixture
def spoilt_voc(small_data, tmp_path):
    """A copy of the VOC data whose first training image is truncated."""
    root = tmp_path / 'spoilt'
    shutil.copytree(small_data.voc, root)
    first = sorted((root / 'JPEGImages').iterdir())[0]
    first.write_bytes(first.read_bytes()[:500])
    return root


@pytest.mark.parametrize('split', SPLITS)
@pytest.mark.parametrize('config', HEADS)
def test_every_kind_of_config_can_be_looked_at(open_small, config, split):
    dataset = open_small(config, split)
    rows = list(browse(dataset, choose(dataset, 3), augmented=1))
    assert [row.problem for row in rows] == [''] * len(rows)
    assert len(rows) >= 2
    for row in rows:
        assert [panel.head for panel in row.panels] == HEADS[config][SPLITS.index(split)]


def test_images_and_strokes_are_those_of_the_files(open_small, small_data):
    for row in browse(open_small(SCRIBBLES), [0, 3], augmented=0):
        image, scribbles = row.panels
        assert np.array_equal(image.image, mmcv.imread(small_data.voc / 'JPEGImages' / f'{row.title}.jpg')[..., ::-1])
        assert np.array_equal(scribbles.labels, rasterise(read_scribblesup(small_data.scribbles / f'{row.title}.xml')))
        assert scribbles.caption == f'{100 * (scribbles.labels != 255).mean():.1f} % labelled'


def test_tiles_are_shown_in_their_colours(open_small, small_data):
    dataset = open_small(PCAM, 'test')
    with h5py.File(small_data.pcam / 'camelyonpatch_level_2_split_test_x.h5') as file:
        for position, row in enumerate(browse(dataset, range(3))):
            assert row.title == f'test/{position}'
            assert all(np.array_equal(panel.image, file['x'][position]) for panel in row.panels)


def test_the_network_sees_crops_with_their_strokes(open_small):
    (row,) = browse(open_small(SCRIBBLES), [1], augmented=3)
    assert [panel.shape for panel in row.panels[2:]] == [(33, 33)] * 6
    assert all(np.isin(panel.labels, row.panels[1].labels).all() for panel in row.panels[3::2])
    assert len({panel.image.tobytes() for panel in row.panels[2::2]}) == 3


def test_draws_repeat_by_seed_whatever_else_is_shown(open_small):
    dataset = open_small(CRC_TILES)
    *_, among_others = browse(dataset, [0, 5, 2])
    (alone,) = browse(dataset, [2])
    (other,) = browse(dataset, [2], seed=1)
    assert all(np.array_equal(*(p.image for p in pair)) for pair in zip(alone.panels, among_others.panels, strict=True))
    assert not np.array_equal(alone.panels[1].image, other.panels[1].image)


def test_a_test_sample_has_one_view(open_small):
    (row,) = browse(open_small(MASKS, 'test'), [0], augmented=5)
    assert len(row.panels) == 4


@pytest.mark.parametrize(('config', 'known'), [(CLASSES, True), (CLASSES_XML, True), (CLASSES_OF_CROP, False)])
def test_classes_are_named_where_they_are_told(open_small, small_data, config, known):
    for row in browse(open_small(config), range(4), augmented=1):
        names = row.panels[1].caption.partition(': ')[2].split(', ')
        mask = np.asarray(Image.open(small_data.voc / 'SegmentationClassAug' / f'{row.title}.png'))
        if known:
            assert len(names) == len(set(np.unique(mask)) - {0, 255})
            assert row.panels[0].caption == f'96 x 72: {", ".join(names)}'
        else:
            assert row.panels[0].caption == '96 x 72'


def test_tiles_are_named_by_their_class(open_small):
    dataset = open_small(CRC_TILES)
    for position, row in enumerate(browse(dataset, range(len(dataset)), augmented=1)):
        assert [panel.caption.split(': ')[1] for panel in row.panels] == [CRC.classes[position]] * 2


def test_samples_are_spread_over_the_data_set(open_small):
    dataset = open_small(SCRIBBLES)
    assert choose(dataset, 3) == [0, 4, 7]
    assert choose(dataset, 100) == list(range(8))
    assert choose(dataset, 3, start=2) == [2, 3, 4]
    assert choose(dataset, 3, start=6) == [6, 7]
    assert choose(dataset, 1, ids=['2000_000003', '2000_000001']) == [2, 0]


@pytest.mark.parametrize('wanted', [{'start': 8}, {'ids': ['2000_000001', 'elsewhere']}])
def test_samples_that_are_not_there(open_small, wanted):
    with pytest.raises(UserError, match='no such sample') as error:
        choose(open_small(SCRIBBLES), 1, **wanted)
    assert '8 samples, the first is 2000_000001' in str(error.value)


def test_a_broken_image_is_a_row_of_its_own(open_small, spoilt_voc):
    broken, *others = browse(open_small(SCRIBBLES, data_root=str(spoilt_voc)), range(4))
    assert 'cannot be decoded' in broken.problem
    assert broken.title == '2000_000001'
    assert not broken.panels
    assert [row.problem for row in others] == [''] * 3


@pytest.mark.parametrize(
    ('outcome', 'problem'), [(ZeroDivisionError('by zero'), 'by zero'), (None, 'gives this sample up')]
)
def test_a_broken_transform_is_a_row_of_its_own(open_small, outcome, problem):
    class Broken(BaseTransform):
        def transform(self, results):
            if outcome is not None:
                raise outcome
            return None

    dataset = open_small(PCAM)
    dataset.pipeline.transforms.insert(2, Broken())
    assert [problem in row.problem for row in browse(dataset, [0, 1])] == [True, True]


def test_full_masks_stand_beside_scribbles(open_small, small_data):
    masks = small_data.voc / 'SegmentationClassAug'
    for row in browse(open_small(SCRIBBLES), [0, 4], augmented=0, masks=masks):
        assert [panel.head for panel in row.panels] == ['image', 'scribbles', 'full mask']
        assert np.array_equal(row.panels[2].labels, np.asarray(Image.open(masks / f'{row.title}.png')))


def test_masks_that_do_not_fit(open_small, tmp_path):
    dataset = open_small(SCRIBBLES)
    with pytest.raises(UserError, match='folder of full masks is missing'):
        list(browse(dataset, [0], masks=tmp_path / 'nowhere'))
    Image.new('L', (5, 5)).save(tmp_path / '2000_000001.png')
    small, missing = browse(dataset, [0, 1], masks=tmp_path)
    assert 'another size' in small.problem
    assert '2000_000002.png' in missing.problem


def test_a_config_without_the_split(small_config):
    cfg = small_config(MASKS, small_model=False)
    cfg.test_dataloader = None
    with pytest.raises(UserError, match='no test_dataloader'):
        open_dataset(cfg, 'test')


def test_the_largest_seed_is_one_and_no_larger_is(run_tool, open_small):
    (row,) = browse(open_small(PCAM), [1], seed=2**32 - 1)
    assert not row.problem
    status, _, errors = run_tool('browse_dataset.py', ROOT / 'configs' / PCAM, '--seed', 99999999999)
    assert status == 2
    assert 'is more than 4294967295' in errors


def test_the_tool_writes_pages(run_tool, small_options, tmp_path):
    options = small_options(SCRIBBLES, small_model=False) | {'crop_size': '(33,33)'}
    arguments = ['--out', tmp_path, '--count', 5, '--per-page', 3, '--augmented', 1, '--dpi', 40, '--small']
    status, printed, _ = run_tool('browse_dataset.py', ROOT / 'configs' / SCRIBBLES, *arguments, options=options)
    pages = sorted(tmp_path.iterdir())
    assert status == 0
    assert [page.name for page in pages] == [f'{Path(SCRIBBLES).stem}_train_{number:02}.png' for number in (1, 2)]
    assert [f'written: {page}' in printed for page in pages] == [True, True]
    heights = [Image.open(page).height for page in pages]
    assert heights[1] < heights[0]


def test_the_tool_lists_what_is_broken(run_tool, small_options, spoilt_voc, tmp_path):
    options = small_options(MASKS, small_model=False) | {'crop_size': '(33,33)', 'data_root': spoilt_voc}
    arguments = ['--out', tmp_path / 'out', '--start', 0, '--count', 3]
    status, _, errors = run_tool('browse_dataset.py', ROOT / 'configs' / MASKS, *arguments, options=options)
    assert status == 1
    assert '1 of 3 samples cannot be loaded:\n2000_000001: An image cannot be decoded.' in errors
    assert len(list((tmp_path / 'out').iterdir())) == 1


def test_the_tool_opens_no_window_where_there_is_none(run_tool, monkeypatch):
    from matplotlib import pyplot

    pyplot.switch_backend('agg')
    status, _, errors = run_tool('browse_dataset.py', ROOT / 'configs' / MASKS, '--show')
    assert status == 2
    assert errors.startswith('error: No window can be opened here.')
    assert 'Traceback' not in errors

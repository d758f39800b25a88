from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sdp_plugin.datasets.transforms.loading_scribbles import LoadScribbles
from sdp_plugin.errors import UserError
from sdp_plugin.registry import TRANSFORMS
from sdp_plugin.scribbles.formats.index_png import write_index_png
from sdp_plugin.scribbles.formats.scribblesup import write_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

SCRIBBLES = ScribbleSet((Stroke([[2, 3], [40, 20]], 12), Stroke([[30, 2], [5, 28]], 0)), 50, 30)


@pytest.fixture
def xml(tmp_path):
    write_scribblesup(tmp_path / 'a.xml', SCRIBBLES)
    return tmp_path / 'a.xml'


@pytest.fixture
def png(tmp_path):
    write_index_png(tmp_path / 'a.png', rasterise(SCRIBBLES))
    return tmp_path / 'a.png'


def load(path, img_shape=(30, 50), ori_shape=None, **arguments):
    results = {'scribble_path': str(path), 'img_shape': img_shape}
    if ori_shape:
        results['ori_shape'] = ori_shape
    return LoadScribbles(**arguments)(results)


def test_it_is_built_from_a_config():
    transform = TRANSFORMS.build({'type': 'sdp_plugin.LoadScribbles', 'line_width': 5, 'mode': 'opencv'})
    assert isinstance(transform, LoadScribbles)
    assert repr(transform).startswith(
        "LoadScribbles(line_width=5, mode='opencv', ignore_index=255, unknown_tag='error'"
    )
    assert eval(repr(transform)).__dict__ == transform.__dict__


@pytest.mark.parametrize('arguments', [{}, {'line_width': 7}, {'mode': 'opencv'}, {'mode': 'pillow', 'line_width': 1}])
def test_strokes_are_drawn_as_asked_for(xml, arguments):
    results = load(xml, **arguments)
    assert results['gt_seg_map'].dtype == np.uint8
    assert np.array_equal(results['gt_seg_map'], rasterise(SCRIBBLES, **arguments))
    assert results['seg_fields'] == ['gt_seg_map']


def test_other_fields_are_kept(xml):
    results = {'scribble_path': xml, 'img_shape': (30, 50), 'seg_fields': ['gt_edge_map']}
    assert LoadScribbles()(results)['seg_fields'] == ['gt_edge_map', 'gt_seg_map']


def test_an_index_png_is_loaded_as_it_is(png):
    assert np.array_equal(load(png, line_width=9)['gt_seg_map'], rasterise(SCRIBBLES))


def test_ignore_values(xml, tmp_path):
    assert set(np.unique(load(xml, ignore_index=200)['gt_seg_map'])) == {0, 12, 200}
    write_index_png(tmp_path / 'napari.png', np.array([[0, 3]], np.uint8))
    results = load(tmp_path / 'napari.png', (1, 2), file_ignore_index=0, ignore_index=200)
    assert results['gt_seg_map'].tolist() == [[200, 3]]


@pytest.mark.parametrize('kind', ['xml', 'png'])
def test_another_size_is_an_error_unless_asked_for(kind, request):
    path = request.getfixturevalue(kind)
    with pytest.raises(UserError, match='another size') as raised:
        load(path, (60, 100))
    assert '50 x 30' in str(raised.value)
    assert '100 x 60' in str(raised.value)
    assert load(path, (60, 100), size_mismatch='rescale')['gt_seg_map'].shape == (60, 100)


def test_rescaled_strokes_keep_the_line_width_and_rescaled_masks_their_labels(xml, png):
    drawn = load(xml, (60, 100), size_mismatch='rescale')['gt_seg_map']
    assert np.array_equal(drawn, rasterise(SCRIBBLES, size=(60, 100)))
    resized = load(png, (60, 100), size_mismatch='rescale')['gt_seg_map']
    assert np.array_equal(resized, rasterise(SCRIBBLES).repeat(2, 0).repeat(2, 1))


def test_after_a_resize_strokes_are_drawn_at_the_new_size(xml):
    """The annotation is of the stored image's size, so nothing is amiss."""
    results = load(xml, (60, 100), ori_shape=(30, 50))
    assert np.array_equal(results['gt_seg_map'], rasterise(SCRIBBLES, size=(60, 100)))
    with pytest.raises(UserError, match='another size'):
        load(xml, (30, 50), ori_shape=(60, 100))


def test_tags(xml):
    names = ('dog', 'background')
    assert set(np.unique(load(xml, class_names=names)['gt_seg_map'])) == {0, 1, 255}
    with pytest.raises(UserError, match='unknown class'):
        load(xml, class_names=('dog',))
    skipping = load(xml, class_names=('dog',), unknown_tag='skip')['gt_seg_map']
    assert set(np.unique(skipping)) == {0, 255}


def test_a_scribble_set_without_strokes_labels_nothing(tmp_path):
    write_scribblesup(tmp_path / 'none.xml', ScribbleSet((), 50, 30))
    assert (load(tmp_path / 'none.xml')['gt_seg_map'] == 255).all()


def test_wrong_files(tmp_path):
    with pytest.raises(UserError, match='does not exist'):
        load(tmp_path / 'missing.xml')
    with pytest.raises(UserError, match='no format') as raised:
        load(tmp_path / 'a.json')
    assert '.xml or .png' in str(raised.value)


def test_an_index_png_of_a_class_that_there_is_not(tmp_path):
    path = tmp_path / 'strokes.png'
    Image.fromarray(np.array([[255, 3], [20, 21]], np.uint8)).save(path)
    with pytest.raises(UserError, match=r'(?s)no class.*0 to 20.*21 in .*strokes\.png'):
        LoadScribbles()(dict(scribble_path=str(path), img_shape=(2, 2)))

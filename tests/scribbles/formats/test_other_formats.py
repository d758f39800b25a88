"""labelme, CVAT, QuPath and Label Studio: files as these tools write them, round trips and hostile files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from annotation_files import CVAT, LABELME, QUPATH
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats import FORMATS, FormatOptions
from sdp_plugin.scribbles.formats.cvat import read_cvat
from sdp_plugin.scribbles.formats.label_studio import read_label_studio
from sdp_plugin.scribbles.formats.labelme import read_labelme, write_labelme
from sdp_plugin.scribbles.formats.qupath import read_qupath
from sdp_plugin.scribbles.formats.reading import ImageAnnotation
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

COW, DOG = VOC_TAGS.index('cow'), VOC_TAGS.index('dog')
COW_STROKE = Stroke([[10, 20], [11.75, 21.5], [29.5, 25]], COW)
TISSUES = ('Stroma', 'Tumor')

hundredths = st.integers(-200_000, 200_000).map(lambda number: number / 100)
strokes = st.builds(
    Stroke,
    st.lists(st.tuples(hundredths, hundredths), min_size=1, max_size=12).map(np.array),
    st.integers(0, len(VOC_TAGS) - 1),
)
scribble_sets = st.builds(ScribbleSet, st.lists(strokes, max_size=5), st.integers(1, 9999), st.integers(1, 9999))


@pytest.fixture
def write(tmp_path):
    def write(content, name='file.json'):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def assert_close(found: ScribbleSet, expected: ScribbleSet, precision: float) -> None:
    assert (found.width, found.height) == (expected.width, expected.height)
    assert [s.class_index for s in found.strokes] == [s.class_index for s in expected.strokes]
    for a, b in zip(found.strokes, expected.strokes, strict=True):
        np.testing.assert_allclose(a.points, b.points, rtol=0, atol=precision)


# labelme


def test_labelme_as_labelme_writes_it(write):
    annotation = read_labelme(write(LABELME), VOC_TAGS)
    assert annotation.image_id == '2007_000063'
    expected = (COW_STROKE, Stroke([[-0.5, 0], [40, 0]], 0), Stroke([[5, 6]], DOG))
    assert annotation.drawn == ScribbleSet(expected, 80, 60)
    assert annotation.left_out == ('1 polygon shape(s)',)


@given(scribble_sets, st.one_of(st.none(), st.floats(0.5, 50)))
def test_labelme_round_trip(tmp_path_factory, scribbles, width):
    path = tmp_path_factory.mktemp('labelme') / 'a.json'
    widened = [Stroke(stroke.points, stroke.class_index, width) for stroke in scribbles.strokes]
    scribbles = ScribbleSet(tuple(widened), scribbles.width, scribbles.height)
    write_labelme(path, scribbles, VOC_TAGS)
    annotation = read_labelme(path, VOC_TAGS)
    assert_close(annotation.drawn, scribbles, 1e-9)
    assert {stroke.width for stroke in annotation.drawn.strokes} <= {width}
    assert annotation.left_out == ()


def test_labelme_opens_what_is_written(tmp_path):
    """The keys that labelme asks for, and shape types that it knows for that many points."""
    write_labelme(tmp_path / 'a.json', ScribbleSet((Stroke([[1, 2]], 1), COW_STROKE), 9, 8), VOC_TAGS, 'a.png')
    content = json.loads((tmp_path / 'a.json').read_text())
    assert {'version', 'flags', 'shapes', 'imagePath', 'imageData', 'imageHeight', 'imageWidth'} == set(content)
    assert [shape['shape_type'] for shape in content['shapes']] == ['point', 'linestrip']
    assert content['imagePath'] == 'a.png'


# CVAT


def test_cvat_as_cvat_writes_it(write):
    first, second = read_cvat(write(CVAT), VOC_TAGS)
    assert (first.image_id, second.image_id) == ('2007_000063', 'empty')
    # By z-order, and then as in the file.
    expected = (COW_STROKE, Stroke([[5, 6]], DOG), Stroke([[7, 8]], DOG), Stroke([[0, 0], [40, 0]], 0))
    assert first.drawn == ScribbleSet(expected, 80, 60)
    assert first.left_out == ('1 polygon shape(s)',)
    assert second.drawn == ScribbleSet((), 10, 20)


@given(scribble_sets)
def test_cvat_keeps_two_decimals(tmp_path_factory, scribbles):
    path = tmp_path_factory.mktemp('cvat') / 'annotations.xml'
    shapes = ''.join(
        f'<polyline label="{VOC_TAGS[stroke.class_index]}" occluded="0" z_order="0" points="'
        + ';'.join(f'{x + 0.5:.2f},{y + 0.5:.2f}' for x, y in stroke.points)
        + '"></polyline>'
        for stroke in scribbles.strokes
    )
    path.write_text(
        f'<annotations><version>1.1</version><image id="0" name="a.png" width="{scribbles.width}" '
        f'height="{scribbles.height}">{shapes}</image></annotations>'
    )
    assert_close(read_cvat(path, VOC_TAGS)[0].drawn, scribbles, 0.0051)


# QuPath


def test_qupath_as_qupath_writes_it(write):
    annotation = read_qupath(write(QUPATH, 'tile_3.geojson'), TISSUES, (200, 150), offset=(1000, 2000))
    assert annotation.image_id == 'tile_3'
    expected = (
        Stroke([[0, 0], [9.5, 19.5], [99.75, 100.25]], 1),
        Stroke([[39.5, -0.5], [49.5, 9.5]], 0),
        Stroke([[59.5, -0.5], [69.5, 9.5], [79.5, -0.5]], 0),
    )
    assert annotation.drawn == ScribbleSet(expected, 200, 150)
    assert annotation.left_out == ('1 Polygon feature(s)',)


def test_qupath_scale_is_that_of_pixels_as_areas(write):
    """At a downsample of 4 the centre of a tile pixel is the corner between its 2nd and 3rd full-resolution pixels."""
    path = write(QUPATH.replace('1000.5, 2000.5', '1002, 2006'))
    points = read_qupath(path, TISSUES, (50, 50), offset=(1000, 2000), scale=0.25).drawn.strokes[0].points
    assert points[0].tolist() == [0, 1]


@given(scribble_sets, st.integers(0, 100_000), st.sampled_from([1, 0.5, 0.25, 2]))
def test_qupath_round_trip(tmp_path_factory, scribbles, offset, scale):
    path = tmp_path_factory.mktemp('qupath') / 'a.geojson'
    features = [
        {
            'type': 'Feature',
            'geometry': {
                'type': 'LineString' if len(stroke.points) > 1 else 'Point',
                'coordinates': np.squeeze((stroke.points + 0.5) / scale + offset, axis=0).tolist()
                if len(stroke.points) == 1
                else ((stroke.points + 0.5) / scale + offset).tolist(),
            },
            'properties': {'classification': {'name': VOC_TAGS[stroke.class_index]}},
        }
        for stroke in scribbles.strokes
    ]
    path.write_text(json.dumps({'type': 'FeatureCollection', 'features': features}))
    size = (scribbles.width, scribbles.height)
    annotation = read_qupath(path, VOC_TAGS, size, offset=(offset, offset), scale=scale)
    assert_close(annotation.drawn, scribbles, 1e-8)


def test_qupath_derived_and_missing_classifications(write):
    path = write(QUPATH.replace('"names": ["Stroma"]', '"names": ["Tumor", "Positive"]'))
    assert read_qupath(path, ('Tumor', 'Tumor: Positive'), (9, 9)).drawn.strokes[1].class_index == 1
    path = write(QUPATH.replace('"classification": {"names": ["Stroma"], "color": [150, 200, 150]}', '"x": 0'))
    with pytest.raises(UserError, match='unknown class'):
        read_qupath(path, TISSUES, (9, 9))
    assert len(read_qupath(path, TISSUES, (9, 9), unknown_tag='skip').drawn.strokes) == 1


# Label Studio


def encode(values: np.ndarray, lengths=(3, 4, 8, 16)) -> list[int]:
    """The run-length code of bytes, by the format's definition, with runs and literals of every length size."""
    bits = f'{len(values):032b}{7:05b}' + ''.join(f'{size - 1:04b}' for size in lengths)
    position = 0
    while position < len(values):
        run = 1
        while position + run < len(values) and values[position + run] == values[position] and run < 2 ** lengths[-1]:
            run += 1
        size = next(i for i, length in enumerate(lengths) if run <= 2**length)
        if run == 1:
            end = min(position + 3, len(values))
            bits += f'0{0:02b}{end - position - 1:0{lengths[0]}b}'
            bits += ''.join(f'{value:08b}' for value in values[position:end])
            position = end
        else:
            bits += f'1{size:02b}{run - 1:0{lengths[size]}b}{values[position]:08b}'
            position += run
    bits += '0' * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def region(painted, label='Tumor', **changes):
    rgba = np.repeat(painted.astype(np.uint8).ravel(), 4)
    height, width = painted.shape
    result = {
        'original_width': width,
        'original_height': height,
        'image_rotation': 0,
        'value': {'format': 'rle', 'rle': encode(rgba), 'brushlabels': [label]},
        'from_name': 'tag',
        'to_name': 'image',
        'type': 'brushlabels',
    }
    return result | changes


def tasks(*regions, image='/data/upload/1/5f3a2b1c-tile_3.png'):
    return json.dumps([{'id': 4, 'data': {'image': image}, 'annotations': [{'id': 9, 'result': list(regions)}]}])


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.sampled_from([0, 0, 0, 200, 255]))
)
def test_label_studio_round_trip(tmp_path_factory, painted):
    path = tmp_path_factory.mktemp('studio') / 'a.json'
    path.write_text(tasks(region(painted)))
    (annotation,) = read_label_studio(path, TISSUES)
    assert annotation.image_id == '5f3a2b1c-tile_3'
    assert np.array_equal(annotation.drawn, np.where(painted >= 128, 1, 255))


def test_label_studio_order_kinds_and_cancelled_annotations(write):
    whole, corner = np.full((4, 5), 255), np.zeros((4, 5))
    corner[:2, :2] = 255
    content = json.loads(tasks(region(whole), region(corner, 'Stroma'), {'type': 'rectanglelabels', 'value': {}}))
    content[0]['annotations'].insert(0, {'was_cancelled': True, 'result': [region(corner)]})
    content[0]['annotations'].append({'result': []})
    content.append({'id': 5, 'data': {}, 'annotations': []})
    (annotation,) = read_label_studio(write(json.dumps(content)), TISSUES)
    assert annotation.drawn.tolist() == [[0, 0, 1, 1, 1]] * 2 + [[1] * 5] * 2
    assert annotation.left_out == ('1 further annotation(s) of the task', '1 rectanglelabels region(s)')


# All of them


HOSTILE = {
    'labelme': {
        'other JSON': ('[1, 2]', 'no labelme'),
        'no width': (LABELME.replace('imageWidth', 'w'), 'imageWidth'),
        'width in words': (LABELME.replace('"imageWidth": 80', '"imageWidth": "wide"'), 'imageWidth'),
        'NaN': (LABELME.replace('10.5, 20.5', 'NaN, 20.5'), 'no JSON'),
        'far away': (LABELME.replace('10.5, 20.5', '1e300, 20.5'), 'cannot be drawn'),
        'numbers in words': (LABELME.replace('10.5, 20.5', '"10.5", 20.5'), 'no number'),
        'a truth for a number': (LABELME.replace('10.5, 20.5', 'true, 20.5'), 'no number'),
        'width that is true': (LABELME.replace('"imageWidth": 80', '"imageWidth": true'), 'imageWidth'),
        'words without end': (LABELME.replace('10.5, 20.5', f'"{"x" * 10**6}", 20.5'), 'no number'),
        'points in words': (LABELME.replace('[10.5, 20.5]', '"here"'), 'cannot be drawn'),
        'shape of another kind': ('{"shapes": [3], "imageWidth": 3, "imageHeight": 3}', 'no object'),
        'unknown label': (LABELME.replace('cow', 'unicorn'), 'unknown class'),
        'polygons only': (LABELME.replace('linestrip', 'polygon').replace('line"', 'circle"').replace('point"', 'x"'),
                          'holds no strokes'),
    },
    'cvat': {
        'other XML': ('<annotation/>', 'no CVAT'),
        'bomb': ('<!DOCTYPE a [<!ENTITY b "cc">]>' + CVAT.split('?>')[1], 'document type'),
        'tracks': ('<annotations><track id="0" label="cow"/></annotations>', 'video tracks'),
        'no size': (CVAT.replace('width="80"', ''), 'width of image'),
        'points in words': (CVAT.replace('10.50,20.50', 'here'), 'no pairs'),
        'numbers of Python': (CVAT.replace('10.50,20.50', '1_0.50,20.50'), 'no pairs'),
        'sizes of Python': (CVAT.replace('width="80"', 'width="8_0"'), 'width of image'),
        'NaN': (CVAT.replace('10.50,20.50', 'nan,1'), 'cannot be drawn'),
        'odd z-order': (CVAT.replace('z_order="1"', 'z_order="top"'), 'z_order'),
        'unknown label': (CVAT.replace('"cow"', '"unicorn"'), 'unknown class'),
        'polygons only': (CVAT.replace('polyline', 'polygon').replace('<points', '<box').replace('</points', '</box'),
                          'holds no strokes'),
    },
    'qupath': {
        'other JSON': ('{"a": 1}', 'GeoJSON .* is not as it has to be'),
        'unknown class': (QUPATH.replace('Tumor', 'unicorn'), 'unknown class'),
        'coordinates in words': (QUPATH.replace('[1000.5, 2000.5]', '"here"'), 'no list of positions'),
        'numbers in words': (QUPATH.replace('1000.5, ', '"1000.5", '), 'no list of positions'),
        'a truth for a number': (QUPATH.replace('1000.5, ', 'true, '), 'no list of positions'),
        'coordinates of one number': (QUPATH.replace('[1000.5, 2000.5]', '[1000.5]'), 'no list of positions'),
        'no coordinates': (QUPATH.replace('"coordinates": [[1000', '"x": [[1000'), 'no list of positions'),
        'NaN': (QUPATH.replace('1000.5', 'NaN'), 'no JSON'),
        'polygons only': (QUPATH.replace('LineString', 'Polygon'), 'holds no strokes'),
    },
    'label_studio': {
        'other JSON': ('{"a": 1}', 'no Label Studio'),
        'JSON-MIN': ('[{"image": "a.png", "tag": []}]', 'no Label Studio'),
        'truncated code': (tasks(region(np.eye(9), value={'format': 'rle', 'rle': encode(np.zeros(9 * 9 * 4, int))[:9],
                                                          'brushlabels': ['Tumor']})), 'damaged'),
        'code of another size': (tasks(region(np.eye(9), original_width=8)), 'damaged'),
        'code of no bytes': (tasks(region(np.eye(9), value={'format': 'rle', 'rle': [1, 2, 'x'],
                                                            'brushlabels': ['Tumor']})), 'damaged'),
        'size beyond memory': (tasks(region(np.eye(9), original_width=10**9)), 'impossible size'),
        'no size': (tasks(region(np.eye(9), original_width=None)), 'width of the image'),
        'unknown class': (tasks(region(np.eye(9), 'unicorn')), 'unknown class'),
    },
}  # fmt: skip
for faults in HOSTILE.values():
    faults['empty'] = ('', 'empty')
for name in ('labelme', 'qupath', 'label_studio'):
    HOSTILE[name] |= {
        'truncated': ('{"shapes": [{"points": [[1', 'no JSON'),
        'wrong encoding': ('{"é": 1}'.encode('latin-1'), 'no JSON'),
        'nested without end': ('[' * 200_000, 'no JSON'),
    }
HOSTILE['cvat']['truncated'] = (CVAT[:600], 'well-formed')


@pytest.mark.parametrize(('name', 'fault'), [(name, fault) for name, faults in HOSTILE.items() for fault in faults])
def test_a_fault_is_one_error_that_names_the_file(write, name, fault):
    content, message = HOSTILE[name][fault]
    path = write(content)
    names = VOC_TAGS if name in ('labelme', 'cvat') else TISSUES
    with pytest.raises(UserError, match=message) as raised:
        FORMATS[name].read(path, FormatOptions(class_names=names, image_size=lambda _: (9, 9)))
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 2000


@pytest.mark.parametrize('name', FORMATS)
def test_the_table_reads_what_it_writes_and_says_what_it_loses(name, tmp_path):
    entry = FORMATS[name]
    if entry.write is None:
        assert name in ('cvat', 'qupath', 'label_studio')
        return
    scribbles = ScribbleSet((COW_STROKE, Stroke([[3, 3], [4, 9]], 0, 5.0)), 40, 30)
    path = tmp_path / f'a{entry.suffix}'
    lost = entry.write(path, ImageAnnotation('a', scribbles), FormatOptions())
    (annotation,) = entry.read(path, FormatOptions())
    assert annotation.image_id == 'a'
    if name == 'index_png':
        assert np.array_equal(annotation.drawn, rasterise(scribbles))
        assert lost == ('the order and shape of the strokes',)
        return
    assert_close(annotation.drawn, scribbles, 1e-9)
    assert [stroke.width for stroke in annotation.drawn.strokes] == ([None, 5.0] if not lost else [None, None])
    assert lost == ({'scribblesup': ('the width(s) of 1 stroke(s)',), 'labelme': ()}[name])
    with pytest.raises(UserError, match='pixels have no strokes'):
        entry.write(tmp_path / 'new', ImageAnnotation('a', np.zeros((3, 3), np.uint8)), FormatOptions())


def test_a_format_that_does_not_say_the_size_asks_for_it(write):
    with pytest.raises(UserError, match='--images'):
        FORMATS['qupath'].read(write(QUPATH), FormatOptions(class_names=TISSUES))

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats import scribblesup
from sdp_plugin.scribbles.formats.scribblesup import CONTEXT_TAGS, VOC_TAGS, read_scribblesup, write_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

SAMPLES = ('2007_009897', '2008_000003', '2008_000008', '2011_003223')
# As ScribbleSup's own files are laid out.
USUAL = (
    '<annotation>\n\t<folder>anno</folder>\n\t<filename>a.png</filename>\n\t<size>\n\t\t<width>50</width>\n'
    '\t\t<height>30</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<segmented>1</segmented>\n'
    '\t<polygon>\n\t\t<tag>cow</tag>\n\t\t<point>\n\t\t\t<X>4</X>\n\t\t\t<Y>5</Y>\n\t\t</point>\n'
    '\t\t<point>\n\t\t\t<X>-6</X>\n\t\t\t<Y>31</Y>\n\t\t</point>\n\t</polygon>\n'
    '\t<polygon>\n\t\t<tag>background</tag>\n\t\t<point>\n\t\t\t<X>9</X>\n\t\t\t<Y>9</Y>\n\t\t</point>\n\t</polygon>\n'
    '</annotation>\n'
)
EXPECTED = ScribbleSet((Stroke([[4, 5], [-6, 31]], 10), Stroke([[9, 9]], 0)), 50, 30)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / 'scribble.xml'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    'content',
    [
        USUAL,
        USUAL.replace('\n', '').replace('\t', ''),
        USUAL.replace('\n', '\r\n'),
        '<?xml version="1.0" encoding="utf-8"?>\n' + USUAL,
        USUAL.replace('<tag>cow</tag>', '<tag> cow </tag>'),
        USUAL.replace('<tag>cow</tag>', '<tag>c&#111;w</tag>'),
        USUAL.replace('<tag>cow</tag>', '<tag><![CDATA[cow]]></tag>'),
        USUAL.replace('<polygon>', '<!-- <polygon><tag>dog</tag></polygon> --><polygon>', 1),
        USUAL.replace('<polygon>', '<polygon id="3">'),
        USUAL.replace('<X>4</X>', '<X>4.0e0</X>'),
        USUAL.replace('<filename>', '<source>\n<image>vóc</image></source><owner/><filename>'),
        USUAL.replace('</annotation>', '<polygon><tag>cow</tag></polygon></annotation>'),
        USUAL.encode('utf-16'),
    ],
)
def test_layouts_that_mean_the_same(write, content):
    assert read_scribblesup(write(content)) == EXPECTED


def test_a_usual_file_takes_the_short_way():
    """Guards the loading time: the parser's tree costs more than decoding a JPEG."""
    assert scribblesup._match_usual_layout(USUAL.encode()) is not None


BOMB = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">' + ''.join(
    f'<!ENTITY x{i} "{f"&x{i - 1 if i else str()};" * 10}">' for i in range(9)
)
HOSTILE = {
    'empty': ('', 'is empty'),
    'blank': ('\n\n', 'well-formed'),
    'truncated in a tag': (USUAL[:400], 'well-formed'),
    'truncated after a polygon': (USUAL.replace('</annotation>', ''), 'well-formed'),
    'trailing text': (USUAL + 'more', 'well-formed'),
    'tags crossed': (USUAL.replace('</X>', '</Y>', 1), 'well-formed'),
    'binary': (b'\x89PNG\r\n\x1a\n\x00\x00', 'well-formed'),
    'wrong encoding': (USUAL.replace('cow', 'kü').encode('latin-1'), 'well-formed'),
    'unknown encoding': ('<?xml version="1.0" encoding="klingon"?>' + USUAL, 'well-formed'),
    'billion laughs': (BOMB + ']>' + USUAL.replace('cow', '&x8;'), 'document type'),
    'document type without entities': ('<!DOCTYPE annotation>' + USUAL, 'document type'),
    'external entity': (
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + USUAL.replace('cow', '&e;'),
        'document type',
    ),
    'undeclared entity': (USUAL.replace('cow', '&cow;'), 'well-formed'),
    'other XML': ('<svg><polygon/></svg>', 'no ScribbleSup file'),
    'no size': (USUAL.replace('size>', 'sighs>'), 'size of its image'),
    'size in words': (USUAL.replace('<width>50', '<width>fifty'), 'size of its image'),
    'size negative': (USUAL.replace('<width>50', '<width>-50'), 'size of its image'),
    'size of zero': (USUAL.replace('<width>50', '<width>0'), 'impossible size'),
    'size beyond memory': (USUAL.replace('<width>50', '<width>999999999'), 'impossible size'),
    'size beyond digits': (USUAL.replace('<width>50', '<width>' + '9' * 5000), 'size of its image'),
    'NaN': (USUAL.replace('<X>4', '<X>NaN'), 'cannot be drawn'),
    'infinity': (USUAL.replace('<X>4', '<X>-inf'), 'cannot be drawn'),
    'coordinate beyond any image': (USUAL.replace('<X>4', '<X>4000000000'), 'cannot be drawn'),
    'coordinate in words': (USUAL.replace('<X>4', '<X>four'), 'not two numbers'),
    'coordinate of Python': (USUAL.replace('<X>4', '<X>4_0'), 'not two numbers'),
    'digits of another script': (USUAL.replace('<X>4', '<X>٤'), 'not two numbers'),
    'point without Y': (USUAL.replace('<Y>5</Y>', ''), 'not two numbers'),
    'two numbers in one': (USUAL.replace('<X>4</X>', '<X>4 5</X>'), 'not two numbers'),
    'unknown tag': (USUAL.replace('cow', 'unicorn'), 'unknown class'),
    'no tag': (USUAL.replace('<tag>cow</tag>', ''), 'without a class'),
    'a million points': (
        USUAL.replace('</polygon>', '<point><X>1</X><Y>1</Y></point>' * 1_000_000 + '</polygon>', 1),
        'too many points',
    ),
}


@pytest.mark.parametrize('fault', HOSTILE)
def test_a_fault_is_one_error_that_names_the_file(write, fault):
    content, message = HOSTILE[fault]
    path = write(content)
    with pytest.raises(UserError, match=message) as raised:
        read_scribblesup(path)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 2000


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UserError, match='does not exist'):
        read_scribblesup(tmp_path / 'nothing.xml')
    with pytest.raises(UserError, match='cannot be read'):
        read_scribblesup(tmp_path)


def test_unknown_tags_are_left_out_on_request(write):
    scribbles = read_scribblesup(write(USUAL.replace('cow', 'unicorn')), unknown_tag='skip')
    assert scribbles.strokes == EXPECTED.strokes[1:]
    with pytest.raises(UserError, match='unknown way'):
        read_scribblesup(write(USUAL.replace('cow', 'unicorn')), unknown_tag='ignore')


def test_class_names_give_the_indices(write):
    path = write(USUAL.replace('cow', 'plane'))
    assert read_scribblesup(path, ('plane', 'background')).strokes[0].class_index == 0
    assert read_scribblesup(path, ('background', 'aeroplane')).strokes[0].class_index == 1
    path = write(USUAL.replace('cow', 'tvmonitor'))
    assert read_scribblesup(path).strokes[0].class_index == VOC_TAGS.index('monitor') == 20


def test_context_tags(write):
    assert len(VOC_TAGS) == 21
    assert len(set(CONTEXT_TAGS)) == len(CONTEXT_TAGS) == 60
    path = write(USUAL.replace('cow', 'sky'))
    assert read_scribblesup(path, CONTEXT_TAGS).strokes[0].class_index == CONTEXT_TAGS.index('sky')
    with pytest.raises(UserError, match='unknown class'):
        read_scribblesup(path)


decimals = st.integers(-2_000_000, 2_000_000).map(lambda thousandths: thousandths / 1000)
strokes = st.builds(
    Stroke,
    st.lists(st.tuples(decimals, decimals), min_size=1, max_size=20).map(np.array),
    st.integers(0, len(CONTEXT_TAGS) - 1),
)
scribble_sets = st.builds(ScribbleSet, st.lists(strokes, max_size=5), st.integers(1, 9999), st.integers(1, 9999))


@given(scribble_sets)
def test_round_trip(tmp_path_factory, scribbles):
    path = tmp_path_factory.mktemp('round') / 'trip.xml'
    write_scribblesup(path, scribbles, CONTEXT_TAGS)
    assert read_scribblesup(path, CONTEXT_TAGS) == scribbles


@given(scribble_sets, st.data())
def test_both_ways_of_reading_agree(tmp_path_factory, scribbles, data):
    """On whole and on damaged files: the short way never accepts what the parser refuses or reads otherwise."""
    path = tmp_path_factory.mktemp('two') / 'ways.xml'
    write_scribblesup(path, scribbles, CONTEXT_TAGS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 2))):
        position = data.draw(st.integers(0, len(content) - 1))
        removed = data.draw(st.integers(0, 2))
        content[position : position + removed] = data.draw(st.sampled_from([b'', b'<', b'9', b'\xe9']))
    short = scribblesup._match_usual_layout(bytes(content))
    if short is None:
        return
    parsed = scribblesup._parse_any_layout(path, bytes(content))
    assert short[:2] == parsed[:2]
    assert [tag for tag, _ in short[2]] == [tag for tag, _ in parsed[2]]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(short[2], parsed[2], strict=True))


def test_names_with_markup_survive(tmp_path):
    scribbles = ScribbleSet((Stroke([[1, 2]], 1),), 5, 5)
    names = ('background', 'ducts & <lobules>')
    write_scribblesup(tmp_path / 'a&b.xml', scribbles, names)
    assert read_scribblesup(tmp_path / 'a&b.xml', names) == scribbles


def test_a_class_without_a_name_leaves_no_file(tmp_path):
    with pytest.raises(UserError, match='has no tag'):
        write_scribblesup(tmp_path / 'new.xml', ScribbleSet((Stroke([[1, 2]], 21),), 5, 5))
    assert not list(tmp_path.iterdir())


@pytest.mark.real_data
def test_real_scribbles_agree_with_the_masks(real_data):
    """Of the labelled pixels, all files together and each alone, agree with the mask or fall into void."""
    agreeing, labelled = [], []
    for name in SAMPLES:
        scribbles = read_scribblesup(real_data / 'scribblesup-samples/pascal_2012' / f'{name}.xml')
        truth = np.array(Image.open(real_data / 'scribblesup-samples/SegmentationClassAug' / f'{name}.png'))
        mask = rasterise(scribbles, line_width=3, mode='distance')
        drawn = mask != 255
        agreeing.append((((mask == truth) | (truth == 255)) & drawn).sum())
        labelled.append(drawn.sum())
    assert sum(agreeing) / sum(labelled) >= 0.97
    assert min(np.array(agreeing) / labelled) >= 0.91


@pytest.mark.real_data
@pytest.mark.parametrize('name', SAMPLES)
def test_real_files_survive_a_round_trip_and_are_usual(real_data, tmp_path, name):
    path = real_data / 'scribblesup-samples/pascal_2012' / f'{name}.xml'
    scribbles = read_scribblesup(path)
    write_scribblesup(tmp_path / path.name, scribbles)
    assert scribblesup._match_usual_layout(path.read_bytes()) is not None
    assert (tmp_path / path.name).read_bytes().split() == path.read_bytes().split()

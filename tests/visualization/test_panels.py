"""Rows of panels: what is shown, how they are arranged, and windows."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.errors import UserError
from sdp_plugin.visualization.drawing import full_palette, over_faded
from sdp_plugin.visualization.panels import Panel, PanelRow, draw_panels, save_panels, save_small_panels, show_panels

HEIGHT, WIDTH = 30, 40
IMAGE = np.full((HEIGHT, WIDTH, 3), (30, 90, 160), dtype=np.uint8)
STROKE = np.full((HEIGHT, WIDTH), 255, dtype=np.uint8)
STROKE[14:17, 8:32] = 12


def make_row(title: str = '2000_000001') -> PanelRow:
    return PanelRow(title, [Panel('image', IMAGE, caption='40 x 30'), Panel('scribbles', IMAGE, STROKE)])


def colours_in(path) -> set[tuple[int, int, int]]:
    picture = np.asarray(Image.open(path).convert('RGB'))
    return set(map(tuple, np.unique(picture.reshape(-1, 3), axis=0).tolist()))


def words_of(figure) -> list[str]:
    words = [text.get_text() for text in figure.texts]
    words += [text.get_text() for axes in figure.axes for text in [*axes.texts, axes.xaxis.label]]
    words += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return [word for word in words if word]


def test_images_and_strokes_are_shown_in_their_colours(tmp_path):
    save_panels([make_row()], tmp_path / 'new' / 'rows.png')
    shown = colours_in(tmp_path / 'new' / 'rows.png')
    assert {(30, 90, 160), tuple(voc_palette()[12].tolist())} <= shown
    assert [file.name for file in (tmp_path / 'new').iterdir()] == ['rows.png']


def test_words_name_samples_columns_sizes_and_classes():
    figure = draw_panels([make_row('first'), make_row('second')], class_names=['background', 'aeroplane'])
    assert words_of(figure) == ['image', 'scribbles', 'first', 'second', '40 x 30', '40 x 30', 'class 12']


def test_labels_alone_show_void_and_say_so(tmp_path):
    row = PanelRow('one', [Panel('full mask', labels=STROKE)])
    figure = draw_panels([row], class_names=[f'name {index}' for index in range(21)])
    assert words_of(figure) == ['full mask', 'one', 'name 12', 'void']
    save_panels([row], tmp_path / 'rows.png')
    assert tuple(voc_palette()[255].tolist()) in colours_in(tmp_path / 'rows.png')


def test_a_data_set_brings_its_colours(tmp_path):
    labels = np.ones((HEIGHT, WIDTH), dtype=np.uint8)
    save_panels(
        [PanelRow('one', [Panel('mask', labels=labels)])], tmp_path / 'rows.png', colours=[[0, 0, 0], [1, 2, 3]]
    )
    assert (1, 2, 3) in colours_in(tmp_path / 'rows.png')
    assert full_palette([[1, 2, 3]])[1:].tolist() == voc_palette()[1:].tolist()


def test_masks_let_the_image_shine_through():
    mask = np.full((HEIGHT, WIDTH), 12, dtype=np.uint8)
    image = IMAGE.copy()
    image[:, WIDTH // 2 :] = 255
    opaque, blended = (over_faded(image, mask, voc_palette(), opacity) for opacity in (1.0, 0.6))
    assert (opaque == voc_palette()[12]).all()
    assert (blended[:, 0] < blended[:, -1]).all()


def test_what_is_not_labelled_stays_grey():
    picture = over_faded(IMAGE, STROKE, voc_palette())
    assert np.ptp(picture[STROKE == 255], axis=1).max() == 0
    assert (picture[STROKE == 12] == voc_palette()[12]).all()


def test_samples_go_below_and_beside_each_other():
    rows = [make_row() for _ in range(6)]
    below, beside = draw_panels(rows), draw_panels(rows, per_line=3)
    assert beside.get_figwidth() == pytest.approx(3 * below.get_figwidth())
    assert beside.get_figheight() < below.get_figheight() / 2
    assert len(below.axes) == len(beside.axes) == 12
    for figure in (below, beside):
        boxes = [axes.get_position() for axes in figure.axes]
        assert all(box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 <= 1 for box in boxes)
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_problem_is_written_where_the_panels_would_be():
    figure = draw_panels([make_row(), PanelRow('broken', problem='The image is missing.\n  looked for: it')])
    assert 'The image is missing.\n  looked for: it' in '\n'.join(words_of(figure))
    assert len(figure.axes) == 3


def test_nothing_but_problems_can_be_drawn(tmp_path):
    problem = 'A very long message. ' * 60
    save_panels([PanelRow('broken', problem=problem), PanelRow('too', problem='no $1')], tmp_path / 'rows.png')
    assert (tmp_path / 'rows.png').exists()


def test_dollar_signs_start_no_formula(tmp_path):
    formula = '$x_^ \\frac$'
    row = PanelRow(formula, [Panel(formula, IMAGE, STROKE, caption=formula)])
    save_panels([row, PanelRow('broken', problem=formula)], tmp_path / 'rows.png', class_names=[formula] * 21)
    assert (tmp_path / 'rows.png').exists()


def test_thin_strokes_survive_in_a_smaller_picture(tmp_path):
    labels = np.full((600, 800), 255, dtype=np.uint8)
    labels[::10] = 12
    image = np.zeros((600, 800, 3), dtype=np.uint8)
    save_panels([PanelRow('one', [Panel('scribbles', image, labels)])], tmp_path / 'rows.png', dpi=60)
    picture = np.asarray(Image.open(tmp_path / 'rows.png').convert('RGB')).astype(int)
    bluish = picture[..., 2] - picture[..., 1] > 4
    assert np.count_nonzero(bluish.sum(axis=1) > 60) > 55


@pytest.mark.parametrize(
    ('rows', 'problem'),
    [
        ([], 'no sample'),
        ([PanelRow('one', [Panel('scribbles', IMAGE, STROKE[1:])])], 'scribbles of one has another size'),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, rows, problem):
    with pytest.raises(UserError, match=problem):
        save_panels(rows, tmp_path / 'rows.png')
    assert not list(tmp_path.iterdir())


def test_small_pictures_look_the_same(tmp_path):
    image = np.random.RandomState(0).randint(0, 256, (200, 260, 3), dtype=np.uint8)
    mask = np.arange(21, dtype=np.uint8).reshape(3, 7)
    rows = [PanelRow('one', [Panel('image', image), Panel('full mask', labels=mask)])]
    save_panels(rows, tmp_path / 'large.png')
    save_small_panels(rows, tmp_path / 'small.png')
    large, small = tmp_path / 'large.png', tmp_path / 'small.png'
    assert small.stat().st_size < 0.6 * large.stat().st_size
    difference = np.subtract(*(np.asarray(Image.open(path).convert('RGB'), dtype=int) for path in (large, small)))
    assert np.abs(difference).max() <= 8
    assert set(map(tuple, voc_palette()[:21].tolist())) <= colours_in(small)


def test_no_window_without_a_toolkit(monkeypatch):
    monkeypatch.setattr(pyplot, 'show', lambda: pytest.fail('shown'))
    pyplot.switch_backend('agg')
    with pytest.raises(UserError, match='--out'):
        show_panels([make_row()])


def test_no_window_without_a_display(monkeypatch):
    def fail(*args, **kwargs):
        raise ImportError("Cannot load backend 'TkAgg' which requires the 'tk' interactive framework")

    monkeypatch.setattr(pyplot, 'figure', fail)
    with pytest.raises(UserError, match='TkAgg'):
        show_panels([make_row()])


def test_windows_show_what_files_show(monkeypatch):
    shown = []
    pyplot.switch_backend('agg')
    monkeypatch.setattr(FigureCanvasAgg, 'required_interactive_framework', 'tk')
    monkeypatch.setattr(pyplot, 'show', lambda: shown.extend(map(pyplot.figure, pyplot.get_fignums())))
    show_panels([make_row()])
    assert [words_of(figure) for figure in shown] == [words_of(draw_panels([make_row()]))]
    pyplot.close('all')


def test_no_torch_is_imported():
    code = 'import sys, sdp_plugin.visualization.panels; print("torch" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert done.stdout == 'False\n'

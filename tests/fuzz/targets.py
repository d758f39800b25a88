"""Every parser of files that others wrote, with files to begin from, and what none of them may do.

A parser gets the path of a file with arbitrary bytes. It may return, or raise a UserError; whatever else it does is a
finding: another exception, a write, a process, a connection, more than a few seconds.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sdp_plugin.errors import UserError

CLASSES = ('background', 'plane', 'bike', 'tumour')


@dataclass(frozen=True)
class Target:
    """A parser.

    Args:
        parse: Gets the file.
        suffix: Of the file.
        seeds: Contents that it takes, to begin from.
        words: What such files are made of, for mutations.
    """

    parse: Callable[[Path], object]
    suffix: str
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()

    def takes(self, data: bytes, folder: Path) -> bool:
        """Whether the parser takes ``data``, unwatched: what it imports may do what it likes."""
        path = folder / f'case{self.suffix}'
        path.write_bytes(data)
        try:
            self.parse(path)
        except UserError:
            return False
        return True

    def run(self, data: bytes, folder: Path) -> bool:
        """Parse ``data``; whether it was taken for what it should be."""
        path = folder / f'case{self.suffix}'
        path.write_bytes(data)
        try:
            with harmless():
                self.parse(path)
        except UserError as error:
            str(error).encode('utf-8', 'surrogateescape')
            return False
        return True


# --- What no parser does -----------------------------------------------------------------------------------------

_FORBIDDEN = ('os.system', 'os.exec', 'os.posix_spawn', 'os.fork', 'subprocess.Popen', 'socket.connect', 'os.remove')
_FORBIDDEN += ('os.rename', 'os.rmdir', 'os.mkdir', 'os.link', 'os.symlink', 'shutil.rmtree', 'os.truncate', 'os.chmod')
_watching = False
_is_installed = False


class Harm(BaseException):
    """A parser did what none may do. No ``Exception``, so that no parser takes it for a fault of the file."""


def _watch(event: str, arguments: tuple) -> None:
    if not _watching:
        return
    if event in _FORBIDDEN:
        raise Harm(f'{event} {arguments!r:.200}')
    if event == 'open' and isinstance(arguments[1], str) and set(arguments[1]) & set('wax+'):
        raise Harm(f'writes {arguments[0]!r}')


@contextmanager
def harmless() -> Iterator[None]:
    """Watch what the interpreter does."""
    global _watching, _is_installed
    if not _is_installed:
        sys.addaudithook(_watch)
        _is_installed = True
    _watching = True
    try:
        yield
    finally:
        _watching = False


@contextmanager
def preparing() -> Iterator[None]:
    """Do not watch what the target itself does before it calls the parser."""
    global _watching
    before, _watching = _watching, False
    try:
        yield
    finally:
        _watching = before


# --- Checkpoints ---------------------------------------------------------------------------------------------------


def _checkpoint() -> dict:
    import torch
    from mmengine.logging import HistoryBuffer

    return {
        'meta': {'cfg': _CONFIG, 'epoch': 1, 'model_card': {'classes': ['a', 'b'], 'input_size': [32, 32]}},
        'state_dict': OrderedDict([('w', torch.arange(4.0)), ('n', torch.tensor(3)), ('h', torch.ones(2, 2).half())]),
        'message_hub': {'log': HistoryBuffer([0.5, 0.25], [1, 1]), 'array': np.eye(2), 'lr': np.float64(0.1)},
        'plain': [None, True, 2**40, -1.5, b'\xff', (1,), {1}, slice(1, None), torch.Size((1, 2)), torch.float16],
    }


_CONFIG = """model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=34, init_cfg=[dict(type='Constant', val=1, layer=['_BatchNorm'])]),
    head=dict({'type': 'LinearClsHead', 'num_classes': 2, 'loss': dict(type='CrossEntropyLoss', class_weight=None)}),
    train_cfg=dict(augments=[dict(type='Mixup', alpha=-0.5)]))
limit = inf
"""


def _torch_files() -> list[bytes]:
    import torch

    files = []
    for zip_format in (True, False):
        out = io.BytesIO()
        torch.save(_checkpoint(), out, _use_new_zipfile_serialization=zip_format)
        files.append(out.getvalue())
    return files


def _pickles() -> list[bytes]:
    archive = zipfile.ZipFile(io.BytesIO(_torch_files()[0]))
    return [archive.read('archive/data.pkl'), pickle.dumps({'a': [1, 'b', None, 2.5], 'c': (1, 2)}, 4)]


def _parse_checkpoint(path: Path) -> None:
    from sdp_plugin.checkpoints.building import check_model_config
    from sdp_plugin.checkpoints.reading import check_finite, config_of, load_checkpoint, model_of, state_dict_of
    from sdp_plugin.checkpoints.records import model_card_of

    checkpoint = load_checkpoint(path)
    for look in (
        lambda: check_finite(state_dict_of(checkpoint), path),
        lambda: model_card_of(checkpoint, path),
        lambda: check_model_config(model_of(config_of(checkpoint))),
    ):
        with suppress(UserError):
            look()


def _parse_pickle(path: Path) -> None:
    import torch

    from sdp_plugin.checkpoints.reading import load_checkpoint

    # Around the pickle an archive as torch.save writes it, so that each case reaches the pickle.
    out = path.with_suffix('.pth')
    with preparing(), zipfile.ZipFile(out, 'w') as archive:
        archive.writestr('archive/data.pkl', path.read_bytes())
        for key, values in enumerate(
            (torch.arange(4.0), torch.tensor(3), torch.ones(2, 2).half()),
        ):
            archive.writestr(f'archive/data/{key}', values.numpy().tobytes())
    load_checkpoint(out)


def _parse_config(path: Path) -> None:
    from sdp_plugin.checkpoints.building import check_model_config
    from sdp_plugin.checkpoints.reading import config_of, model_of

    check_model_config(model_of(config_of({'meta': {'cfg': path.read_bytes().decode(errors='surrogateescape')}})))


def _parse_card(path: Path) -> None:
    from sdp_plugin.checkpoints.records import model_card_of

    try:
        card = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise UserError('no JSON') from None
    model_card_of({'meta': {'model_card': card}}, path)


def _safetensors() -> list[bytes]:
    import torch
    from safetensors.torch import save

    metadata = {'cfg': json.dumps(_CONFIG), 'model_card': '{"classes": ["a", "b"], "input_size": [32, 32]}'}
    return [save({'w': torch.arange(4.0), 'n': torch.ones(2, 2).half()}, metadata)]


# --- Scribbles -------------------------------------------------------------------------------------------------------


def _reader(name: str) -> Callable[[Path], object]:
    def parse(path: Path) -> object:
        from sdp_plugin.scribbles.formats import FORMATS, FormatOptions

        options = FormatOptions(CLASSES, 'skip', image_size=lambda image_id: (64, 48))
        return FORMATS[name].read(path, options)

    return parse


_SCRIBBLESUP = b"""<annotation>
\t<folder>anno</folder>
\t<filename>a.png</filename>
\t<size>
\t\t<width>64</width>
\t\t<height>48</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>1</segmented>
\t<polygon>
\t\t<tag>plane</tag>
\t\t<point>
\t\t\t<X>3</X>
\t\t\t<Y>4</Y>
\t\t</point>
\t\t<point>
\t\t\t<X>13.5</X>
\t\t\t<Y>-4</Y>
\t\t</point>
\t</polygon>
</annotation>
"""
_CVAT = b"""<annotations><version>1.1</version><image id="0" name="folder/a.jpg" width="64" height="48">
<polyline label="plane" source="manual" occluded="0" points="1.50,2.50;10.00,20.00" z_order="0"></polyline>
<points label="bike" points="5.00,6.00" z_order="1"></points><box label="bike" xtl="1" ytl="2" xbr="3" ybr="4"/>
</image></annotations>"""
_LABELME = {
    'version': '5.5.0',
    'shapes': [
        {'label': 'plane', 'points': [[1, 2], [3.5, 4]], 'shape_type': 'linestrip', 'group_id': None, 'flags': {}},
        {'label': 'bike', 'points': [[1, 2]], 'shape_type': 'point', 'line_width': 3},
    ],
    'imagePath': 'a.jpg',
    'imageData': None,
    'imageHeight': 48,
    'imageWidth': 64,
}
_QUPATH = {
    'type': 'FeatureCollection',
    'features': [
        {
            'type': 'Feature',
            'id': 'x',
            'geometry': {'type': kind, 'coordinates': coordinates},
            'properties': {'objectType': 'annotation', 'classification': {'name': 'tumour', 'color': [1, 2, 3]}},
        }
        for kind, coordinates in (
            ('LineString', [[1, 2], [3, 4.5]]),
            ('MultiLineString', [[[1, 2], [3, 4]], [[5, 6]]]),
            ('Polygon', [[[1, 2], [30, 4], [5, 26], [1, 2]]]),
            ('Point', [1, 2]),
        )
    ],
}


def _label_studio() -> list[bytes]:
    # 2 x 1 pixels: one run of 8 equal values after the header, and the same as a literal.
    bits = f'{8:032b}{7:05b}{2:04b}{2:04b}{2:04b}{2:04b}' + '1' + '00' + f'{7:03b}' + f'{255:08b}'
    bits += '0' * (-len(bits) % 8)
    rle = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    value = {'format': 'rle', 'rle': rle, 'brushlabels': ['plane']}
    result = {'type': 'brushlabels', 'original_width': 2, 'original_height': 1, 'value': value}
    task = {'id': 1, 'data': {'image': '/data/a.png'}, 'annotations': [{'was_cancelled': False, 'result': [result]}]}
    return [json.dumps([task]).encode()]


def _pngs() -> list[bytes]:
    files = []
    for mode in ('L', 'P', '1', 'I;16', 'RGB', 'RGBA'):
        out = io.BytesIO()
        image = Image.new(mode, (6, 4), 3 if mode in ('L', 'P', 'I;16') else 0)
        if mode == 'P':
            image.putpalette([0, 0, 0, 128, 0, 0])
        image.save(out, 'PNG')
        files.append(out.getvalue())
    return files


def _images() -> list[bytes]:
    files = _pngs()
    for kind, options in (('JPEG', {}), ('TIFF', {}), ('TIFF', {'compression': 'packbits'}), ('BMP', {})):
        out = io.BytesIO()
        Image.fromarray(np.arange(6 * 4 * 3, dtype=np.uint8).reshape(4, 6, 3)).save(out, kind, **options)
        files.append(out.getvalue())
    return files


def _parse_image(path: Path) -> object:
    from sdp_plugin.image_files import read_image

    return read_image(path)


_CLICKS = b'{"a": [{"x": 1, "y": 2.5, "cls": 3}, {"x": 0, "y": 0, "cls": 0}]}'


def _parse_clicks(path: Path) -> object:
    from sdp_plugin.scribbles.formats.clicks import read_clicks

    return read_clicks(path, len(CLASSES))


def _parse_ids(path: Path) -> object:
    from sdp_plugin.catalogue.voc import read_id_list

    return read_id_list(path)


_PLACES = b"image_id,x,y,width,height,columns,rows\r\na_0_0,0,0,100,100,50,50\r\n'=a_100_0,100,0,100,100,50,50\r\n"


def _parse_places(path: Path) -> object:
    from sdp_plugin.scribbles.tile_places import read_tile_places

    return read_tile_places(path)


# --- HDF5, grids, slides -------------------------------------------------------------------------------------------


def _hdf5() -> list[bytes]:
    import h5py

    files = []
    for options in ({}, {'chunks': (2, 4, 4, 3)}, {'chunks': (2, 4, 4, 3), 'compression': 'gzip'}):
        out = io.BytesIO()
        with h5py.File(out, 'w') as file:
            file.create_dataset('x', data=np.arange(240, dtype=np.uint8).reshape(5, 4, 4, 3), **options)
        files.append(out.getvalue())
    return files


def _parse_hdf5(path: Path) -> None:
    from sdp_plugin.hdf5 import images_of, open_file, reading

    with open_file(path) as file:
        images = images_of(file, 'x')
        with reading(path):
            images[:1]


def _parse_tissue(path: Path) -> object:
    from sdp_plugin.slides.tissue import drawn_areas

    return drawn_areas(path, (40, 60), 1)


def _parse_result(path: Path) -> object:
    from sdp_plugin.grid.store import read_result

    folder = path.parent / 'cells' / 'cell'
    with preparing():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'result.json').write_bytes(path.read_bytes())
    return read_result(path.parent, 'cell')


def _parse_plan(path: Path) -> object:
    from sdp_plugin.grid.store import read_plan

    with preparing():
        (path.parent / 'grid.json').write_bytes(path.read_bytes())
    return read_plan(path.parent)


def _plans() -> list[bytes]:
    from sdp_plugin.grid.records import Cell, Plan

    cell = Cell('cell', 'probe', 'a title', 'config.py', {'lr': 0.1}, method='k-NN', draws=((0, None, 1),))
    grid = dict(name='a', metric='accuracy/top1', together=1, keep_checkpoints=False, work='a:b', comparisons=[])
    return [json.dumps(Plan(grid, [cell], {'cell': 5}, config='a.py').to_dict()).encode()]


def _parse_claim(path: Path) -> object:
    from sdp_plugin.grid.leases import _written

    # What decides on its age writes a file to see the file system's clock, and is not watched.
    owner = _written(path).owner
    if owner is None:
        raise UserError('not whole')
    return hash(owner)


def _claims() -> list[bytes]:
    from dataclasses import asdict

    from sdp_plugin.grid.leases import this_process

    return [json.dumps(asdict(this_process()) | {'host': 'elsewhere'}).encode()]


def _parse_scores(path: Path) -> object:
    from sdp_plugin.grid.store import load_scores
    from sdp_plugin.report.scores import image_scores

    folder = path.parent / 'cells' / 'scored'
    with preparing():
        folder.mkdir(parents=True, exist_ok=True)
        values = json.loads(_results()[0]) | {'files': {'scores': 'scores.npz'}}
        (folder / 'result.json').write_text(json.dumps(values))
        (folder / 'scores.npz').write_bytes(path.read_bytes())
    return image_scores(load_scores(path.parent, 'scored')).calibration


def _scores() -> list[bytes]:
    shares = np.array([[0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
    arrays = dict(
        log_scores=np.log(shares).astype(np.float16), predictions=np.uint8([1, 0, 0]), labels=np.uint8([1, 1, 0])
    )
    files = []
    for save in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        save(out, **arrays)
        files.append(out.getvalue())
    return files


def _parse_samples(path: Path) -> object:
    from sdp_plugin.report.samples import read_samples

    folder = path.parent / 'samples'
    with preparing():
        folder.mkdir(exist_ok=True)
        (folder / 'samples.json').write_bytes(path.read_bytes())
    samples, problems = read_samples(path.parent)
    if 'samples.json cannot be read' in ' '.join(problems):
        raise UserError('no samples')
    return samples


def _results() -> list[bytes]:
    from dataclasses import asdict

    from sdp_plugin.grid.records import Cell, Result

    cell = Cell('cell', 'finetuning', 'a title', 'config.py', {}, dataset='pcam', repeat=0, seed=1)
    result = Result(cell, {'accuracy/top1': 81.5}, [{'epoch': 1.0}], {}, {'train': 3.5}, {}, {}, {'host': 'a'}, '2026')
    return [json.dumps({**asdict(result), 'cell': cell.to_dict(), 'format': 1}).encode()]


_XML_WORDS = (b'<image>', b'<polygon>', b'<point>', b'<X>', b'</X>', b'<!DOCTYPE a [<!ENTITY b "c">]>', b'&b;', b'&#0;')
_XML_WORDS += (b'<![CDATA[', b']]>', b'<!--', b'1e309', b'nan', b'-1', b'9' * 30, b'\xef\xbb\xbf', b'\xff\xfe', b'\x00')
_TEXT_WORDS = (
    b'\xef\xbb\xbf',
    b'\xff\xfe',
    b'\x00',
    b'\r',
    b'\x1c',
    b'/',
    b' ',
    b'"',
    b',',
    b'9' * 5000,
    b'-1',
    b'1e3',
    b'x' * 3000,
)
_JSON_WORDS = (b'null', b'NaN', b'Infinity', b'-1', b'1e999', b'9' * 400, b'[', b'{}', b'[[[[', b'"\\ud800"', b'true')
_JSON_WORDS += (
    b'"',
    b'0.5',
    b'\xef\xbb\xbf',
    b'[' * 3000,
    b'""',
    b'"points"',
    b'"rle"',
    b'"original_width"',
    b'[1e18]',
)
_PICKLE_WORDS = (
    b'cos\nsystem\n',
    b'cbuiltins\ngetattr\n',
    b'cnumpy\ndtype\n',
    b'R',
    b'b',
    b'\x81',
    b'\x85',
    b')',
    b'(',
)
_PICKLE_WORDS += (b't', b'.', b'}', b']', b'a', b'e', b's', b'u', b'0', b'2', b'Q', b'N', b'h\x00', b'q\x00', b'\x94')
_PICKLE_WORDS += (b'ctorch._utils\n_rebuild_tensor_v2\n', b'J\xff\xff\xff\x7f', b'\x8a\x08' + b'\xff' * 7 + b'\x7f')
_PICKLE_WORDS += (
    b'X\x01\x00\x00\x00O',
    b'B\x00\x00\x00\x00',
    b'\x8d' + b'\xff' * 7 + b'\x0f',
    b'\x91',
    b'\x90',
    b'\x8f',
)
_CONFIG_WORDS = (
    b"type='os.system'",
    b'dict(',
    b'_delete_=True',
    b'**',
    b'lambda: 0',
    b'[',
    b'(',
    b'-',
    b'9' * 5000,
    b"'",
)
_CONFIG_WORDS += (b'__import__("os")', b'inf', b'{', b'}', b'\x00', b'f"{1}"', b'1j', b'b"a"', b'{[1]}', b'=', b'"""')

TARGETS: dict[str, Target] = {
    'checkpoint': Target(_parse_checkpoint, '.pth', _torch_files, _PICKLE_WORDS),
    'pickle': Target(_parse_pickle, '.pkl', _pickles, _PICKLE_WORDS),
    'safetensors': Target(_parse_checkpoint, '.safetensors', _safetensors, _JSON_WORDS),
    'config': Target(_parse_config, '.py', lambda: [_CONFIG.encode()], _CONFIG_WORDS),
    'model_card': Target(
        _parse_card, '.json', lambda: [b'{"classes": ["a", "b"], "input_size": [96, 96], "mpp": 0.5}'], _JSON_WORDS
    ),
    'scribblesup': Target(_reader('scribblesup'), '.xml', lambda: [_SCRIBBLESUP], _XML_WORDS),
    'cvat': Target(_reader('cvat'), '.xml', lambda: [_CVAT], _XML_WORDS),
    'labelme': Target(_reader('labelme'), '.json', lambda: [json.dumps(_LABELME).encode()], _JSON_WORDS),
    'qupath': Target(_reader('qupath'), '.geojson', lambda: [json.dumps(_QUPATH).encode()], _JSON_WORDS),
    'label_studio': Target(_reader('label_studio'), '.json', _label_studio, _JSON_WORDS),
    'clicks': Target(_parse_clicks, '.json', lambda: [_CLICKS], _JSON_WORDS),
    'id_list': Target(_parse_ids, '.txt', lambda: [b'2007_000032\n2007_000039\r\n\n'], _TEXT_WORDS),
    'tile_places': Target(_parse_places, '.csv', lambda: [_PLACES], _TEXT_WORDS),
    'index_png': Target(_reader('index_png'), '.png', _pngs),
    'image': Target(_parse_image, '.png', _images),
    'hdf5': Target(_parse_hdf5, '.h5', _hdf5),
    'tissue': Target(_parse_tissue, '.geojson', lambda: [json.dumps(_QUPATH['features'][2:]).encode()], _JSON_WORDS),
    'grid_plan': Target(_parse_plan, '.json', _plans, _JSON_WORDS),
    'grid_claim': Target(_parse_claim, '.0', _claims, _JSON_WORDS),
    'grid_scores': Target(_parse_scores, '.npz', _scores),
    'report_samples': Target(_parse_samples, '.json', lambda: [b'{"samples": [{"file": "a.png"}]}'], _JSON_WORDS),
    'grid_result': Target(_parse_result, '.json', _results, _JSON_WORDS),
}

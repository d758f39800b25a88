"""From an empty folder to verified data: over a connection that fails, killed at any moment, with bytes flipped."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from faulty_server import faulty_server
from rich.console import Console
from small_published import (
    PATIENT,
    PCAM_SIZES,
    SBD_TRAIN,
    TRAIN_AUG,
    VOC_TRAIN,
    VOC_VAL,
    Published,
    mask_of,
    published,
    served,
)

from sdp_plugin.bars import Board
from sdp_plugin.catalogue.crc import KatherTiles
from sdp_plugin.catalogue.data_checks import collection_of
from sdp_plugin.catalogue.manifests import STATE_FOLDER, Manifest
from sdp_plugin.catalogue.nct_crc import NCTTiles
from sdp_plugin.catalogue.pcam import PCam
from sdp_plugin.catalogue.voc import CLICKS
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.check import as_text, check
from sdp_plugin.prepare.clicks_recipe import clicks
from sdp_plugin.prepare.pcam_recipe import LAYOUTS, rewrite
from sdp_plugin.prepare.preparation import Sources, prepare
from sdp_plugin.scribbles.formats.index_png import read_index_png
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.settings import load_config

ROOT = Path(__file__).parents[2]
NAMES = ('voc', 'scribblesup', 'clicks', 'pcam', 'crc', 'nct-crc')


@pytest.fixture(scope='module')
def server():
    with faulty_server(served()) as running:
        yield running


@pytest.fixture(autouse=True)
def _without_faults(server):
    server.faults.clear()
    server.requests.clear()
    server.delay = 0


class Workplace:
    """A root, a server, and what was said."""

    def __init__(self, root: Path, address: str) -> None:
        self.root = root
        self.data_sets = Published(address).data_sets()
        self.clicks_card = Published(address).card(CLICKS)
        self.stream = io.StringIO()
        self.board = Board(Console(file=self.stream, width=1000), in_bytes=True)

    def prepare(self, *names: str, **options: object) -> list[bool]:
        sources = Sources(**{'yes': True, 'patience': PATIENT, **options})
        return [prepare(self.data_sets[name], self.root, sources, self.board) for name in names or NAMES]

    def check(self, *names: str, thorough: bool = True) -> dict:
        return {name: check(self.data_sets[name], self.root, thorough, self.board) for name in names or NAMES}

    def states(self, *names: str, **options: object) -> dict[str, str]:
        return {name: verdict.state for name, verdict in self.check(*names, **options).items()}

    @property
    def said(self) -> str:
        return self.stream.getvalue()

    def files(self) -> dict[str, bytes]:
        """All data, without what the preparation keeps to itself."""
        paths = (path for path in self.root.rglob('*') if path.is_file())
        names = ((path, path.relative_to(self.root).as_posix()) for path in paths)
        return {name: path.read_bytes() for path, name in names if not name.startswith(STATE_FOLDER)}


@pytest.fixture
def place(tmp_path, server) -> Workplace:
    return Workplace(tmp_path / 'data', server.url)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory, server) -> Workplace:
    """Where all data sets were prepared, undisturbed."""
    place = Workplace(tmp_path_factory.mktemp('undisturbed'), server.url)
    assert place.prepare() == [True] * len(NAMES)
    assert set(place.states().values()) == {'complete'}
    return place


@pytest.fixture(scope='module')
def wanted(prepared) -> dict[str, bytes]:
    """What an undisturbed preparation makes."""
    return prepared.files()


def test_the_layout_is_what_the_configs_expect(wanted):
    names = set(wanted)
    voc = 'VOCdevkit/VOC2012'
    assert wanted[f'{voc}/ImageSets/Segmentation/train_aug.txt'].decode().split() == list(TRAIN_AUG)
    for image_id in TRAIN_AUG:
        assert {f'{voc}/JPEGImages/{image_id}.jpg', f'{voc}/SegmentationClassAug/{image_id}.png'} <= names
        assert {f'{voc}/Annotations/{image_id}.xml', f'scribblesup/pascal_2012/{image_id}.xml'} <= names
        assert f'clicks/pascal_2012/{image_id}.xml' in names
    assert {f'{voc}/SegmentationClassAug/{image_id}.png' for image_id in VOC_VAL} <= names
    assert {
        f'pcam/camelyonpatch_level_2_split_{split}_{part}.h5' for split in ('train', 'valid', 'test') for part in 'xy'
    } <= names
    assert len([name for name in names if name.startswith('Kather_texture_2016_image_tiles_5000/0')]) == 24
    assert not [name for name in names if 'evil' in name or name.rpartition('/')[2].startswith('.')]


@pytest.mark.parametrize(
    ('config', 'lengths'),
    [
        ('pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-masks-321x321.py', (7, 2)),
        ('pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py', (7, 2)),
        ('pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-clicks-321x321.py', (7, 2)),
        ('pretrain/resnet34_1xb10-40k_voc12-classes-321x321_xml.py', (7, 2)),
        ('finetune/resnet34_1xb32-100e_pcam.py', (64, 16)),
        ('finetune/resnet34_1xb32-200e_crc.py', (24, 24)),
        ('finetune/resnet34_1xb32-200e_nct-crc.py', (18, 9)),
    ],
)
def test_the_configs_find_what_was_prepared(prepared, config, lengths):
    cfg = load_config(ROOT / 'configs' / config)
    for part, length in zip(('train', 'test'), lengths, strict=True):
        dataset = cfg[f'{part}_dataloader'].dataset
        dataset.data_root = str(prepared.root / Path(dataset.data_root).relative_to('data'))
        assert len(collection_of(dataset).read()) == length


def test_masks_are_merged_in_favour_of_voc(place):
    place.prepare('voc')
    folder = place.root / 'VOCdevkit' / 'VOC2012' / 'SegmentationClassAug'
    for image_id in (*TRAIN_AUG, *VOC_VAL):
        kind = 'voc' if image_id in VOC_TRAIN + VOC_VAL else 'sbd'
        assert np.array_equal(read_index_png(folder / f'{image_id}.png'), mask_of(image_id, kind)), image_id
    assert set(SBD_TRAIN) & set(VOC_TRAIN)
    assert 'each with a mask of its size' in place.said


def test_scribbles_and_clicks_are_read_back(place):
    place.prepare('voc', 'scribblesup', 'clicks')
    assert '7 images with 14 strokes, all of known classes' in place.said
    assert place.said.count('all 7 images of train_aug are covered') == 2
    read = read_scribblesup(place.root / 'clicks' / 'pascal_2012' / f'{TRAIN_AUG[1]}.xml')
    assert [(stroke.class_index, stroke.points.tolist()) for stroke in read.strokes] == [
        (0, [[2, 3.5]]),
        (1, [[20.25, 10.5]]),
    ]
    first = read_scribblesup(place.root / 'clicks' / 'pascal_2012' / f'{TRAIN_AUG[0]}.xml')
    assert len(first.strokes) == 1


def test_clicks_without_images_say_what_to_prepare_first(place):
    with pytest.raises(UserError, match=r'prepare_data\.py voc'):
        place.prepare('clicks')


def test_clicks_of_another_scale_are_made_anew(place, tmp_path):
    place.prepare('voc', 'clicks')
    scaled = clicks(place.clicks_card, longest_side=80)
    assert prepare(scaled, place.root, Sources(yes=True, patience=PATIENT), place.board)
    assert 'made with other settings' in place.said
    read = read_scribblesup(place.root / 'clicks' / 'pascal_2012' / f'{TRAIN_AUG[1]}.xml')
    assert read.strokes[0].points.tolist() == [[1, 1.75]]
    # Who does not say which scale is content with it.
    assert place.states('clicks') == {'clicks': 'complete'}
    assert place.prepare('clicks') == [False]


def test_crc_is_listed_as_for_training(place):
    place.prepare('crc')
    folder = place.root / 'Kather_texture_2016_image_tiles_5000'
    assert len(KatherTiles(data_root=str(folder)).read()) == 24
    assert '24 tiles of 150 x 150 pixels, 3 in each of 8 classes' in place.said
    assert '3 source images of 8 to 8 tiles' in place.said


def test_nct_crc_is_trained_on_one_folder_and_tested_on_the_other(place):
    place.prepare('nct-crc')
    splits = {split: NCTTiles(data_root=str(place.root), split=split).read() for split in ('train', 'test')}
    assert {split: len(tiles) for split, tiles in splits.items()} == {'train': 18, 'test': 9}
    assert splits['test'].keys[:2] == ('ADI/ADI-0000', 'BACK/BACK-0001')
    assert '18 tiles of 224 x 224 pixels: ADI 2, BACK 2' in place.said


def test_a_second_call_asks_for_nothing(place, server, wanted):
    place.prepare()
    server.requests.clear()
    times = {path: path.stat().st_mtime_ns for path in place.root.rglob('*') if path.is_file()}
    assert place.prepare() == [False] * len(NAMES)
    assert server.requests == []
    assert {path: path.stat().st_mtime_ns for path in times if path.name != 'lock'} == {
        path: time for path, time in times.items() if path.name != 'lock'
    }
    assert not list((place.root / STATE_FOLDER / 'downloads').iterdir())


@pytest.mark.parametrize('name', NAMES)
def test_every_data_set_arrives_whatever_the_server_does(place, server, wanted, name):
    for number, file in enumerate(published()):
        size = len(published()[file])
        plans = (
            [f'cut {size // 3}', '429 for 0', f'cut {size // 4}', 'no range'],
            ['redirect', '503', 'page', 'flip'],
            ['flip', f'stall {size // 2}', 'hidden page'],
            ['short', 'redirect'],
            ['chunked'],
            [f'cut {size // 2}', 'other range'],
        )
        server.fail(file, *plans[number % len(plans)])
    needed = ('voc', name) if name == 'clicks' else (name,)
    place.prepare(*needed)
    assert place.files() == {file: content for file, content in wanted.items() if file in place.files()}
    assert set(place.states(*needed).values()) == {'complete'}


def test_offline_files_are_taken_verified_and_kept(place, server, wanted, tmp_path):
    bag = tmp_path / 'bag' / 'deeper'
    bag.mkdir(parents=True)
    for name, content in published().items():
        (bag / name).write_bytes(content)
    place.prepare(offline=tmp_path / 'bag')
    assert place.files() == wanted
    assert server.requests == []
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == published()


def test_offline_says_what_is_missing_and_what_is_damaged(place, tmp_path):
    with pytest.raises(UserError, match=r'Kather_texture_2016_image_tiles_5000\.zip is missing') as caught:
        place.prepare('crc', offline=tmp_path)
    assert 'bring it from http' in str(caught.value)
    with pytest.raises(UserError) as caught:
        place.prepare('pcam', offline=tmp_path)
    assert str(caught.value).count('.h5.gz is missing') == 6
    name = 'Kather_texture_2016_image_tiles_5000.zip'
    (tmp_path / name).write_bytes(published()[name][:-1])
    with pytest.raises(UserError, match='is not the published file'):
        place.prepare('crc', offline=tmp_path)
    assert place.files() == {}


def test_a_mirror_is_tried_first(place, server):
    place.prepare('crc', mirror=f'{server.url}/mirror/')
    assert {path for path, _ in server.requests} == {'mirror/Kather_texture_2016_image_tiles_5000.zip'}


def test_a_digest_that_nobody_published_is_recorded_at_first_use(place, server):
    place.prepare('scribblesup')
    assert 'no digest is published' in place.said
    (place.root / 'scribblesup' / 'pascal_2012' / f'{TRAIN_AUG[0]}.xml').unlink()
    changed = published()['scribble_annotation.zip'] + b'\0'
    for path in ('scribble_annotation.zip', 'mirror/scribble_annotation.zip'):
        server.files[path] = changed
    try:
        with pytest.raises(UserError, match='recorded at first use'):
            place.prepare('scribblesup')
    finally:
        server.files.update(served())
    assert place.prepare('scribblesup') == [True]


def test_terms_have_to_be_agreed_to(place, monkeypatch):
    monkeypatch.setattr('sys.stdin', io.StringIO())
    with pytest.raises(UserError, match='--yes'):
        place.prepare('crc', yes=False)
    assert 'CC BY 4.0' in place.said
    monkeypatch.setattr('sys.stdin.isatty', lambda: True, raising=False)
    monkeypatch.setattr('builtins.input', lambda question: 'n')
    with pytest.raises(UserError, match='not agreed'):
        place.prepare('crc', yes=False)
    monkeypatch.setattr('builtins.input', lambda question: 'y')
    assert place.prepare('crc', yes=False) == [True]


def test_too_small_a_disk_is_noticed_before_anything_is_fetched(place, server, monkeypatch):
    monkeypatch.setattr('shutil.disk_usage', lambda path: type('Usage', (), {'free': 10_000})())
    with pytest.raises(UserError, match='too little room'):
        place.prepare('crc')
    assert server.requests == []


def test_two_preparations_do_not_work_in_one_root(place):
    hold = (
        'import fcntl, sys, time; file = open(sys.argv[1], "w"); fcntl.lockf(file, fcntl.LOCK_EX); '
        'print("held", flush=True); time.sleep(60)'
    )
    lock = place.root / STATE_FOLDER / 'lock'
    lock.parent.mkdir(parents=True)
    with subprocess.Popen([sys.executable, '-c', hold, str(lock)], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        with pytest.raises(UserError, match='Another preparation'):
            place.prepare('crc')
        holder.kill()
    assert place.prepare('crc') == [True]


def test_what_cannot_be_had_does_not_keep_the_rest_from_being_made(place, server):
    for path in ('camelyonpatch_level_2_split_valid_x.h5.gz', 'mirror/camelyonpatch_level_2_split_valid_x.h5.gz'):
        server.fail(path, *['404'] * 5)
    with pytest.raises(UserError, match='valid_x'):
        place.prepare('pcam')
    verdict = place.check('pcam')['pcam']
    assert verdict.state == 'incomplete'
    assert sorted(reason.split(':')[0] for reason in verdict.reasons) == ['duplicates', 'valid_x']
    server.faults.clear()
    server.requests.clear()
    place.prepare('pcam')
    assert {path for path, _ in server.requests} == {'camelyonpatch_level_2_split_valid_x.h5.gz'}


def test_pcam_duplicates_are_listed_within_and_across_splits(place):
    place.prepare('pcam')
    lines = (place.root / 'pcam' / 'duplicates.txt').read_text().splitlines()
    listed = [line for line in lines if not line.startswith('#')]
    assert listed == ['val/5 test/1', 'train/10 train/4', 'train/12 train/4', 'train/21 test/8']
    kept = PCam(data_root=str(place.root / 'pcam'), exclude='duplicates.txt')
    found = kept.read()
    assert set(found.keys) - set(kept.chosen(found).keys) == {'train/10', 'train/12', 'train/21'}
    assert '2 of train in train' in lines[1]
    assert '1 of train in test' in lines[1]
    assert '1 of val in test' in lines[1]
    assert '1 with another label' in lines[1]
    assert f'train: {PCAM_SIZES["train"]} patches, 32 of them tumour, in chunks of 10' in place.said


def test_a_flipped_byte_anywhere_is_found_and_mended(place, wanted):
    place.prepare()
    generator = random.Random(0)
    for name in sorted(wanted):
        path = place.root / name
        content = bytearray(path.read_bytes())
        position = generator.randrange(len(content))
        content[position] ^= 1 << generator.randrange(8)
        path.write_bytes(content)
    verdicts = place.check()
    assert {name: verdict.state for name, verdict in verdicts.items()} == dict.fromkeys(NAMES, 'damaged')
    assert sorted(name for verdict in verdicts.values() for name in verdict.damaged) == sorted(wanted)
    assert all(f'prepare_data.py {name}' in verdict.remedy for name, verdict in verdicts.items())
    assert 'what to do: ' in as_text(verdicts)
    assert place.prepare() == [True] * len(NAMES)
    assert place.files() == wanted


def test_missing_and_short_files_are_found_at_a_glance(place):
    place.prepare('pcam', 'crc')
    patches = place.root / 'pcam' / 'camelyonpatch_level_2_split_train_x.h5'
    patches.write_bytes(patches.read_bytes()[:-1])
    tile = next(place.root.glob('Kather*/03_COMPLEX/*.tif'))
    tile.unlink()
    verdicts = place.check('pcam', 'crc', thorough=False)
    assert verdicts['pcam'].damaged == ('pcam/camelyonpatch_level_2_split_train_x.h5',)
    assert verdicts['crc'].missing == (tile.relative_to(place.root).as_posix(),)
    assert verdicts['crc'].state == 'incomplete'


def test_training_notices_at_a_glance_and_names_the_command(place):
    place.prepare('crc', 'pcam', 'nct-crc')
    asked_for = {
        'crc': KatherTiles(data_root=str(place.root / 'Kather_texture_2016_image_tiles_5000')),
        'pcam': PCam(data_root=str(place.root / 'pcam')),
        'nct-crc': NCTTiles(data_root=str(place.root)),
    }
    for collection in asked_for.values():
        assert len(collection.read())
    next(place.root.glob('Kather*/03_COMPLEX/*.tif')).unlink()
    next(place.root.glob('NCT*/ADI/*.tif')).unlink()
    labels = place.root / 'pcam' / 'camelyonpatch_level_2_split_train_y.h5'
    labels.write_bytes(labels.read_bytes() + b'more')
    for name, collection in asked_for.items():
        with pytest.raises(UserError, match=rf'prepare_data\.py {name} --root {place.root}$'):
            collection.read()
    assert len(NCTTiles(data_root=str(place.root), split='test').read())


def test_only_what_is_damaged_is_fetched_again(place, server, wanted):
    place.prepare('pcam')
    path = place.root / 'pcam' / 'camelyonpatch_level_2_split_valid_y.h5'
    path.write_bytes(b'x' * path.stat().st_size)
    server.requests.clear()
    place.prepare('pcam')
    assert [path for path, _ in server.requests] == ['camelyonpatch_level_2_split_valid_y.h5.gz']
    assert path.read_bytes() == wanted['pcam/camelyonpatch_level_2_split_valid_y.h5']


def test_a_damaged_manifest_is_made_anew(place, wanted):
    place.prepare('crc')
    for path in (place.root / STATE_FOLDER / 'manifests').iterdir():
        path.write_bytes(b'{' + path.read_bytes())
    assert place.states('crc') == {'crc': 'unverified'}
    place.prepare('crc')
    assert place.states('crc') == {'crc': 'complete'}


def test_what_is_not_as_the_card_says_is_not_complete_the_second_time_either(place):
    large = replace(place.data_sets['crc'], inspect=refuse)
    for _ in range(2):
        with pytest.raises(UserError, match='another number of tiles'):
            prepare(large, place.root, Sources(yes=True, patience=PATIENT), place.board)
    verdict = check(large, place.root, True, place.board)
    assert (verdict.state, verdict.reasons) == ('damaged', ('another number of tiles',))
    assert place.prepare('crc') == [True]
    assert place.prepare('crc') == [False]
    assert check(large, place.root, True, place.board).state == 'complete'


def refuse(root):
    raise UserError('another number of tiles')


def test_what_is_made_of_a_file_that_has_changed_is_made_anew_in_the_same_call(place, server):
    place.prepare('pcam')
    rewrite(place.data_sets['pcam'], place.root, 'contiguous', place.board)
    place.prepare('pcam')
    patches = place.root / 'pcam' / 'camelyonpatch_level_2_split_test_x.h5'
    patches.write_bytes(b'x' * patches.stat().st_size)
    # It comes as published, and with it another layout than before.
    assert place.prepare('pcam') == [True]
    assert place.states('pcam') == {'pcam': 'complete'}


def test_data_that_was_brought_by_hand_is_looked_at_and_left_alone(place, server, wanted):
    assert place.states() == dict.fromkeys(NAMES, 'absent')
    for name, content in wanted.items():
        (place.root / name).parent.mkdir(parents=True, exist_ok=True)
        (place.root / name).write_bytes(content)
    assert place.states() == dict.fromkeys(NAMES, 'unverified')
    server.requests.clear()
    assert place.prepare() == [False] * len(NAMES)
    assert server.requests == []
    assert place.said.count('so it is left alone') == len(NAMES)
    with pytest.raises(UserError, match='--replace'):
        rewrite(place.data_sets['pcam'], place.root, 'contiguous', place.board)
    listed = place.root / 'VOCdevkit' / 'VOC2012' / 'ImageSets' / 'Segmentation' / 'train_aug.txt'
    listed.write_text(listed.read_text().replace('2007_000032\n', ''))
    verdict = place.check('voc')['voc']
    assert verdict.state == 'incomplete'
    assert '2007_000032, as a public copy does' in verdict.reasons[0]
    with pytest.raises(UserError, match='brought into place by hand, and is not the whole data set'):
        place.prepare('voc')
    assert '2007_000032' not in listed.read_text()
    assert place.prepare('voc', replace=True) == [True]
    assert place.states('voc') == {'voc': 'complete'}
    assert place.files() == wanted


def test_a_damaged_archive_without_digest_is_not_kept(place, server):
    spoilt = bytearray(published()['scribble_annotation.zip'])
    spoilt[200] ^= 255
    for path in ('scribble_annotation.zip', 'mirror/scribble_annotation.zip'):
        server.files[path] = bytes(spoilt)
    try:
        with pytest.raises(UserError, match='damaged'):
            place.prepare('scribblesup')
    finally:
        server.files.update(served())
    assert not (place.root / STATE_FOLDER / 'first_use.json').exists()
    assert place.prepare('scribblesup') == [True]


@pytest.mark.parametrize('layout', LAYOUTS)
def test_pcam_is_rewritten_into_another_layout(place, server, layout):
    place.prepare('pcam')
    before = {split: read_patches(place.root, split) for split in PCAM_SIZES}
    server.requests.clear()
    rewrite(place.data_sets['pcam'], place.root, layout, place.board)
    assert place.states('pcam') == {'pcam': 'incomplete'}  # the list of duplicates is of other files now
    place.prepare('pcam')
    assert place.states('pcam') == {'pcam': 'complete'}
    for split, (_, patches) in before.items():
        chunks, rewritten = read_patches(place.root, split)
        assert chunks == {'contiguous': None, 'chunked': (1, 96, 96, 3)}[layout]
        assert np.array_equal(rewritten, patches)
    times = {path: path.stat().st_mtime_ns for path in (place.root / 'pcam').iterdir()}
    rewrite(place.data_sets['pcam'], place.root, layout, place.board)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert server.requests == []


def read_patches(root: Path, split: str) -> tuple[tuple | None, np.ndarray]:
    name = {'val': 'valid'}.get(split, split)
    with h5py.File(root / 'pcam' / f'camelyonpatch_level_2_split_{name}_x.h5') as file:
        return file['x'].chunks, file['x'][:]


def test_killed_between_a_rewritten_file_and_its_manifest_nothing_is_lost(place, server, monkeypatch):
    place.prepare('pcam')
    server.requests.clear()

    replaced = []
    real_replace = os.replace

    def killed(source, target):
        if Path(target).suffix == '.txt':
            raise KeyboardInterrupt
        replaced.append(Path(target).name)
        real_replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr('os.replace', killed)
        with pytest.raises(KeyboardInterrupt):
            rewrite(place.data_sets['pcam'], place.root, 'contiguous', place.board)
    assert replaced == ['pcam.train_x.next', 'camelyonpatch_level_2_split_train_x.h5']
    place.prepare('pcam')
    rewrite(place.data_sets['pcam'], place.root, 'contiguous', place.board)
    place.prepare('pcam')
    assert place.states('pcam') == {'pcam': 'complete'}
    assert server.requests == []


def assert_nothing_half_written(place: Workplace, wanted: dict[str, bytes]) -> None:
    for name, content in place.files().items():
        if not name.rpartition('/')[2].startswith('.'):
            assert content == wanted[name], f'{name} is partly written'
    for path in (place.root / STATE_FOLDER).rglob('*.txt'):
        assert path.name.startswith('.') or Manifest.read(path) is not None


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_still_completes(place, server, wanted):
    server.delay = 0.01
    generator = random.Random(3)
    script = Path(__file__).parents[1] / 'helpers' / 'small_published.py'
    command = [sys.executable, str(script), server.url, str(place.root), *NAMES]
    killed = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        while killed < 20:
            parent.stdin.write('once more\n')
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            time.sleep(generator.uniform(0, 0.5))
            os.kill(child, signal.SIGKILL)
            ended_by = int(parent.stdout.readline())
            assert ended_by == signal.SIGKILL, 'it was done before it was killed: make the server slower'
            killed += 1
            assert_nothing_half_written(place, wanted)
        parent.stdin.close()
    server.delay = 0
    place.prepare()
    assert {name: content for name, content in place.files().items() if not name.endswith('.partial')} == wanted
    assert set(place.states().values()) == {'complete'}
    assert not list(place.root.rglob('*.partial'))


def test_verdicts_are_plain_json(place):
    place.prepare('crc')
    content = json.loads(json.dumps({name: asdict(verdict) for name, verdict in place.check('crc').items()}))
    assert content == {'crc': {'state': 'complete', 'missing': [], 'damaged': [], 'reasons': [], 'remedy': ''}}

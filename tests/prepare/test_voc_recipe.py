"""train_aug from its parts, and SBD's masks."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
import scipy.io
from small_published import mat_of

from sdp_plugin.catalogue.downloads import TRAIN_AUG_SHA256
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.voc_recipe import check_train_aug, mask_of_mat, train_aug_of


@pytest.fixture(scope='module')
def lists(real_data) -> dict[str, list[str]]:
    """The official ids of train_aug and val."""
    return {name: (real_data / 'voc2012-lists' / f'{name}.txt').read_text().split() for name in ('train_aug', 'val')}


@pytest.mark.real_data
@pytest.mark.parametrize('seed', range(3))
def test_the_derived_list_is_the_reference_however_its_parts_overlap(lists, seed):
    """Which of the ids are VOC's and which SBD's is drawn here; in fact SBD also has images of VOC's val."""
    generator = random.Random(seed)
    voc_train = generator.sample(lists['train_aug'], 1464)
    rest = [image_id for image_id in lists['train_aug'] if image_id not in set(voc_train)]
    sbd = [*rest, *generator.sample(voc_train, 1200), *generator.sample(lists['val'], 1000)]
    generator.shuffle(sbd)
    derived = train_aug_of(voc_train, lists['val'], sbd)
    assert derived == sorted(lists['train_aug'])
    assert len(derived) == 10_582
    check_train_aug(derived, TRAIN_AUG_SHA256, 'its parts')


@pytest.mark.real_data
def test_another_list_is_refused(lists):
    ids = lists['train_aug']
    with pytest.raises(UserError, match='10,581 ids; it lacks 2007_000032, as a public copy does'):
        check_train_aug([image_id for image_id in ids if image_id != '2007_000032'], TRAIN_AUG_SHA256, 'a list')
    with pytest.raises(UserError, match=r'10,581 ids\n'):
        check_train_aug([image_id for image_id in ids if image_id != '2007_000039'], TRAIN_AUG_SHA256, 'a list')
    with pytest.raises(UserError, match='not the reference'):
        check_train_aug([*ids[:-1], lists['val'][0]], TRAIN_AUG_SHA256, 'a list')


def test_masks_are_read_from_matlab_files():
    mask = np.random.RandomState(0).randint(0, 21, (30, 40)).astype(np.uint8)
    read = mask_of_mat(mat_of(mask), 'a.mat')
    assert read.dtype == np.uint8
    assert np.array_equal(read, mask)


def saved(**content: object) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'no MATLAB file',
        mat_of(np.zeros((3, 4), np.uint8))[:200],
        saved(GTinst={'Segmentation': np.zeros((3, 4), np.uint8)}),
        saved(GTcls={'Boundaries': np.zeros((3, 4), np.uint8)}),
        saved(GTcls={'Segmentation': np.full((3, 4), 21, np.uint8)}),
        saved(GTcls={'Segmentation': np.zeros((3, 4))}),
    ],
    ids=['empty', 'text', 'cut', 'instances', 'no field', 'unknown class', 'no integers'],
)
def test_every_other_file_is_one_error_that_names_it(data):
    with pytest.raises(UserError, match=r'2008_000002\.mat'):
        mask_of_mat(data, '2008_000002.mat in benchmark.tgz')

"""Images of a data set in memory."""

from __future__ import annotations

import os
import shutil

import h5py
import numpy as np
import pytest
import torch

from sdp_plugin.datasets import hdf5_reading
from sdp_plugin.datasets.hdf5_layout import layout_of
from sdp_plugin.datasets.hdf5_reading import ImageReader
from sdp_plugin.datasets.tile_datasets import CRCDataset, PCamDataset, TileFolderDataset
from sdp_plugin.engine.in_memory import images as in_memory
from sdp_plugin.engine.in_memory.images import DoesNotFitError, clear_cache, images_in_memory
from sdp_plugin.errors import UserError

CPU = torch.device('cpu')
RESIZE = dict(type='mmpretrain.Resize', scale=48)
LOADING = {PCamDataset: dict(type='sdp_plugin.LoadPatch'), CRCDataset: dict(type='sdp_plugin.LoadImage')}


@pytest.fixture(autouse=True)
def _no_images_from_other_tests():
    clear_cache()


@pytest.fixture
def folders(small_data):
    return {PCamDataset: small_data.pcam, CRCDataset: small_data.crc}


def build(kind, folder, *resizing, **kwargs):
    return kind(data_root=str(folder), pipeline=[LOADING[kind], *resizing], **kwargs)


@pytest.mark.parametrize('serialize_data', [True, False])
@pytest.mark.parametrize('resizing', [[], [RESIZE]], ids=['as stored', 'resized'])
@pytest.mark.parametrize('kind', [PCamDataset, CRCDataset])
def test_the_images_are_those_of_the_pipeline(folders, kind, resizing, serialize_data):
    more = {'num_folds': 4} if kind is CRCDataset else {}
    dataset = build(kind, folders[kind], *resizing, examples_per_class=2, seed=3, serialize_data=serialize_data, **more)
    found = images_in_memory(dataset, 1 + len(resizing), CPU)
    assert found.images.dtype == torch.uint8
    assert len(found) == len(dataset)
    for index in range(len(dataset)):
        wanted = dataset[index]
        np.testing.assert_array_equal(found.images[index].numpy(), wanted['img'])
        assert found.labels[index] == wanted['gt_label']
    positions = torch.tensor([3, 0, 3])
    torch.testing.assert_close(found.batch(positions), found.images[positions])


def test_many_images_are_read_piece_by_piece(folders, monkeypatch):
    dataset = build(PCamDataset, folders[PCamDataset], split='train')
    whole = images_in_memory(dataset, 1, CPU).images
    clear_cache()
    monkeypatch.setattr(in_memory, 'IMAGES_A_READ', 3)
    assert torch.equal(images_in_memory(dataset, 1, CPU).images, whole)


def of_two_files(folders):
    """A data set whose images lie in two files by turns."""
    train, test = (
        build(PCamDataset, folders[PCamDataset], split=split, serialize_data=False) for split in ('train', 'test')
    )
    pairs = zip(train.data_list, test.data_list, strict=False)
    train.data_list = [record for pair in pairs for record in pair]
    return train


def test_images_of_two_files_keep_their_places(folders):
    dataset = of_two_files(folders)
    found = images_in_memory(dataset, 1, CPU).images
    assert len(found) == len(dataset) > 4
    for image, wanted in zip(found, dataset, strict=True):
        np.testing.assert_array_equal(image.numpy(), wanted['img'])


def test_files_of_different_image_sizes_are_refused(folders, monkeypatch):
    dataset = of_two_files(folders)
    sizes = iter([96, 48])
    monkeypatch.setattr(
        ImageReader, 'read_once', lambda reader, indices: np.zeros((len(indices), next(sizes), 96, 3), np.uint8)
    )
    with pytest.raises(DoesNotFitError, match='different sizes'):
        images_in_memory(dataset, 1, CPU)


def test_the_same_images_are_read_once(folders, monkeypatch):
    first = images_in_memory(build(PCamDataset, folders[PCamDataset], split='test'), 1, CPU)
    monkeypatch.setattr(in_memory, 'open_images', None)
    again = images_in_memory(build(PCamDataset, folders[PCamDataset], split='test'), 1, CPU)
    assert again.images.data_ptr() == first.images.data_ptr()


def test_a_file_is_laid_out_once_for_all_its_pieces(folders, monkeypatch, tmp_path):
    """Where each image begins takes a walk over all chunks of the file."""
    shutil.copytree(folders[PCamDataset], tmp_path / 'pcam')
    path = tmp_path / 'pcam' / 'camelyonpatch_level_2_split_train_x.h5'
    with h5py.File(path) as file:
        patches = file['x'][:]
    with h5py.File(path, 'w') as file:
        file.create_dataset('x', data=patches, chunks=(1, 96, 96, 3))
    looked = []
    monkeypatch.setattr(hdf5_reading, 'layout_of', lambda array: looked.append(array.name) or layout_of(array))
    monkeypatch.setattr(in_memory, 'IMAGES_A_READ', 3)
    found = images_in_memory(build(PCamDataset, tmp_path / 'pcam', split='train'), 1, CPU).images
    np.testing.assert_array_equal(found.numpy()[..., ::-1], patches)
    assert len(found) > 9
    assert len(looked) <= 2  # one more for the first image, which says the size


def test_another_subset_size_or_file_is_read_anew(folders, tmp_path):
    def images(folder, *resizing, **kwargs):
        return images_in_memory(build(PCamDataset, folder, *resizing, **kwargs), 1 + len(resizing), CPU).images

    first = images(folders[PCamDataset], examples_per_class=2, seed=0)
    assert not torch.equal(images(folders[PCamDataset], examples_per_class=2, seed=1), first)
    assert images(folders[PCamDataset], RESIZE, examples_per_class=2, seed=0).shape == (4, 48, 48, 3)
    copy = tmp_path / 'pcam'
    shutil.copytree(folders[PCamDataset], copy)
    in_copy = images(copy, examples_per_class=2, seed=0)
    patches = copy / 'camelyonpatch_level_2_split_train_x.h5'
    os.utime(patches, (1, 1))
    assert images(copy, examples_per_class=2, seed=0).data_ptr() != in_copy.data_ptr()


def test_the_oldest_images_leave_where_there_is_no_room(folders, monkeypatch):
    one_set = 6 * 96 * 96 * 3
    # As much memory as two sets of images take, of which the images may take half.
    held = in_memory._cache._arrays
    monkeypatch.setattr(in_memory, 'available_memory', lambda: 4 * one_set - 2 * one_set * len(held))
    first = build(PCamDataset, folders[PCamDataset], split='train', indices=list(range(6)))
    second = build(PCamDataset, folders[PCamDataset], split='train', indices=list(range(6, 12)))
    third = build(PCamDataset, folders[PCamDataset], split='test')
    for dataset in (first, second):
        images_in_memory(dataset, 1, CPU)
    keys = list(held)
    images_in_memory(first, 1, CPU)
    images_in_memory(third, 1, CPU)
    assert keys[0] in held
    assert keys[1] not in held
    assert len(held) == 2


def test_images_that_fit_nowhere_are_refused(folders, monkeypatch):
    monkeypatch.setattr(in_memory, 'available_memory', lambda: 2 * 6 * 96 * 96 * 3 - 1)
    with pytest.raises(DoesNotFitError, match=r'the images take 165\.9 kB, and 331\.8 kB of memory are free'):
        images_in_memory(build(PCamDataset, folders[PCamDataset], split='test'), 1, CPU)


def test_images_of_different_sizes_are_refused_unless_resized(small_data, tmp_path):
    import cv2

    folder = tmp_path / 'tiles'
    shutil.copytree(small_data.crc, folder)
    name = next((folder / '01_TUMOR').iterdir())
    name.unlink()
    cv2.imwrite(str(name.with_suffix('.png')), np.zeros((40, 60, 3), np.uint8))
    pipeline = [LOADING[CRCDataset], RESIZE]
    dataset = TileFolderDataset(data_root=str(folder), num_folds=None, pipeline=pipeline)
    assert images_in_memory(dataset, 2, CPU).images.shape[1:] == (48, 48, 3)
    with pytest.raises(DoesNotFitError, match='different sizes'):
        images_in_memory(dataset, 1, CPU)


def test_a_broken_image_is_the_error_it_is_elsewhere(small_data, tmp_path):
    folder = tmp_path / 'tiles'
    shutil.copytree(small_data.crc, folder)
    broken = sorted((folder / '02_STROMA').iterdir())[1]
    broken.write_bytes(broken.read_bytes()[:100])
    dataset = TileFolderDataset(data_root=str(folder), num_folds=None, pipeline=[LOADING[CRCDataset]])
    with pytest.raises(UserError, match='cannot be decoded'):
        images_in_memory(dataset, 1, CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_images_stay_in_pinned_memory_where_the_device_is_full(folders, monkeypatch):
    device = torch.device('cuda')
    monkeypatch.setattr(in_memory, 'free_bytes', lambda where: 0 if where.type == 'cuda' else 2**30)
    found = images_in_memory(build(PCamDataset, folders[PCamDataset], split='test'), 1, device)
    assert found.images.is_pinned()
    batch = found.batch(torch.tensor([1, 0]))
    assert batch.device.type == 'cuda'
    assert torch.equal(batch.cpu(), found.images[[1, 0]])

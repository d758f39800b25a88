"""The two formats of ``torch.save``: a zip archive, and the stream of pickles that PyTorch before 1.6 wrote.

Both are read here to the last byte: each record of an archive against its checksum, each storage against the number of
elements that its tensors assume. PyTorch itself does not look at the checksums.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import torch

from sdp_plugin.checkpoints.unpickling import Storage, Unpickler, UnpicklingError

LEGACY_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


def read_torch_file(path: str | os.PathLike, device: str | torch.device = 'cpu') -> Any:
    """Read what ``torch.save`` wrote, without running anything that the file contains.

    Args:
        path: The file.
        device: Where its tensors go.

    Raises:
        UnpicklingError, zipfile.BadZipFile, OSError, and the errors of a pickle that ends early: If it is damaged, or
            is something else.
    """
    if zipfile.is_zipfile(path):
        return _read_archive(Path(path), torch.device(device))
    # In memory: a pickle may ask for any number of bytes, of which there are no more than these.
    return _read_stream(io.BytesIO(Path(path).read_bytes()), torch.device(device))


def check_archive(path: str | os.PathLike) -> None:
    """Compare all records of an archive with their checksums.

    Raises:
        zipfile.BadZipFile: If one differs.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f'Bad CRC-32 for file {damaged!r}')


def _read_archive(path: Path, device: torch.device) -> Any:
    with zipfile.ZipFile(path) as archive:
        records = {entry.filename: entry for entry in archive.infolist()}
        if sum(entry.file_size for entry in records.values()) > path.stat().st_size:
            raise UnpicklingError('records that are larger than the file: torch.save does not compress')
        programs = [name for name in records if PurePosixPath(name).name == 'data.pkl']
        if len(programs) != 1:
            raise UnpicklingError(f'{len(programs)} records named data.pkl, not one')
        folder = str(PurePosixPath(programs[0]).parent)
        order = records.get(f'{folder}/byteorder')
        if order and archive.read(order) != b'little':
            raise UnpicklingError('numbers of a big-endian machine')
        storages: dict[str, Storage] = {}

        def storage_of(dtype: torch.dtype, key: str, count: int) -> Storage:
            if key not in storages:
                entry = records[f'{folder}/data/{key}']
                with archive.open(entry) as file:
                    storages[key] = _read_storage(file, dtype, entry.file_size, device)
            return _checked(storages[key], dtype, count)

        return Unpickler(io.BytesIO(archive.read(programs[0])), storage_of).load()


def _read_stream(file: io.BytesIO, device: torch.device) -> Any:
    if Unpickler(file).load() != LEGACY_MAGIC_NUMBER or Unpickler(file).load() != LEGACY_PROTOCOL:
        raise UnpicklingError('a pickle that torch.save did not write')
    Unpickler(file).load()  # of the machine: byte order and sizes, which nothing reads
    storages: dict[str, Storage] = {}
    size = file.getbuffer().nbytes

    def storage_of(dtype: torch.dtype, key: str, count: int) -> Storage:
        if key not in storages:
            taken = sum(storage.values.nbytes for storage in storages.values())
            if taken + count * dtype.itemsize > size:
                raise UnpicklingError('storages that are larger than the file')
            storages[key] = Storage(torch.zeros(count, dtype=dtype))
        return _checked(storages[key], dtype, count)

    result = Unpickler(file, storage_of).load()
    # The numbers come after all tensors, which share the memory that is filled here.
    for key in Unpickler(file).load():
        values = storages[key].values
        if int.from_bytes(file.read(8), 'little') != values.numel():
            raise UnpicklingError('a storage of another size than its tensors assume')
        values.copy_(_read_storage(file, values.dtype, values.nbytes, torch.device('cpu')).values)
    return _moved(result, device)


def _read_storage(file: BinaryIO, dtype: torch.dtype, size: int, device: torch.device) -> Storage:
    if size % dtype.itemsize:
        raise UnpicklingError(f'{size} bytes of numbers that take {dtype.itemsize} each')
    values = torch.empty(size // dtype.itemsize, dtype=dtype)
    if size:
        unread = memoryview(values.view(torch.uint8).numpy())
        while unread:
            count = file.readinto(unread)
            if not count:
                raise EOFError('the file ends within the numbers of a tensor')
            unread = unread[count:]
    # An archive compares the checksum when it is read past the end.
    file.read(0 if isinstance(file, io.BytesIO) else 1)
    return Storage(values.to(device))


def _checked(storage: Storage, dtype: torch.dtype, count: int) -> Storage:
    if storage.values.dtype != dtype or storage.values.numel() != count:
        raise UnpicklingError(
            f'a storage of {storage.values.numel()} {storage.values.dtype}, said to be of {count} {dtype}'
        )
    return storage


def _moved(value: Any, device: torch.device) -> Any:
    if device.type == 'cpu':
        return value
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _moved(item, device)
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, device) for item in value)
    return value

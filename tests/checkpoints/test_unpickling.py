"""No pickle runs code, reaches beyond its own memory or changes the process, and each that tries ends in one error."""

from __future__ import annotations

import collections
import pickle
import zipfile

import numpy as np
import pickle_programs as program
import pytest
import torch
from mmengine.logging import HistoryBuffer

from sdp_plugin.checkpoints.reading import load_checkpoint, state_dict_of
from sdp_plugin.checkpoints.unpickling import ForbiddenGlobalError
from sdp_plugin.errors import UserError

REBUILD = program.name('torch._utils', '_rebuild_tensor_v2')
DTYPE = program.name('numpy', 'dtype')
SCALAR = program.name('numpy.core.multiarray', 'scalar')
HISTORY = program.name('mmengine.logging.history_buffer', 'HistoryBuffer')
ARRAY = program.call(
    program.name('numpy.core.multiarray', '_reconstruct'), program.Code(program.name('numpy', 'ndarray')), (0,), b'b'
)
FLOATS = program.call(DTYPE, 'f8', False, True)


def storage(key: str = '0', count: int = 4, kind: str = 'FloatStorage') -> program.Code:
    inside = [program.value('storage'), program.name('torch', kind), *map(program.value, (key, 'cpu', count))]
    return program.Code(program.MARK + b''.join(inside) + program.TUPLE + b'Q')


def tensor(offset, size, stride, **kwargs) -> bytes:
    return program.call(REBUILD, storage(**kwargs), offset, size, stride, False, program.Code(program.EMPTY_DICT))


def array(shape, data, dtype: bytes = FLOATS) -> bytes:
    state = [program.value(1), program.value(shape), dtype, program.value(False), program.value(data)]
    return ARRAY + program.MARK + b''.join(state) + program.TUPLE + program.BUILD


def test_the_programs_of_these_tests_are_right(tmp_path):
    numbers = np.arange(4, dtype='<f4').tobytes()
    path = program.write_archive(
        tmp_path / 'x.pth', program.EMPTY_DICT + program.value('w') + tensor(1, (3,), (1,)) + b's', _0=numbers
    )
    assert state_dict_of(load_checkpoint(path))['w'].tolist() == [1, 2, 3]
    assert torch.load(path, weights_only=True)['w'].tolist() == [1, 2, 3]
    assert program.read(array((2,), np.arange(2.0).tobytes())).tolist() == [0, 1]


@pytest.mark.parametrize(
    'code',
    [
        pytest.param(program.call(program.name('os', 'system'), 'true'), id='a function'),
        pytest.param(program.call(program.name('torch', 'load'), 'x'), id='a function of torch'),
        pytest.param(program.call(program.name('torch.storage', '_load_from_bytes'), b'x'), id='a nested load'),
        pytest.param(program.call(program.name('torch.hub', 'load'), 'x'), id='a download'),
        pytest.param(program.call(program.name('numpy', 'load'), 'x'), id='a function of NumPy'),
        pytest.param(
            program.call(program.name('builtins', 'getattr'), program.Code(program.name('numpy', 'ndarray')), 'tofile'),
            id='getattr of another class',
        ),
        pytest.param(
            program.call(program.name('builtins', 'getattr'), program.Code(HISTORY), '__init__'),
            id='getattr of another attribute',
        ),
        pytest.param(program.call(program.name('_codecs', 'encode'), '', 'hex'), id='another codec'),
        pytest.param(program.call(program.value('text')), id='a call of text'),
        pytest.param(program.call(program.call(program.name('collections', 'OrderedDict'))), id='a call of an object'),
        pytest.param(REBUILD + program.value({'__defaults__': (1,)}) + program.BUILD, id='attributes of a function'),
        pytest.param(REBUILD + program.value((None, {'__defaults__': (1,)})) + program.BUILD, id='slots of a function'),
        pytest.param(
            program.name('collections', 'OrderedDict') + program.value({'__init__': 1}) + program.BUILD,
            id='attributes of a class',
        ),
        pytest.param(
            program.call(program.name('collections', 'OrderedDict')) + program.value({'keys': 1}) + program.BUILD,
            id='attributes of a dictionary',
        ),
        pytest.param(
            HISTORY + program.value(()) + program.NEWOBJ + program.value({'__class__': 1}) + program.BUILD,
            id='the class of an object',
        ),
        pytest.param(program.call(program.name('numpy', 'ndarray'), (10**6,)), id='uninitialised memory'),
        pytest.param(
            program.call(program.name('numpy.core.multiarray', '_reconstruct'), program.Code(HISTORY), (0,), b'b'),
            id='another class of arrays',
        ),
    ],
)
def test_nothing_outside_the_table_is_reached(tmp_path, code):
    defaults = torch._utils._rebuild_tensor_v2.__defaults__
    with pytest.raises(ForbiddenGlobalError):
        program.read(code)
    with pytest.raises(UserError, match='could run code'):
        load_checkpoint(program.write_archive(tmp_path / 'crafted.pth', code))
    assert torch._utils._rebuild_tensor_v2.__defaults__ == defaults


@pytest.mark.parametrize(
    'code',
    [
        pytest.param(program.call(DTYPE, 'O', False, True), id='pointers'),
        pytest.param(program.call(DTYPE, 'V8', False, True), id='void'),
        pytest.param(program.call(DTYPE, 'f8,O', False, True), id='a structure'),
        pytest.param(program.call(DTYPE, [('a', 'O')], False, True), id='a list of fields'),
        # 63 are the flags of the object type: the numbers would be taken for pointers.
        pytest.param(FLOATS + program.value((3, '<', None, None, None, -1, -1, 63)) + program.BUILD, id='flags'),
        pytest.param(FLOATS + program.value((3, '<', None, None, None, 80, -1, 0)) + program.BUILD, id='size'),
        pytest.param(FLOATS + program.value((3, '<', None, None, None, -1, 64, 0)) + program.BUILD, id='alignment'),
        pytest.param(FLOATS + program.value((3, '<', None, (), {}, -1, -1, 0)) + program.BUILD, id='fields'),
        pytest.param(FLOATS + program.value((3, '<', None, None, None, -1, -1, 0, {})) + program.BUILD, id='meta'),
        pytest.param(FLOATS + program.value({}) + program.BUILD, id='no state'),
        pytest.param(array((3,), bytes(16)), id='too few numbers'),
        pytest.param(array((2**40, 2**40), bytes(16)), id='a shape beyond all memory'),
        pytest.param(array((-1,), bytes(16)), id='a negative shape'),
        pytest.param(array((0,) * 70, b''), id='seventy dimensions'),
        pytest.param(array((2,), [1.0, 2.0]), id='numbers as objects'),
        pytest.param(array((2,), bytes(16), dtype=program.value('O')), id='a type that is text'),
        pytest.param(program.call(SCALAR, program.Code(FLOATS), b'1'), id='scalar'),
        pytest.param(
            HISTORY + program.value(()) + program.NEWOBJ
            + program.value({'_log_history': [1], '_count_history': [1]}) + program.BUILD,
            id='a history of lists',
        ),
        pytest.param(b']' + program.value('a') + b'}' + b'a' + b'a', id='append to text'),
        pytest.param(program.value('text') + program.value('a') + program.value(1) + b's', id='items for text'),
        pytest.param(FLOATS + program.value('a') + program.value(1) + b's', id='items for a type'),
        pytest.param(b'}' + b')' + b'\x85' * 100_000 + b'Ns', id='a key of endless depth'),
        pytest.param(program.call(program.name('builtins', 'bytearray'), 2**40), id='memory without content'),
        pytest.param(program.call(program.name('torch', 'Size'), 2**40), id='a size that is none'),
        pytest.param(program.call(program.name('torch', 'device'), {}), id='a device that is none'),
        pytest.param(b'\x96' + (2**40).to_bytes(8, 'little'), id='instructions that torch.save does not write'),
        pytest.param(b'\x8d' + (2**60).to_bytes(8, 'little'), id='more text than the file has'),
        pytest.param(b'h\x07', id='memory that was not written'),
        pytest.param(b'', id='nothing'),
        pytest.param(b'R', id='a call on an empty stack'),
        pytest.param(b'\x80\x63', id='a protocol of the future'),
    ],
)  # fmt: skip
def test_arguments_are_checked(tmp_path, code):
    with pytest.raises(UserError, match=r'damaged|could run code'):
        load_checkpoint(program.write_archive(tmp_path / 'crafted.pth', code))


@pytest.mark.parametrize(
    'code',
    [
        pytest.param(tensor(0, (5,), (1,)), id='beyond the end'),
        pytest.param(tensor(3, (2,), (1,)), id='beyond the end by the offset'),
        pytest.param(tensor(-1, (2,), (1,)), id='before the beginning'),
        pytest.param(tensor(0, (2, 2), (4, 1)), id='beyond the end by the strides'),
        pytest.param(tensor(0, (2,), (-1,)), id='backwards'),
        pytest.param(tensor(0, (10**12,), (0,)), id='one number a million million times'),
        pytest.param(tensor(0, (2**62, 4), (1, 1)), id='a size that overflows'),
        pytest.param(tensor(0, (2,), (1, 1)), id='a stride too many'),
        pytest.param(tensor(0, (2.0,), (1,)), id='a size that is no whole number'),
        pytest.param(tensor(0, (4,), (1,), count=5), id='a storage of another size'),
        pytest.param(tensor(0, (4,), (1,), count=10**9), id='a storage of a gigabyte'),
        pytest.param(tensor(0, (2,), (1,), count=2, kind='DoubleStorage') + tensor(0, (4,), (1,)), id='of two types'),
        pytest.param(tensor(0, (4,), (1,), kind='QInt8Storage'), id='a type that no checkpoint has'),
        pytest.param(tensor(0, (4,), (1,), key='7'), id='a storage that is not there'),
        pytest.param(program.call(REBUILD, 'storage', 0, (1,), (1,), False, None), id='no storage'),
        pytest.param(
            program.call(REBUILD, storage(), 0, (1,), (1,), False, {'hook': 1}), id='hooks'
        ),
    ],
)  # fmt: skip
def test_tensors_stay_within_their_storage(tmp_path, code):
    path = program.write_archive(tmp_path / 'crafted.pth', b'}' + program.value('w') + code + b's', _0=bytes(16))
    with pytest.raises(UserError, match=r'damaged|could run code'):
        load_checkpoint(path)


def test_what_training_programs_write_comes_back(tmp_path):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).half()
    shared = torch.arange(12.0).reshape(3, 4)
    written = {
        'state_dict': model.state_dict(),
        'transposed': shared.t(),
        'row': shared[1],
        'empty': torch.empty(0, 3),
        'scalar': torch.tensor(3, dtype=torch.int64),
        'bfloat16': torch.ones(2, dtype=torch.bfloat16),
        'bool': torch.tensor([True, False]),
        'complex': torch.ones(2, dtype=torch.complex64),
        'parameter': torch.nn.Parameter(torch.ones(2)),
        'numpy': [np.arange(6, dtype='>i2').reshape(2, 3), np.asfortranarray(np.eye(3)), np.array(['a', 'bc']),
                  np.float32(2), np.bool_(True), np.array(b'x'), np.zeros((0, 2))],
        'plain': [None, True, 2**80, -1.5, 'ü', b'', b'\xff', (1,), {1, 2}, frozenset('a'), slice(1, None), 1j],
        'torch': [torch.Size((1, 2)), torch.float16, torch.device('cpu'), str(torch.__version__), torch.__version__],
        'ordered': collections.OrderedDict(a=1),
    }  # fmt: skip
    history = HistoryBuffer([1.0, 3.0], [1, 1], max_length=7)
    written['history'] = history
    for zip_format in (True, False):
        torch.save(written, tmp_path / 'x.pth', _use_new_zipfile_serialization=zip_format)
        read = load_checkpoint(tmp_path / 'x.pth')
        assert list(read) == list(written)
        assert read['plain'] == written['plain']
        assert read['torch'] == written['torch']
        assert read['ordered'] == written['ordered']
        assert read['state_dict']._metadata == written['state_dict']._metadata
        assert all(
            torch.equal(a, b) for a, b in zip(read['state_dict'].values(), model.state_dict().values(), strict=True)
        )
        for kind in ('transposed', 'row', 'empty', 'scalar', 'bfloat16', 'bool', 'complex', 'parameter'):
            assert torch.equal(read[kind], written[kind]), kind
            assert type(read[kind]) is type(written[kind])
            assert read[kind].stride() == written[kind].stride()
        assert read['row'].untyped_storage().data_ptr() == read['transposed'].untyped_storage().data_ptr()
        for mine, theirs in zip(read['numpy'], written['numpy'], strict=True):
            assert mine.dtype == theirs.dtype.newbyteorder('=')  # as NumPy itself reads them
            assert np.array_equal(mine, theirs)
        assert (read['history'].mean(), read['history'].current(), read['history'].max_length) == (2.0, 3.0, 7)


def test_a_flipped_bit_anywhere_in_the_numbers_is_found(tmp_path):
    path = tmp_path / 'x.pth'
    torch.save({'w': torch.arange(1000.0)}, path)
    data = bytearray(path.read_bytes())
    data[data.index(np.arange(1000, dtype='<f4').tobytes()) + 2001] ^= 1
    path.write_bytes(data)
    assert torch.load(path, weights_only=True)['w'].shape == (1000,), 'PyTorch compares it, too: ours can go'
    for trusted in (False, True):
        with pytest.raises(UserError, match=r'damaged[^$]*CRC'):
            load_checkpoint(path, trusted)


def test_a_compressed_archive_is_not_unpacked(tmp_path):
    path = tmp_path / 'bomb.pth'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', pickle.dumps({}, 2))
        archive.writestr('archive/data/0', bytes(10_000_000))
    with pytest.raises(UserError, match=r'damaged[^$]*larger'):
        load_checkpoint(path)

"""Nothing that a pickle can carry is ever run: pickles written opcode by opcode, and files that are something else."""

from __future__ import annotations

import builtins
import collections
import io
import itertools
import os
import pickle

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.network_pickle import load_generator_pickle
from datasetgan_ext.generator.safe_pickle import load_snapshot
from datasetgan_ext.generator.tensorflow_era import TensorFlowNetwork
from tests.helpers.upstream import needs_upstream


def a_global(module, name):
    return f'c{module}\n{name}\n'.encode()


def a_value(value):
    return pickle.dumps(value, 3)[2:-1]


def a_call(module, name, *arguments):
    return a_global(module, name) + b'(' + b''.join(arguments) + b'tR'


def a_program(body):
    return b'\x80\x03' + body + b'.'


def a_legacy_storage(content, legacy=True):
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def a_network(state=None, **changes):
    meta = {'type': 'class', 'version': 6, 'module_src': '', 'class_name': 'Generator', 'state': state or {}, **changes}
    return a_call('torch_utils.persistence', '_reconstruct_persistent_obj', a_value(meta))


def refusal(tmp_path, content, load=load_snapshot):
    path = tmp_path / 'bad.pkl'
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(path) in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ('module', 'name', 'code'),
    [
        ('os', 'system', 'touch {}'),
        ('subprocess', 'getoutput', 'touch {}'),
        ('builtins', 'eval', 'open({!r}, "w").close()'),
        ('builtins', 'exec', 'open({!r}, "w").close()'),
    ],
)
@pytest.mark.parametrize(
    'wrap',
    [
        lambda payload: payload,
        lambda payload: b'}(' + a_value('G_ema') + payload + b'u',
        lambda payload: a_call('collections', 'OrderedDict') + a_value('D') + payload + b's',
    ],
    ids=['bare', 'in_dict', 'in_ordered_dict'],
)
def test_code_is_refused_and_not_run(module, name, code, wrap, tmp_path):
    marker = tmp_path / 'ran'
    content = a_program(wrap(a_call(module, name, a_value(code.format(str(marker))))))

    message = refusal(tmp_path, content, load_generator_pickle)
    assert f'the global {module}.{name}' in message
    assert 'may be malicious. Nothing from it was run' in message
    assert not marker.exists()

    pickle.loads(content)
    assert marker.exists()  # so the payload works, and it is our reader that held


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_is_refused(protocol, tmp_path):
    marker = tmp_path / 'ran'
    message = refusal(tmp_path, pickle.dumps({'G_ema': Payload(marker)}, protocol))
    assert ('mkdir' if protocol >= 2 else 'is no network pickle') in message
    assert not marker.exists()


@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('builtins', 'getattr'),
        ('builtins', '__import__'),
        ('builtins', 'open'),
        ('builtins', 'dict'),
        ('operator', 'attrgetter'),
        ('functools', 'partial'),
        ('copyreg', '_reconstructor'),
        ('torch', 'load'),
        ('torch.serialization', 'load'),
        ('torch.jit', 'load'),
        ('torch', 'FloatStorage'),
        ('torch_utils.persistence', 'exec'),
        ('torch_utils.persistence', '_src_to_module'),
        ('dnnlib.util', 'os'),
        ('dnnlib', 'EasyDict'),
        ('numpy', 'load'),
        ('numpy', 'frombuffer'),
        ('numpy._core.multiarray', 'frombuffer'),
        ('dnnlib.tflib.network', 'exec'),
        ('dnnlib.tflib.network', 'Network.__setstate__'),
        ('datasetgan_ext.generator.safe_pickle', '_Unpickler'),
    ],
)
def test_other_globals_are_refused(module, name, tmp_path):
    assert f'the global {module}.{name},' in refusal(tmp_path, a_program(a_global(module, name)))


@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('dnnlib.util', 'EasyDict.__init__.__globals__'),
        ('collections', 'OrderedDict.__class__'),
        ('torch.storage', '_load_from_bytes.__globals__'),
        ('torch_utils', 'persistence._reconstruct_persistent_obj'),
        ('torch', '_utils._rebuild_tensor_v2'),
        ('builtins.set', ''),
    ],
)
def test_dotted_names_are_refused(module, name, tmp_path):
    content = b'\x80\x04' + a_value(module) + a_value(name) + b'\x93.'
    assert f'the global {module}.{name},' in refusal(tmp_path, content)


def test_control_characters_of_a_name_are_not_printed(tmp_path):
    assert 'os.\\x1b[31msystem' in refusal(tmp_path, a_program(a_global('os', '\x1b[31msystem')))


@pytest.mark.parametrize('legacy', [True, False], ids=['legacy', 'zip'])
def test_payload_in_a_storage(legacy, tmp_path):
    marker = tmp_path / 'ran'
    content = a_legacy_storage(Payload(marker), legacy)
    message = refusal(tmp_path, a_program(a_call('torch.storage', '_load_from_bytes', a_value(content))))
    assert 'mkdir' in message if legacy else 'damaged' in message
    assert not marker.exists()
    torch.load(io.BytesIO(content), weights_only=False)
    assert marker.exists()


def test_payload_after_a_good_head(tmp_path):
    """The list of keys in a storage's stream is a pickle too."""
    marker = tmp_path / 'ran'
    stream = io.BytesIO(a_legacy_storage(torch.zeros(2)._typed_storage()))
    for _ in range(3):
        pickle.load(stream)
    content = stream.getvalue()[: stream.tell()] + pickle.dumps(Payload(marker))
    assert 'mkdir' in refusal(tmp_path, a_program(a_call('torch.storage', '_load_from_bytes', a_value(content))))
    assert not marker.exists()


GOOD = a_legacy_storage(torch.zeros(4, dtype=torch.int8)._typed_storage())


@pytest.mark.parametrize(
    'content',
    [
        GOOD[:-1],
        GOOD + b'\0',
        GOOD[:40],
        b'',
        'text',
        None,
        a_legacy_storage([1, 2, 3]),
        a_legacy_storage(torch.zeros(4)),
        GOOD.replace(b'CharStorage', b'LongStorage'),
        GOOD[:-12] + b'\5' + GOOD[-11:],
        GOOD[:-12] + b'\3' + GOOD[-11:-1],
    ],
    ids=itertools.count(),
)
def test_damaged_storages(content, tmp_path):
    refusal(tmp_path, a_program(a_call('torch.storage', '_load_from_bytes', a_value(content))))


@pytest.mark.parametrize(
    ('offset', 'shape', 'strides', 'fits'),
    [
        (0, (4,), (1,), True),
        (0, (2, 2), (2, 1), True),
        (1, (2,), (2,), True),
        (3, (), (), True),
        (99, (0,), (1,), True),
        (1, (4,), (1,), False),
        (0, (5,), (1,), False),
        (0, (2,), (4,), False),
        (4, (), (), False),
        (-1, (2,), (1,), False),
        (0, (2,), (-1,), False),
        (0, (-2,), (1,), False),
        (0, (2, 2), (1,), False),
        (0, (2**62, 2**62), (2**62, 1), False),
        (0, (True,), (1,), False),
        (0, (1.0,), (1,), False),
        (0, [2], [1], False),
    ],
)
def test_tensors_stay_within_their_storage(offset, shape, strides, fits, tmp_path):
    storage = a_call('torch.storage', '_load_from_bytes', a_value(GOOD))  # four elements
    rest = [a_value(value) for value in (offset, shape, strides, False, None)]
    path = tmp_path / 'tensor.pkl'
    path.write_bytes(a_program(a_call('torch._utils', '_rebuild_tensor_v2', storage, *rest)))
    if fits:
        load_snapshot(path)
    else:
        with pytest.raises(UserError, match='may be malicious'):
            load_snapshot(path)


@pytest.mark.parametrize(
    'body',
    [
        a_call('torch._utils', '_rebuild_tensor_v2', *map(a_value, (b'', 0, (1,), (1,), False, None))),
        a_call(
            'torch._utils',
            '_rebuild_tensor_v2',
            a_call('torch.storage', '_load_from_bytes', a_value(GOOD)),
            *map(a_value, (0, (1,), (1,), False, None, {'neg': True})),
        ),
        a_call('torch._utils', '_rebuild_parameter', *map(a_value, ('text', False, None))),
        a_call('torch_utils.persistence', '_reconstruct_persistent_obj', a_value('text')),
        a_network(type='function'),
        a_network(version=5),
        a_network(class_name=['Generator']),
        a_network(state=[1]),
        a_call('numpy.core.multiarray', 'scalar', a_call('numpy', 'dtype', a_value('O8')), a_value(b'12345678')),
        a_call('numpy.core.multiarray', 'scalar', a_call('numpy', 'dtype', a_value('V8')), a_value(b'12345678')),
        a_call('numpy.core.multiarray', 'scalar', a_call('numpy', 'dtype', a_value('f8')), a_value(b'123')),
        a_call('numpy.core.multiarray', 'scalar', a_call('numpy', 'dtype', a_value('f8')), a_value('1234567\u20ac')),
        a_value('key') + b'Q',
        b'P1\n',  # persistent ids
        a_value(1) + a_value(()) + b'R',
        a_value(()) + a_value({'a': 1}) + b'b',
        b'\x82\x01',
    ],
    ids=itertools.count(),
)
def test_misuse_is_an_error(body, tmp_path):
    refusal(tmp_path, a_program(body))


@pytest.mark.parametrize(
    ('shape', 'code', 'data', 'fits'),
    [
        ((2,), 'f4', bytes(8), True),
        ((), 'i8', bytes(8), True),
        ((0, 2), 'u1', b'', True),
        ((2,), 'f4', bytes(7), False),
        ((2,), 'f4', bytes(9), False),
        ((-2,), 'f4', bytes(8), False),
        ((2.0,), 'f4', bytes(8), False),
        ([2], 'f4', bytes(8), False),
        ((2**62, 4), 'f4', bytes(8), False),
        ((1,), 'O8', bytes(8), False),
        ((1,), 'V8', bytes(8), False),
        ((2,), 'f4', '1234567\xff', True),  # as Python 2 wrote bytes
        ((2,), 'f4', '1234567', False),
    ],
)
@pytest.mark.parametrize('kind', ['_reconstruct', '_frombuffer'])
def test_arrays_are_of_numbers_and_fit_their_data(kind, shape, code, data, fits, tmp_path):
    dtype = a_call('numpy', 'dtype', a_value(code))
    body = {
        '_reconstruct': a_call(
            'numpy.core.multiarray', '_reconstruct', a_global('numpy', 'ndarray'), *map(a_value, ((0,), b'b'))
        )
        + b'('
        + a_value(1)
        + a_value(shape)
        + dtype
        + a_value(False)
        + a_value(data)
        + b'tb',
        '_frombuffer': a_call('numpy.core.numeric', '_frombuffer', a_value(data), dtype, *map(a_value, (shape, 'C'))),
    }[kind]
    if fits:
        path = tmp_path / 'array.pkl'
        path.write_bytes(a_program(body))
        assert load_snapshot(path).to_numpy().shape == shape
    else:
        refusal(tmp_path, a_program(body))


@pytest.mark.parametrize('class_name', ['__builtins__', 'persistence', 'exec', 'torch.nn.Module', '', 'SynthesisLayer'])
def test_class_names_are_only_compared(class_name, tmp_path):
    message = refusal(tmp_path, a_program(a_network(class_name=class_name)), load_generator_pickle)
    assert f'class {class_name}, not Generator' in message


@needs_upstream
@pytest.mark.parametrize(
    'state',
    [
        {},
        {'_init_args': None, '_init_kwargs': None},
        {'_init_args': (), '_init_kwargs': {'z_dim': 'x'}},
        {'_init_args': (8, 0, 8, 16, 3), '_init_kwargs': {}},
        {
            '_init_args': (8, 0, 8, 16, 3),
            '_init_kwargs': {},
            '_modules': {'mapping': 3, 4: {}},
            '_buffers': {'eval': 1},
        },
        {'_init_args': (8, 0, 8, 16, 3), '_init_kwargs': {}, '_modules': [1], '_buffers': 'text', '_parameters': None},
        {'_init_args': 'abcde', '_init_kwargs': 'abc'},
    ],
)
def test_odd_networks_are_errors(state, tmp_path):
    refusal(tmp_path, a_program(a_network(state)), load_generator_pickle)


@pytest.mark.parametrize('state', [{'get': 1, '__call__': 1}, (None, {'get': 1, '_function': 1}), {}, ()])
@pytest.mark.parametrize(
    'target',
    [
        a_global('collections', 'OrderedDict'),
        a_global('dnnlib.util', 'EasyDict'),
        a_global('builtins', 'set'),
        a_global('numpy', 'dtype'),
        a_global('torch._utils', '_rebuild_tensor_v2'),
        a_global('torch.storage', '_load_from_bytes'),
        a_global('torch_utils.persistence', '_reconstruct_persistent_obj'),
        a_call('collections', 'OrderedDict'),
        a_global('dnnlib.util', 'EasyDict') + b')\x81',
        a_call('numpy', 'dtype', a_value('f8')),
        a_network(),
        a_global('numpy', 'ndarray'),
        a_global('dnnlib.tflib.network', 'Network'),
        a_global('numpy.core.multiarray', '_reconstruct'),
    ],
)
def test_attributes_cannot_be_set(target, state, tmp_path):
    """BUILD would change a class or a function for good."""
    good = tmp_path / 'good.pkl'
    good.write_bytes(a_program(a_call('collections', 'OrderedDict', a_value([('a', 1)]))))
    known = (
        dict,
        set,
        collections.OrderedDict,
        np.dtype,
        np.ndarray,
        torch.Tensor,
        torch._utils._rebuild_tensor_v2,
        builtins,
        TensorFlowNetwork,
    )
    before = [dict(vars(thing)) for thing in known]
    path = tmp_path / 'bad.pkl'
    path.write_bytes(a_program(target + a_value(state) + b'b'))
    with pytest.raises(UserError):
        load_snapshot(path)
    assert [dict(vars(thing)) for thing in known] == before
    assert load_snapshot(good) == {'a': 1}


@pytest.mark.parametrize(
    'value',
    [
        np.float64(0.1),
        np.float32(0.1),
        np.float16(0.1),
        np.int64(-5),
        np.uint8(200),
        np.int8(-3),
        np.bool_(True),
    ],
)
@pytest.mark.parametrize('protocol', [3, 4])
def test_numpy_scalars(value, protocol, tmp_path):
    (tmp_path / 'scalar.pkl').write_bytes(pickle.dumps({'x': value}, protocol))
    loaded = load_snapshot(tmp_path / 'scalar.pkl')['x']
    assert type(loaded) is type(value.item())
    assert loaded == value.item()


@pytest.mark.parametrize(
    'value',
    [
        np.array(['x']),
        np.array([None]),
        np.zeros(3, '>f4'),
        np.zeros(2, 'f4,i4'),
        np.zeros(2, complex),
        np.datetime64('2024-01-01'),
        np.str_('x'),
        np.dtype('>f4').type,
    ],
)
def test_other_numpy_values_are_refused(value, tmp_path):
    refusal(tmp_path, pickle.dumps(value))


# ---- files that are something else


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        (b'PK\x03\x04' + bytes(60), 'is damaged or cut short'),
        (a_legacy_storage(torch.zeros(3)), 'is a file of torch.save'),
        (b'\n<!DOCTYPE html><html>Not found</html>', 'is a web page'),
        (b'<?xml version="1.0"?><Error>denied</Error>', 'is a web page'),
        (b'\x08\0\0\0\0\0\0\0{"a":{}}', 'is a safetensors file'),
        (b'hello, world', 'is no network pickle'),
        (b'\x89PNG\r\n\x1a\n' + bytes(64), 'is no network pickle'),
        (b'\x80', 'damaged'),
        (b'\x80\x04', 'damaged'),
        (b'\x80\x04.', 'damaged'),
        (b'\x80\x77' + bytes(9), 'damaged'),
        (pickle.dumps([1, 2]), 'holds no generator'),
        (pickle.dumps(None), 'holds no generator'),
        (a_program(b'(' + a_call('dnnlib.tflib.network', 'Network') + b't'), 'holds no generator'),
    ],
    ids=itertools.count(),
)
def test_other_files(content, message, tmp_path):
    path = tmp_path / 'file.pkl'
    path.write_bytes(content)
    with pytest.raises(UserError, match=f'file.pkl .*{message}'):
        load_generator_pickle(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match='missing.pkl: No such file'):
        load_generator_pickle(tmp_path / 'missing.pkl')
    with pytest.raises(UserError, match='Is a directory'):
        load_generator_pickle(tmp_path)

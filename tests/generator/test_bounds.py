"""A small file costs little: what a pickle can ask of its reader is bounded, and it can always be interrupted."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator import pickle_machine
from datasetgan_ext.generator.filling import check_size
from datasetgan_ext.generator.network_pickle import load_generator_pickle
from datasetgan_ext.generator.pickle_machine import is_whole
from datasetgan_ext.generator.pickle_records import StorageRecord, TensorRecord, shown
from datasetgan_ext.generator.safe_pickle import load_snapshot
from datasetgan_ext.generator.upstream import MAX_PLAIN_VALUES, import_upstream, to_plain
from tests.generator.test_network_pickle import make_generator, render, save
from tests.generator.test_safe_pickle import GOOD, a_call, a_global, a_network, a_program, a_value, refusal
from tests.helpers.upstream import needs_upstream

MEGABYTES = 2**20


def cost_of(path, load=load_snapshot) -> int:
    """Bytes that a refusal takes at most while it is worked out."""
    tracemalloc.start()
    with pytest.raises(UserError):
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    'body',
    [
        b'Nr' + struct.pack('<I', 2**26) + b'Q',  # a place in the memo: 1.2 GB in the standard library
        b'Nr' + struct.pack('<I', 2**32 - 1) + b'Q',
        b'B' + struct.pack('<I', 2**31),
        b'X' + struct.pack('<I', 2**31),
        b'T' + struct.pack('<I', 2**31),
        b'\x8e' + struct.pack('<Q', 2**40),
        b'\x8d' + struct.pack('<Q', 2**40),
        b'\x96' + struct.pack('<Q', 2**62),
        b'\x95' + struct.pack('<Q', 2**62) + b'Q',
        b'\x8b' + struct.pack('<I', 2**30),
        b'cos\n' + b'x' * 2000,
    ],
    ids=lambda body: repr(body[:6]),
)
def test_lengths_and_places_that_are_not_there(body, tmp_path):
    path = tmp_path / 'bad.pkl'
    path.write_bytes(b'\x80\x04' + body + b'.')
    assert cost_of(path) < 1 * MEGABYTES


def nested(levels: int, start: bytes = b')') -> bytes:
    """A tuple of itself twice, of itself twice, ..."""
    return start + b'2\x86' * levels


@pytest.mark.parametrize(
    'body',
    [
        b'}' + nested(40) + b'Ns',
        b'}(' + nested(40) + b'Nu',
        b'\x8f(' + nested(40) + b'\x90',
        a_call('builtins', 'set', b'](' + nested(40) + b'e'),
        a_call('collections', 'OrderedDict', b'](' + nested(40) + b'N\x86e'),
        b'}' + a_value(1.5) + b'Ns',
        b'}' + a_value(2**61 - 1) + b'Ns',  # such numbers collide in a table
        a_call('collections', 'OrderedDict', b'](' + a_value((2**61 - 1, 1)) + b'e'),
    ],
)
def test_keys_are_plain(body, tmp_path):
    assert 'a key of a dict that is' in refusal(tmp_path, a_program(body))


@pytest.mark.parametrize(
    'body',
    [
        a_call('numpy', 'dtype', nested(60)) + a_value((3, '<')) + b'b',
        a_call('numpy.core.multiarray', 'scalar', a_call('numpy', 'dtype', nested(60)), a_value(b'1234')),
        a_call('numpy.core.numeric', '_frombuffer', a_value(b''), a_call('numpy', 'dtype', nested(60)), a_value((0,))),
        a_call('torch_utils.persistence', '_reconstruct_persistent_obj', b'}(Vtype\n' + nested(60) + b'u'),
        a_network(type='function'),
        a_call('torch_utils.persistence', '_reconstruct_persistent_obj', nested(60)),
        nested(60) + b'NR',
        b'}' + a_value('G_ema') + nested(60) + b's',
        nested(60),
    ],
)
def test_parts_that_are_held_in_many_places_are_not_looked_through(body, tmp_path):
    """Comparing, hashing or showing 2**60 parts would never end."""
    refusal(tmp_path, a_program(body), load_generator_pickle)


@pytest.mark.parametrize('levels', [9, 60, 100_000])
def test_plain_data_is_little(levels):
    value = ['x']
    for _ in range(levels):
        value = [value, value]
    with pytest.raises(TypeError, match='no plain data'):
        to_plain(value, dict)
    with pytest.raises(TypeError, match=f'more than {MAX_PLAIN_VALUES} values'):
        to_plain([[['x'] * 100] * 100] * 100, dict)
    assert to_plain({'a': [1, (2.5, None)]}, dict) == {'a': [1, (2.5, None)]}


def test_shown_is_short():
    value = ('x',)
    for _ in range(60):
        value = (value, value)
    assert shown(value) == 'tuple' and shown({1: value}) == 'dict'
    assert len(shown('\x1b' * 10**7)) <= 200
    assert shown(10**5000) == 'int' and shown(6) == '6' and shown(True) == 'True'


def test_steps_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle_machine, 'MAX_OPERATIONS', 1000)
    assert 'more than 1000 steps' in refusal(tmp_path, a_program(b'N0' * 600 + b'N'))
    # those of a pickle within count too, each time that it is read
    storage = a_value(GOOD) + b'q\x00'
    again = a_global('torch.storage', '_load_from_bytes') + b'(h\x00tR0'
    assert 'more than 1000 steps' in refusal(tmp_path, a_program(storage + again * 20))


@pytest.mark.parametrize(
    'call',
    [
        a_global('_codecs', 'encode') + b'(h\xc8h\xc9tR',
        a_global('builtins', 'set') + b'(h\xcatR',
        a_global('collections', 'OrderedDict') + b'(h\xcbtR',
    ],
)
def test_copies_are_counted(call, tmp_path):
    """The same long text, list or dict, again and again."""
    values = ('x' * 200_000, 'latin1', list(range(20_000)), [[1, 2]] * 20_000)
    head = b''.join(a_value(value) + b'q' + bytes([200 + index]) + b'0' for index, value in enumerate(values))
    assert 'the same data to be copied again' in refusal(tmp_path, a_program(head + (call + b'0') * 1000 + b'N'))


def test_calls_have_few_arguments(tmp_path):
    body = a_global('numpy', 'dtype') + a_value(tuple(range(17))) + b'R'
    assert 'unusual arguments' in refusal(tmp_path, a_program(body))


@pytest.mark.parametrize('shape', [(2**40,) * 3, (1,) * 33, (10**400,), (2**62, 0)])
def test_sizes_are_believed_up_to_a_limit(shape, tmp_path):
    dtype = a_call('numpy', 'dtype', a_value('f4'))
    refusal(
        tmp_path,
        a_program(a_call('numpy.core.numeric', '_frombuffer', a_value(b''), dtype, a_value(shape), a_value('C'))),
    )


def test_a_tensor_has_no_more_elements_than_its_storage(tmp_path):
    storage = a_call('torch.storage', '_load_from_bytes', a_value(GOOD))
    rest = [a_value(value) for value in (0, (16384, 16384), (0, 0), False, None)]
    message = refusal(tmp_path, a_program(a_call('torch._utils', '_rebuild_tensor_v2', storage, *rest)))
    assert 'a tensor of more elements than are in the file' in message


@pytest.mark.parametrize('axes', [(0,), (0, 0), (1, 2), (0, 2**40), 'ab', [0, 1]])
def test_axes_of_a_transposed_array(axes, tmp_path):
    dtype = a_call('numpy', 'dtype', a_value('u1'))
    arguments = [a_value(bytes(6)), dtype, a_value((2, 3)), a_value('K'), a_value(axes)]
    assert 'unusual axes' in refusal(tmp_path, a_program(a_call('numpy.core.numeric', '_frombuffer', *arguments)))


def test_it_can_be_interrupted(tmp_path):
    """A million steps, and a signal among them: the standard library's unpickler would not have looked."""
    (tmp_path / 'long.pkl').write_bytes(a_program(b'(' + nested(20) * 50_000 + b'1N'))
    program = f"""
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # scripts' background has none
        sys.setswitchinterval(1)
        from datasetgan_ext.generator import pickle_machine
        from datasetgan_ext.generator.safe_pickle import load_snapshot
        taken = pickle_machine.Budget.operate
        def operate(self):
            taken(self)
            if self.operations == pickle_machine.MAX_OPERATIONS - 1000:
                signal.raise_signal(signal.SIGINT)
        pickle_machine.Budget.operate = operate
        try:
            load_snapshot({str(tmp_path / 'long.pkl')!r})
        except KeyboardInterrupt:
            sys.exit(5)
    """
    assert subprocess.run([sys.executable, '-c', textwrap.dedent(program)]).returncode == 5


# ---- networks whose arguments say more than the file holds


LARGE = [
    {'z_dim': 16000, 'w_dim': 16000},
    {'w_dim': 2**20},
    {'img_resolution': 8192},
    {'synthesis_kwargs': {'channel_base': 2**20, 'channel_max': 2**14}},
    {'mapping_kwargs': {'layer_features': 30000, 'num_layers': 8}},
]


@needs_upstream
def test_a_network_is_compared_before_memory_is_taken(tmp_path):
    """In a process that may take half a gigabyte more than it has when it begins."""
    paths = []
    for index, change in enumerate(LARGE):
        network = make_generator()
        network._init_kwargs.update(change)
        paths.append(str(save(tmp_path / f'net{index}.pkl', network)))
    program = f"""
        import resource
        from datasetgan_ext.core.errors import UserError
        from datasetgan_ext.generator.network_pickle import load_generator_pickle
        from datasetgan_ext.generator.upstream import import_upstream
        import_upstream('training.networks')
        now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 2**29, -1))
        for path in {paths}:
            try:
                load_generator_pickle(path)
            except UserError as error:
                print('it would take more memory than the file holds' in error.message)
    """
    result = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ['True'] * len(LARGE)


@needs_upstream
@pytest.mark.parametrize(
    'change, message',
    [
        ({'mapping_kwargs': {'num_layers': 10**6}}, 'num_layers is 1e.06, more than 256'),
        ({'img_resolution': 2**14}, 'img_resolution is 16384, more than 8192'),
        ({'z_dim': 2**40}, 'z_dim is 1.09951e.12, more than'),
        (
            {'synthesis_kwargs': {'resample_filter': [1] * 10**4}},
            'resample_filter has 10000 items, more than 64|more than 10000 values',
        ),
        ({'synthesis_kwargs': {'conv_clamp': float('nan')}}, 'conv_clamp is nan'),
        ({'z_dim': -1}, 'does not take'),
    ],
)
def test_arguments_that_would_never_end(change, message, tmp_path):
    network = make_generator()
    network._init_kwargs.update(change)
    with pytest.raises(UserError, match=message):
        load_generator_pickle(save(tmp_path / 'net.pkl', network))


def test_many_tensors_of_one_storage(tmp_path):
    """Each fits, but together they would be more than the file."""
    (tmp_path / 'net.pkl').write_bytes(bytes(100))
    record = TensorRecord(StorageRecord(torch.float32, memoryview(bytes(40))), 0, (10,), (1,))
    check_size([(torch.zeros(10), record)] * 2, tmp_path / 'net.pkl')
    with pytest.raises(UserError, match='its tensors are 120 bytes, and the file 100'):
        check_size([(torch.zeros(10), record)] * 3, tmp_path / 'net.pkl')


# ---- forms of the same network


@needs_upstream
@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
def test_protocols(protocol, tmp_path):
    network = make_generator()
    array = np.arange(6.0).reshape(2, 3).T
    content = {'G_ema': network, 'set': {'a', 'b'}, 'none': b'', 'array': array, 'x': np.float32(2)}
    path = save(tmp_path / 'net.pkl', content, protocol)
    assert torch.equal(render(load_generator_pickle(path)), render(network))
    loaded = load_snapshot(path)
    assert loaded['set'] == {'a', 'b'} and loaded['none'] == b'' and loaded['x'] == 2
    assert np.array_equal(loaded['array'].to_numpy(), array)


def test_strings_of_python_2(tmp_path):
    """It had one type for text and bytes."""
    array = np.array([1.5, -2], '<f4')
    data = array.tobytes()
    body = (
        a_call('numpy.core.multiarray', '_reconstruct', a_global('numpy', 'ndarray'), a_value((0,)), b'U\x01b')
        + b'('
        + a_value(1)
        + a_value((2,))
        + a_call('numpy', 'dtype', b'U\x02f4')
        + a_value(False)
        + b'U'
        + bytes([len(data)])
        + data
        + b'tb'
    )
    (tmp_path / 'old.pkl').write_bytes(b'\x80\x02}' + b'U\x05array' + body + b's.')
    assert np.array_equal(load_snapshot(tmp_path / 'old.pkl')['array'].to_numpy(), array)


@needs_upstream
@pytest.mark.parametrize('allow_pickle_code', [False, True])
def test_a_network_of_half_precision(allow_pickle_code, tmp_path, caplog):
    network = make_generator()
    path = save(tmp_path / 'net.pkl', dict.fromkeys(('G', 'D', 'G_ema'), network.half()))
    loaded = load_generator_pickle(path, allow_pickle_code)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float32}
    assert 'holds a network of 16-bit numbers' in caplog.text
    assert torch.equal(render(loaded), render(network.float()))
    assert type(loaded).__name__ == 'Generator' and import_upstream('training.networks')


# ---- whole files


@pytest.mark.parametrize('protocol', range(2, 6))
def test_whole_and_cut_pickles(protocol, tmp_path):
    content = pickle.dumps({'a': [1, 2.5, 'text', b'bytes' * 99], 'b': np.arange(9), 'c': {3}}, protocol)
    path = tmp_path / 'a.pkl'
    path.write_bytes(content)
    assert is_whole(path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert not is_whole(path)


def test_whole_and_cut_archives(tmp_path):
    path = tmp_path / 'a.pt'
    torch.save({'a': torch.ones(3)}, path)
    assert is_whole(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert not is_whole(path)
    path.write_bytes(b'<html>')
    assert not is_whole(path)

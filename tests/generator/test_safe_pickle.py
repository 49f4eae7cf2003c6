"""Snapshots load bit for bit, and nothing that a pickle can carry is ever run."""

from __future__ import annotations

import builtins
import collections
import copy
import io
import itertools
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator import upstream
from datasetgan_ext.generator.safe_pickle import load_generator_pickle, load_snapshot
from datasetgan_ext.generator.tensorflow_era import TensorFlowNetwork
from datasetgan_ext.generator.upstream import find_upstream, import_upstream, use_upstream

needs_upstream = pytest.mark.skipif(find_upstream() is None, reason='the stylegan2_ada_pytorch submodule is not there')

CONFIGS = {
    'skip': {},
    'resnet': {'synthesis_kwargs': {'architecture': 'resnet'}},
    'orig': {'synthesis_kwargs': {'architecture': 'orig'}},
    'conditional': {'c_dim': 3, 'mapping_kwargs': {'embed_features': 5}},
    'grey': {'img_channels': 1},
    'narrow': {'synthesis_kwargs': {'channel_base': 64}},
    'no_noise': {'synthesis_kwargs': {'use_noise': False}},
    'fp16': {'synthesis_kwargs': {'num_fp16_res': 1, 'conv_clamp': 256}},
    'channels_last': {'synthesis_kwargs': {'num_fp16_res': 1, 'conv_clamp': 256, 'fp16_channels_last': True}},
    'res32': {'img_resolution': 32},
}


# ---- snapshots made with upstream's classes


def make_generator(c_dim=0, img_resolution=16, img_channels=3, mapping_kwargs=None, synthesis_kwargs=None, seed=0):
    """A tiny generator in which every number matters: none of its weights is left at 0 or 1."""
    easy_dict = import_upstream('dnnlib').EasyDict
    generator = import_upstream('training.networks').Generator(
        z_dim=8,
        c_dim=c_dim,
        w_dim=8,
        img_resolution=img_resolution,
        img_channels=img_channels,
        mapping_kwargs=easy_dict({'num_layers': 2, **(mapping_kwargs or {})}),
        synthesis_kwargs=easy_dict({'channel_max': 8, **(synthesis_kwargs or {})}),
    )
    noise = torch.Generator().manual_seed(seed)
    for name, tensor in [*generator.named_parameters(), *generator.named_buffers()]:
        if not name.endswith('resample_filter'):
            tensor.data += torch.randn(tensor.shape, generator=noise) * 0.1
    return generator.eval().requires_grad_(False)


def make_snapshot(generator):
    networks, easy_dict = import_upstream('training.networks'), import_upstream('dnnlib').EasyDict
    other = copy.deepcopy(generator)
    other.mapping.fc0.weight += 1
    return {
        'training_set_kwargs': easy_dict(path='faces.zip', max_size=np.int64(7), mean=np.float64(0.5)),
        'G': other,
        'D': networks.Discriminator(c_dim=generator.c_dim, img_resolution=16, img_channels=3, channel_max=8).eval(),
        'G_ema': generator,
        'augment_pipe': import_upstream('training.augment').AugmentPipe(xflip=1, scale=1).eval(),
    }


def render(generator):
    z = torch.from_numpy(np.random.RandomState(0).randn(2, generator.z_dim))
    c = torch.eye(generator.c_dim)[:2] if generator.c_dim else None
    return generator(z, c, truncation_psi=0.7, noise_mode='const')


def save(path, content, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.fixture(scope='module', autouse=True)
def one_thread():
    """Networks this small are slower on several threads, far slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def generator():
    return make_generator()


@needs_upstream
@pytest.mark.parametrize('protocol', [3, None])
@pytest.mark.parametrize('name', CONFIGS)
def test_loads_bit_for_bit(name, protocol, tmp_path):
    original = make_generator(**CONFIGS[name])
    loaded = load_generator_pickle(save(tmp_path / 'net.pkl', make_snapshot(original), protocol))

    assert type(loaded) is type(original)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    own, theirs = loaded.state_dict(), original.state_dict()
    assert list(own) == list(theirs)
    assert all(torch.equal(own[key], theirs[key]) and own[key].stride() == theirs[key].stride() for key in own)
    assert torch.equal(render(loaded), render(original))
    assert not torch.equal(render(loaded), torch.zeros_like(render(loaded)))


@needs_upstream
def test_init_kwargs_stay_as_upstream_has_them(generator, tmp_path):
    loaded = load_generator_pickle(save(tmp_path / 'net.pkl', generator))
    assert loaded.init_kwargs == generator.init_kwargs
    assert loaded.init_kwargs.synthesis_kwargs.channel_max == 8


@needs_upstream
def test_other_containers(generator, tmp_path):
    snapshot = make_snapshot(generator)
    bare = load_generator_pickle(save(tmp_path / 'bare.pkl', generator))
    assert torch.equal(render(bare), render(generator))
    for key, holds in (('no_ema', {'G': snapshot['G']}), ('none', {'G_ema': None, 'G': snapshot['G']})):
        loaded = load_generator_pickle(save(tmp_path / f'{key}.pkl', holds))
        assert torch.equal(render(loaded), render(snapshot['G']))
    shared = load_generator_pickle(save(tmp_path / 'shared.pkl', {'G': generator, 'G_ema': generator}))
    assert torch.equal(render(shared), render(generator))


@needs_upstream
def test_random_state_is_left_alone(generator, tmp_path):
    path = save(tmp_path / 'net.pkl', generator)
    before = torch.get_rng_state()
    load_generator_pickle(path)
    assert torch.equal(torch.get_rng_state(), before)


@needs_upstream
def test_snapshot_is_plain_data(generator, tmp_path):
    snapshot = load_snapshot(save(tmp_path / 'net.pkl', make_snapshot(generator)))
    assert snapshot['training_set_kwargs'] == {'path': 'faces.zip', 'max_size': 7, 'mean': 0.5}
    assert not any(isinstance(value, torch.nn.Module) for value in snapshot.values())


def add_buffer(generator):
    generator.mapping.register_buffer('extra', torch.zeros(1))


def drop_parameter(generator):
    del generator.synthesis.b8.conv1.bias


def reshape(generator):
    generator.mapping.fc0.weight = torch.nn.Parameter(torch.zeros(9, 8))


def retype(generator):
    generator.mapping.w_avg = generator.mapping.w_avg.double()


def swap_class(generator):
    generator.synthesis.b8.torgb = generator.mapping.fc0


def drop_module(generator):
    del generator.synthesis.b16


@needs_upstream
@pytest.mark.parametrize(
    ('tamper', 'message'),
    [
        (add_buffer, 'G.mapping.extra is only in the file'),
        (drop_parameter, 'G.synthesis.b8.conv1.bias is missing from the file'),
        (drop_module, 'G.synthesis.b16 is missing from the file'),
        (reshape, r'G.mapping.fc0.weight is \[9, 8\] torch.float32, not \[8, 8\]'),
        (retype, r'G.mapping.w_avg is \[8\] torch.float64, not \[8\] torch.float32'),
        (swap_class, 'G.synthesis.b8.torgb is no ToRGBLayer'),
    ],
)
def test_differences_are_named(tamper, message, generator, tmp_path):
    changed = copy.deepcopy(generator)
    tamper(changed)
    with pytest.raises(UserError, match=message):
        load_generator_pickle(save(tmp_path / 'net.pkl', changed))


@needs_upstream
@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('z_dim', {1, 2}, 'no plain data: set'),
        ('z_dim', torch.zeros(1), 'no plain data: _Tensor'),
        ('mapping_kwargs', {3: 4}, 'no plain data: dict'),
        ('channel_base', 32768, "unexpected keyword argument 'channel_base'"),  # as StyleGAN3 has it
        ('img_resolution', 17, 'AssertionError'),
    ],
)
def test_arguments_are_checked(key, value, message, generator, tmp_path):
    changed = copy.deepcopy(generator)
    changed._init_kwargs[key] = value
    with pytest.raises(UserError, match=message):
        load_generator_pickle(save(tmp_path / 'net.pkl', changed))


@needs_upstream
def test_endless_arguments_are_refused(generator, tmp_path):
    changed = copy.deepcopy(generator)
    changed._init_kwargs['mapping_kwargs']['activation'] = changed._init_kwargs
    with pytest.raises(UserError, match='no plain data'):
        load_generator_pickle(save(tmp_path / 'net.pkl', changed))


@needs_upstream
def test_other_networks(generator, tmp_path):
    discriminator = make_snapshot(generator)['D']
    with pytest.raises(UserError, match='class Discriminator, not Generator'):
        load_generator_pickle(save(tmp_path / 'd.pkl', {'G_ema': discriminator}))
    with pytest.raises(UserError, match='holds no generator'):
        load_generator_pickle(save(tmp_path / 'none.pkl', {'D': discriminator}))


class Persistent:
    """Is pickled as an object of one of upstream's classes, with a state of choice."""

    def __init__(self, class_name, **modules):
        self.meta = {
            'type': 'class',
            'version': 6,
            'module_src': '',
            'class_name': class_name,
            'state': {'_init_args': (), '_init_kwargs': {}, '_modules': modules},
        }

    def __reduce__(self):
        return import_upstream('torch_utils.persistence')._reconstruct_persistent_obj, (self.meta,)


@needs_upstream
def test_a_network_of_stylegan3_needs_its_checkout(tmp_path):
    network = Persistent('Generator', synthesis=Persistent('SynthesisNetwork', input=Persistent('SynthesisInput')))
    with pytest.raises(UserError, match=r'net.pkl is a StyleGAN3 network: clone https:\S+stylegan3 .*--upstream=DIR'):
        load_generator_pickle(save(tmp_path / 'net.pkl', {'G_ema': network}))
    changed = Persistent('Generator', synthesis=Persistent('SynthesisNetwork', input=3))
    with pytest.raises(UserError, match='does not take the file'):
        load_generator_pickle(save(tmp_path / 'net.pkl', {'G_ema': changed}))


@needs_upstream
def test_source_in_the_file_is_run_only_on_demand(generator, tmp_path, monkeypatch):
    marker = tmp_path / 'ran'
    snapshot = make_snapshot(generator)
    monkeypatch.setattr(
        type(generator),
        '_orig_module_src',
        type(generator)._orig_module_src + f'\nopen({str(marker)!r}, "w").close()\n',
    )
    path = save(tmp_path / 'net.pkl', snapshot)

    assert torch.equal(render(load_generator_pickle(path)), render(generator))
    assert not marker.exists()

    with pytest.warns(UserWarning, match='--allow-pickle-code: running whatever code .*net.pkl carries'):
        loaded = load_generator_pickle(path, allow_pickle_code=True)
    assert marker.exists()
    assert torch.equal(render(loaded), render(generator))


@needs_upstream
def test_code_that_fails_is_an_error_of_the_file(generator, tmp_path):
    path = save(tmp_path / 'net.pkl', {'G': generator})
    with pytest.warns(UserWarning), pytest.raises(UserError, match='net.pkl cannot be loaded by legacy.py'):
        load_generator_pickle(path, allow_pickle_code=True)


@needs_upstream
@pytest.mark.parametrize('part', [0.01, 0.2, 0.5, 0.9, 0.99999])
def test_truncated(part, generator, tmp_path):
    whole = pickle.dumps(make_snapshot(generator))
    path = tmp_path / 'cut.pkl'
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(UserError, match='cut.pkl is damaged, cut short or no network pickle'):
        load_generator_pickle(path)


# ---- pickles written opcode by opcode


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
        a_call('numpy.core.multiarray', 'scalar', a_call('numpy', 'dtype', a_value('f8')), a_value('12345678')),
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
        ((2,), 'f4', '12345678', False),
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
    loaded = load_snapshot(save(tmp_path / 'scalar.pkl', {'x': value}, protocol))['x']
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
        (b'PK\x03\x04' + bytes(60), 'is a zip archive'),
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


# ---- finding upstream


def make_checkout(folder):
    (folder / 'training').mkdir(parents=True)
    (folder / 'training' / '__init__.py').touch()
    (folder / 'training' / 'networks.py').touch()
    return folder


@pytest.fixture
def nothing_imported(monkeypatch):
    """As in a fresh process: upstream is neither imported nor on the path; all is put back afterwards."""
    for name in ('dnnlib', 'needy', 'torch_utils', 'training', 'training.networks'):
        monkeypatch.setitem(sys.modules, name, None)  # what monkeypatch puts back is what was there, or nothing
        del sys.modules[name]
    monkeypatch.setattr(sys, 'path', list(sys.path))


def test_find_upstream(tmp_path, monkeypatch):
    monkeypatch.setattr(upstream, '__file__', str(tmp_path / 'site' / 'datasetgan_ext' / 'generator' / 'upstream.py'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DATASETGAN_UPSTREAM', raising=False)
    assert find_upstream() is None
    with pytest.raises(UserError, match='git submodule update --init'):
        import_upstream('training.networks')
    here = make_checkout(tmp_path / 'stylegan2_ada_pytorch')
    assert find_upstream() == here
    beside = make_checkout(tmp_path / 'site' / 'stylegan2_ada_pytorch')
    assert find_upstream() == beside
    chosen = make_checkout(tmp_path / 'chosen')
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(chosen))
    assert find_upstream() == chosen
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))
    with pytest.raises(UserError, match='DATASETGAN_UPSTREAM=.* holds no training/networks.py'):
        find_upstream()


def test_a_checkout_of_stylegan3(tmp_path, monkeypatch):
    (tmp_path / 'training').mkdir()
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path))
    with pytest.raises(UserError, match='--upstream=.* holds no .*networks_stylegan3.py: give the folder'):
        use_upstream(tmp_path)
    (tmp_path / 'training' / 'networks_stylegan3.py').touch()
    monkeypatch.setenv('DATASETGAN_UPSTREAM', 'somewhere else')
    use_upstream(tmp_path)
    assert find_upstream() == tmp_path


def test_pkg_resources_is_there_for_upstreams_imports_alone(tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (checkout / 'needy.py').write_text(
        'from pkg_resources import parse_version\nnewer = parse_version("2.10.0+cu130") >= parse_version("2.9.1a")\n'
    )
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(checkout))
    monkeypatch.delitem(sys.modules, 'pkg_resources', raising=False)
    monkeypatch.setattr(upstream.importlib.util, 'find_spec', lambda name: None)
    assert import_upstream('needy').newer
    assert 'pkg_resources' not in sys.modules


def test_upstream_behind_a_link(tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (tmp_path / 'link').symlink_to(checkout)
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(tmp_path / 'link'))
    assert import_upstream('training.networks').__file__ == str(checkout / 'training' / 'networks.py')
    assert import_upstream('training.networks') is sys.modules['training.networks']


@pytest.mark.parametrize('name', ['training', 'torch_utils', 'dnnlib'])
def test_a_namesake_is_named(name, tmp_path, monkeypatch, nothing_imported):
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(make_checkout(tmp_path / 'checkout')))
    namesake = types.ModuleType(name)
    namesake.__file__ = str(tmp_path / 'elsewhere' / name / '__init__.py')
    monkeypatch.setitem(sys.modules, name, namesake)
    with pytest.raises(UserError, match=f'{name}.* is imported already, from .*elsewhere'):
        import_upstream('training.networks')


def test_missing_requirement_is_named(tmp_path, monkeypatch, nothing_imported):
    checkout = make_checkout(tmp_path / 'checkout')
    (checkout / 'needy.py').write_text('import distutils_of_old\n')
    monkeypatch.setenv('DATASETGAN_UPSTREAM', str(checkout))
    with pytest.raises(UserError, match='pip install distutils_of_old'):
        import_upstream('needy')

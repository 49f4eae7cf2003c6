"""What each patch cures, tried at toy size on the CPU in a patched clone of the submodule."""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import re
import subprocess
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from click.testing import CliRunner

from datasetgan_ext.cli import main as cli
from datasetgan_ext.generator import patching
from datasetgan_ext.generator.upstream import find_upstream

UPSTREAM = (
    'calc_metrics',
    'dataset_tool',
    'dnnlib',
    'generate',
    'legacy',
    'metrics',
    'projector',
    'style_mixing',
    'torch_utils',
    'train',
    'training',
)
TRAIN_TINY = Path(__file__).parents[1] / 'helpers' / 'train_tiny.py'
PATCHES = sorted(patching.PATCHES.glob('*.ed'))
pytestmark = pytest.mark.upstream
needs_no_gpu_or_two = pytest.mark.skipif(torch.cuda.device_count() == 1, reason='two processes take two GPUs, or none')


@pytest.fixture
def upstream(patched_upstream, monkeypatch):
    """Imports modules of the patched clone; those of the submodule are back afterwards."""

    def take_away():
        return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition('.')[0] in UPSTREAM}

    monkeypatch.syspath_prepend(str(patched_upstream))
    others = take_away()
    yield importlib.import_module
    take_away()
    sys.modules.update(others)


def write_images(folder, count=8, mode='RGB', size=(32, 32)) -> Path:
    """PNGs of noise with a bright half."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        pixels = rng.integers(0, 128, (size[1], size[0], len(mode)), dtype=np.uint8)
        pixels[:, : size[0] // 2] += 100
        PIL.Image.fromarray(pixels.squeeze()).save(folder / f'{index}.png')
    return folder


def make_network(upstream, name='Generator', **kwargs):
    torch.manual_seed(0)
    tiny = {'channel_base': 256, 'channel_max': 16, 'num_fp16_res': 2, 'conv_clamp': 256}
    tiny = {'synthesis_kwargs': tiny, 'z_dim': 16, 'w_dim': 16} if name == 'Generator' else tiny
    kwargs = {'c_dim': 0, 'img_resolution': 16, 'img_channels': 3} | kwargs
    return getattr(upstream('training.networks'), name)(**tiny, **kwargs).eval().requires_grad_(False)


def write_snapshot(path, upstream, training_set=None, **kwargs):
    network = make_network(upstream, **kwargs)
    networks = {'G': network, 'D': make_network(upstream, 'Discriminator', **kwargs), 'G_ema': network}
    path.write_bytes(pickle.dumps({**networks, 'training_set_kwargs': training_set, 'augment_pipe': None}))
    return network


def invoke(command, *arguments) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def run(*command, **environment) -> str:
    """Runs a Python script, from a folder that is not upstream's."""
    done = subprocess.run(
        [sys.executable, *(str(part) for part in command)], env=os.environ | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def as_jit(module) -> io.BytesIO:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # TorchScript is deprecated, and upstream's detectors are TorchScript
        torch.jit.save(torch.jit.script(module), stream)
    stream.seek(0)
    return stream


class Detector(torch.nn.Module):
    """In place of Inception and VGG16: four numbers an image."""

    def forward(
        self,
        images: torch.Tensor,
        resize_images: bool = True,
        return_lpips: bool = False,
        return_features: bool = False,
        no_output_bias: bool = False,
    ) -> torch.Tensor:
        assert images.shape[1] == 3
        features = torch.nn.functional.adaptive_avg_pool2d(images.to(torch.float32), 2).mean(dim=1).flatten(1) / 255
        return features.softmax(dim=1) if no_output_bias else features


@pytest.fixture
def detectors(upstream, monkeypatch):
    """Inception and VGG16 without the internet."""
    util = upstream('dnnlib').util
    opener = util.open_url
    monkeypatch.setattr(
        util, 'open_url', lambda url, **options: as_jit(Detector()) if url.endswith('.pt') else opener(url, **options)
    )


# the patches themselves


def test_patches_repeat_no_line_of_upstream():
    root = find_upstream()
    if root is None:
        pytest.skip('the stylegan2_ada_pytorch submodule is not checked out')
    theirs = {line.strip() for path in root.rglob('*.py') for line in path.read_text(encoding='utf-8-sig').splitlines()}
    ours = {(path.name, line) for path in PATCHES for line in path.read_text().splitlines() if len(line.strip()) > 20}
    assert sorted((name, line) for name, line in ours if line.strip() in theirs) == []
    assert [line for _, line in ours if len(line) > 120] == []


def test_the_table_has_all_patches():
    table = (patching.PATCHES / 'README.md').read_text()
    assert re.findall(r'^\| `([^`]+\.ed)`', table, flags=re.MULTILINE) == [path.name for path in PATCHES]


def test_patched_files_are_python(patched_upstream):
    for name in patching.read_patches(patching.PATCHES):
        compile((patched_upstream / name).read_bytes(), name, 'exec')


# training


def snapshots_of(folder) -> list[Path]:
    return sorted(folder.glob('*/network-snapshot-*.pkl'))


@pytest.mark.slow
@pytest.mark.parametrize('augmentation', ['ada', 'noaug'])
def test_train_then_label(augmentation, patched_upstream, tmp_path):
    """A kimg of upstream's training, then a dataset from its snapshot, which the unpatched submodule serves."""
    images = write_images(tmp_path / 'images')
    log = run(
        '-W',
        'always',
        TRAIN_TINY,
        f'--outdir={tmp_path}/runs',
        f'--data={images}',
        '--kimg=1',
        '--batch=64',
        '--snap=1',
        '--metrics=none',
        f'--aug={augmentation}',
        '--workers=1',
        DATASETGAN_UPSTREAM=str(patched_upstream),
    )
    assert 'gradfix' not in log and 'pin_memory' not in log.split('Launching')[1]
    snapshot = snapshots_of(tmp_path / 'runs')[-1]
    assert snapshot.name == 'network-snapshot-000001.pkl'
    # without a GPU the grid of samples is the small one
    size = (1024, 1024) if torch.cuda.is_available() else (7 * 32, 4 * 32)
    assert PIL.Image.open(snapshot.parent / 'reals.png').size == size
    stats = [json.loads(line) for line in (snapshot.parent / 'stats.jsonl').read_text().splitlines()]
    assert all(np.isfinite(stats[-1][name]['mean']) for name in ('Loss/G/loss', 'Loss/D/loss', 'Loss/r1_penalty'))
    assert (stats[-1]['Progress/augment']['mean'] > 0) == (augmentation == 'ada')

    network = f'--network={snapshot}'
    invoke(cli, 'samples', network, f'--outdir={tmp_path}/samples', '--seeds=0-2', '--trunc=0.7')
    (tmp_path / 'labels').mkdir()
    for path in (tmp_path / 'samples' / 'images').iterdir():
        gray = np.asarray(PIL.Image.open(path)).mean(axis=2)
        PIL.Image.fromarray((gray > np.median(gray)).astype(np.uint8)).save(tmp_path / 'labels' / path.name)
    (tmp_path / 'classes.txt').write_text('dark\nbright\n')
    invoke(
        cli,
        'train',
        network,
        f'--samples={tmp_path}/samples',
        f'--labels={tmp_path}/labels',
        '--models=2',
        f'--classes={tmp_path}/classes.txt',
        f'--out={tmp_path}/i.safetensors',
        '--pixels-per-image=256',
    )
    invoke(
        cli,
        'generate',
        network,
        f'--interpreter={tmp_path}/i.safetensors',
        f'--outdir={tmp_path}/dataset',
        '--seeds=0-3',
    )
    assert len((tmp_path / 'dataset' / 'manifest.jsonl').read_text().splitlines()) == 4
    masks = [np.asarray(PIL.Image.open(path)) for path in (tmp_path / 'dataset' / 'masks').iterdir()]
    assert len(masks) == 4 and set(np.unique(masks)) == {0, 1}


@pytest.mark.slow
def test_default_networks_start(patched_upstream, tmp_path):
    """train.py as it is, stopped after its first snapshot: its networks are too large for more on a CPU."""
    images = write_images(tmp_path / 'images', size=(8, 8))
    command = [
        sys.executable,
        patched_upstream / 'train.py',
        f'--outdir={tmp_path}/runs',
        f'--data={images}',
        '--kimg=1',
        '--batch=4',
        '--snap=1',
        '--metrics=none',
        '--workers=1',
    ]
    with (tmp_path / 'log').open('wb') as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None and not any(map(os.path.getsize, tmp_path.glob('runs/*/stats.jsonl'))):
                time.sleep(0.5)
        finally:
            process.terminate()
            process.wait()
    assert snapshots_of(tmp_path / 'runs'), (tmp_path / 'log').read_text()[-2000:]


def tiny_training(tmp_path, **kwargs):
    networks = {'channel_base': 64, 'channel_max': 4}
    adam = {'class_name': 'torch.optim.Adam', 'lr': 0.001, 'betas': [0.0, 0.99], 'eps': 1e-8}
    return {
        'run_dir': str(tmp_path),
        'total_kimg': 0.004,
        'batch_size': 4,
        'batch_gpu': 4,
        'image_snapshot_ticks': None,
        'network_snapshot_ticks': 1,
        'G_opt_kwargs': adam,
        'D_opt_kwargs': adam,
        'training_set_kwargs': {
            'class_name': 'training.dataset.ImageFolderDataset',
            'use_labels': True,
            'path': str(tmp_path / 'images'),
        },
        'G_kwargs': {'class_name': 'training.networks.Generator', 'z_dim': 4, 'w_dim': 4, 'synthesis_kwargs': networks},
        'D_kwargs': {'class_name': 'training.networks.Discriminator', **networks},
        'loss_kwargs': {'class_name': 'training.loss.StyleGAN2Loss'},
    } | kwargs


SPAWN = """
import json, sys
sys.path[0] = sys.argv[1]
import dnnlib, torch, train
torch.multiprocessing.spawn(train.subprocess_fn, (dnnlib.EasyDict(json.loads(sys.argv[2])), sys.argv[3]), nprocs=2)
"""


@pytest.mark.slow
@needs_no_gpu_or_two
def test_processes_start_with_the_same_buffers(patched_upstream, tmp_path):
    """Upstream itself compares the processes' buffers before it writes a snapshot."""
    write_images(tmp_path / 'images', size=(8, 8))
    options = json.dumps(tiny_training(tmp_path, num_gpus=2, batch_gpu=2))
    assert 'Distributing across 2 GPUs' in run('-c', SPAWN, patched_upstream, options, tmp_path)
    assert (tmp_path / 'network-snapshot-000000.pkl').stat().st_size


def test_the_summary_leaves_no_nan_in_w_avg(upstream, tmp_path):
    images = write_images(tmp_path / 'images', size=(8, 8))
    labels = [[f'{index}.png', index % 3] for index in range(8)]
    (images / 'dataset.json').write_text(json.dumps({'labels': labels}))
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        if not torch.empty(4).isnan().all():
            pytest.skip('uninitialised memory is not filled with NaN before PyTorch 2.2')
        upstream('training.training_loop').training_loop(**tiny_training(tmp_path))
    finally:
        torch.use_deterministic_algorithms(False)
    with (tmp_path / 'network-snapshot-000000.pkl').open('rb') as file:
        snapshot = pickle.load(file)
    assert snapshot['G_ema'].c_dim == 3
    assert snapshot['G'].mapping.w_avg.isfinite().all() and snapshot['G_ema'].mapping.w_avg.isfinite().all()


def test_resume_and_no_lazy_regularisation(upstream, tmp_path):
    write_images(tmp_path / 'images', size=(8, 8))
    train = upstream('training.training_loop').training_loop
    train(**tiny_training(tmp_path))
    betas = upstream('train').setup_training_loop_kwargs(data=str(tmp_path / 'images'))[1].G_opt_kwargs.betas
    assert [type(beta) for beta in betas] == [float, float]
    adam = {'class_name': 'torch.optim.Adam', 'lr': 0.001, 'betas': betas}
    train(
        **tiny_training(
            tmp_path,
            resume_pkl=str(tmp_path / 'network-snapshot-000000.pkl'),
            G_reg_interval=None,
            D_reg_interval=None,
            G_opt_kwargs=adam,
            D_opt_kwargs=adam,
        )
    )


def test_sampler(upstream):
    sampler = iter(upstream('torch_utils.misc').InfiniteSampler(range(5), shuffle=False))
    assert [next(sampler) for _ in range(7)] == [0, 1, 2, 3, 4, 0, 1]


def test_options_of_training_on_the_cpu(upstream, monkeypatch, tmp_path):
    images = write_images(tmp_path / 'images')
    setup = upstream('train').setup_training_loop_kwargs
    for cuda in (False, True):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda cuda=cuda: cuda)
        args = setup(data=str(images))[1]
        assert args.data_loader_kwargs.pin_memory == cuda
        assert args.G_kwargs.synthesis_kwargs.num_fp16_res == args.D_kwargs.num_fp16_res == (4 if cuda else 0)
    assert setup(data=str(images), fp32=True)[1].D_kwargs.num_fp16_res == 0


# custom ops


@pytest.mark.parametrize('cached', [False, True])
def test_a_plugin_need_not_be_importable(cached, upstream, monkeypatch, tmp_path):
    (tmp_path / 'op.cpp').write_text('int main;')
    calls, plugin = [], types.ModuleType('loaded')
    extension = importlib.import_module('torch.utils.cpp_extension')
    monkeypatch.setattr(
        extension,
        'load',
        lambda name, sources, **options: calls.append(options | {'name': name, 'sources': sources}) or plugin,
    )
    if cached:
        monkeypatch.setenv('TORCH_EXTENSIONS_DIR', str(tmp_path / 'built'))
    else:
        monkeypatch.delenv('TORCH_EXTENSIONS_DIR', raising=False)
    ops = upstream('torch_utils.custom_ops')
    for _ in range(2):
        assert ops.get_plugin('op_plugin', [str(tmp_path / 'op.cpp')], extra_cuda_cflags=['-x']) is plugin
    assert len(calls) == 1 and calls[0]['name'] == 'op_plugin' and calls[0]['extra_cuda_cflags'] == ['-x']
    source = Path(calls[0]['sources'][0])
    assert source.read_text() == 'int main;'
    assert (Path(calls[0].get('build_directory', '/none')) in source.parents) == cached


@pytest.mark.parametrize('name', ['bias_act', 'upfirdn2d'])
def test_a_failed_plugin_warns_once(name, upstream, monkeypatch):
    calls = []

    def fail(*_, **__):
        calls.append(1)
        raise RuntimeError('no compiler')

    monkeypatch.setattr(upstream('torch_utils.custom_ops'), 'get_plugin', fail)
    op = upstream(f'torch_utils.ops.{name}')
    with pytest.warns(UserWarning) as caught:
        assert [op._init(), op._init()] == [False, False]
    assert len(calls) == len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith(name) and 'nvcc' in message and 'ninja' in message and 'no compiler' in message
    assert 'Traceback' not in message


def test_grid_sample_has_second_derivatives(upstream):
    gradfix = upstream('torch_utils.ops.grid_sample_gradfix')
    gradfix.enabled = True
    torch.manual_seed(0)
    images = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    grid = torch.rand(2, 3, 3, 2, dtype=torch.float64) * 1.8 - 0.9
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        output = gradfix.grid_sample(images, grid)
    assert torch.autograd.gradcheck(gradfix.grid_sample, (images, grid))
    assert torch.autograd.gradgradcheck(gradfix.grid_sample, (images, grid))
    native = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    assert torch.equal(output, native)
    # upstream's own derivative, not that of PyTorch, which has none before 2.12
    (gradient,) = torch.autograd.grad(output.sum(), images, create_graph=True)
    assert gradient.grad_fn.name().startswith('_GridSample2dBackward')
    grid.requires_grad_(True)
    assert torch.autograd.gradcheck(gradfix.grid_sample, (images.detach(), grid))


def test_conv2d_falls_back_silently(upstream):
    class OnCuda(torch.Tensor):
        device = torch.device('cuda')

    gradfix = upstream('torch_utils.ops.conv2d_gradfix')
    gradfix.enabled = True
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert gradfix._should_use_custom_op(torch.zeros(1).as_subclass(OnCuda)) is False


# tools


@pytest.mark.parametrize('mode', ['L', 'RGB'])
@pytest.mark.parametrize(
    'options',
    [
        [],
        ['--transform=center-crop', '--width=16', '--height=16'],
        ['--transform=center-crop-wide', '--width=16', '--height=8'],
    ],
)
def test_dataset_tool(mode, options, upstream, tmp_path):
    images = write_images(tmp_path / 'images', 2, mode, (32, 24) if options else (16, 16))
    invoke(upstream('dataset_tool').convert_dataset, f'--source={images}', f'--dest={tmp_path}/out', *options)
    written = [PIL.Image.open(path) for path in sorted((tmp_path / 'out').rglob('*.png'))]
    assert [(image.mode, image.size) for image in written] == [(mode, (16, 16))] * 2
    pixels = np.asarray(written[0]).reshape(16, 16, -1).mean(axis=2)
    bars = pixels[:4].max() == pixels[12:].max() == 0
    assert bars == ('--transform=center-crop-wide' in options)
    assert pixels[4:12, :7].mean() > pixels[4:12, 9:].mean() + 50


def render(network, seed, **options) -> np.ndarray:
    """As the README of upstream shows it, in 32 bits."""
    z = torch.from_numpy(np.random.RandomState(seed).randn(1, network.z_dim))
    image = network(z, None, force_fp32=True, **options)
    return (image.permute(0, 2, 3, 1) * 127.5 + 128).clamp(0, 255).to(torch.uint8)[0].squeeze(2).numpy()


def assert_same_picture(one: np.ndarray, other: np.ndarray) -> None:
    """To the last level on a CPU; scripts of upstream compute on a GPU where there is one, which rounds otherwise."""
    np.testing.assert_allclose(one.astype(int), other, atol=int(torch.cuda.is_available()))


@pytest.mark.parametrize('channels', [1, 3])
def test_generate(channels, upstream, tmp_path):
    network = write_snapshot(tmp_path / 'n.pkl', upstream, img_channels=channels)
    invoke(
        upstream('generate').generate_images,
        f'--network={tmp_path}/n.pkl',
        '--seeds=3-4',
        f'--outdir={tmp_path}',
        '--trunc=0.5',
    )
    image = np.asarray(PIL.Image.open(tmp_path / 'seed0003.png'))
    assert_same_picture(image, render(network, 3, truncation_psi=0.5, noise_mode='const'))


@pytest.mark.parametrize('channels', [1, 3])
def test_style_mixing(channels, upstream, tmp_path):
    network = write_snapshot(tmp_path / 'n.pkl', upstream, img_channels=channels)
    assert network.num_ws == 6  # and the default of --styles is 0-6
    mix = upstream('style_mixing').generate_style_mix
    invoke(mix, f'--network={tmp_path}/n.pkl', '--rows=1', '--cols=2,3', f'--outdir={tmp_path}/out')
    mixed, row, column = (
        np.asarray(PIL.Image.open(tmp_path / 'out' / name)) for name in ('1-2.png', '1-1.png', '2-2.png')
    )
    assert_same_picture(column, render(network, 2, noise_mode='const'))
    assert_same_picture(mixed, column)
    assert np.abs(mixed.astype(int) - row).max() > 1
    assert PIL.Image.open(tmp_path / 'out' / 'grid.png').size == (48, 32)


def test_style_mixing_of_a_conditional_network(upstream, tmp_path):
    write_snapshot(tmp_path / 'n.pkl', upstream, c_dim=3)
    mix = upstream('style_mixing').generate_style_mix
    arguments = [f'--network={tmp_path}/n.pkl', '--rows=1', '--cols=2', '--styles=0-1']
    for index in (0, 2):
        invoke(mix, *arguments, f'--outdir={tmp_path}/{index}', f'--class={index}')
    assert (tmp_path / '0' / '1-2.png').read_bytes() != (tmp_path / '2' / '1-2.png').read_bytes()
    result = CliRunner().invoke(mix, [*arguments, f'--outdir={tmp_path}/none'])
    assert result.exit_code == 2 and '--class, 0 to 2' in result.output


@pytest.mark.slow
@pytest.mark.parametrize('channels, classes', [(1, 0), (3, 0), (3, 3)])
def test_projector(channels, classes, upstream, detectors, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'imageio', types.ModuleType('imageio'))  # it only writes the video
    write_snapshot(tmp_path / 'n.pkl', upstream, img_channels=channels, c_dim=classes)
    images = write_images(tmp_path / 'images', 1, size=(20, 16))
    options = ['--class=1'] if classes else []
    invoke(
        upstream('projector').run_projection,
        f'--network={tmp_path}/n.pkl',
        f'--target={images}/0.png',
        '--num-steps=3',
        '--save-video=0',
        f'--outdir={tmp_path}/out',
        *options,
    )
    mode = 'L' if channels == 1 else 'RGB'
    projected = PIL.Image.open(tmp_path / 'out' / 'proj.png')
    assert (projected.mode, projected.size) == (PIL.Image.open(tmp_path / 'out' / 'target.png').mode, (16, 16))
    assert projected.mode == mode
    invoke(
        upstream('generate').generate_images,
        f'--network={tmp_path}/n.pkl',
        f'--outdir={tmp_path}/again',
        f'--projected-w={tmp_path}/out/projected_w.npz',
    )
    assert PIL.Image.open(tmp_path / 'again' / 'proj00.png').mode == mode


@pytest.mark.slow
def test_metrics(upstream, detectors, monkeypatch, tmp_path):
    """All metrics through calc_metrics.py, for a 16-bit network and a handful of images."""
    images = write_images(tmp_path / 'images', 12, size=(16, 16))
    dataset = {'class_name': 'training.dataset.ImageFolderDataset', 'path': str(images)}
    write_snapshot(tmp_path / 'n.pkl', upstream, training_set=dataset)
    main = upstream('metrics.metric_main')
    monkeypatch.setitem(
        main._metric_dict,
        'fid50k_full',
        lambda options: {'fid': main.frechet_inception_distance.compute_fid(options, 12, 8)},
    )
    monkeypatch.setitem(
        main._metric_dict,
        'kid50k_full',
        lambda options: {'kid': main.kernel_inception_distance.compute_kid(options, 12, 8, 2, 4)},
    )
    monkeypatch.setitem(
        main._metric_dict,
        'pr50k3_full',
        lambda options: dict(zip(('precision', 'recall'), main.precision_recall.compute_pr(options, 12, 8, 3, 4, 4))),
    )
    monkeypatch.setitem(
        main._metric_dict, 'is50k', lambda options: {'is': main.inception_score.compute_is(options, 8, 2)[0]}
    )
    monkeypatch.setitem(
        main._metric_dict,
        'ppl2_wend',
        lambda options: {'ppl': main.perceptual_path_length.compute_ppl(options, 6, 1e-2, 'w', 'end', False, 2)},
    )
    monkeypatch.setattr(torch.multiprocessing, 'set_start_method', lambda _: None)
    monkeypatch.setenv('DNNLIB_CACHE_DIR', str(tmp_path / 'cache'))
    with warnings.catch_warnings():
        warnings.simplefilter('error', DeprecationWarning)  # SciPy's, of the `disp` that is gone in 1.18
        warnings.filterwarnings('ignore', message='.*(torch.jit|fork).*', category=DeprecationWarning)
        output = invoke(
            upstream('calc_metrics').calc_metrics,
            f'--network={tmp_path}/n.pkl',
            '--metrics=fid50k_full,kid50k_full,pr50k3_full,is50k,ppl2_wend',
        )
    results = {}
    for line in output.splitlines():
        if line.startswith('{"results"'):
            results |= json.loads(line)['results']
    assert results.keys() == {'fid', 'kid', 'precision', 'recall', 'is', 'ppl'}
    assert all(np.isfinite(value) for value in results.values())
    assert results['ppl'] > 0 and results['is'] >= 1


def test_fid_of_known_statistics(upstream, monkeypatch):
    fid = upstream('metrics.frechet_inception_distance')
    real, generated = (np.zeros(2), np.diag([1.0, 4.0])), (np.array([3.0, 0.0]), np.diag([9.0, 4.0]))
    for name, statistics in (('dataset', real), ('generator', generated)):
        monkeypatch.setattr(
            fid.metric_utils,
            f'compute_feature_stats_for_{name}',
            lambda statistics=statistics, **_: types.SimpleNamespace(get_mean_cov=lambda: statistics),
        )
    # |mean|² + trace(1 + 9 - 2·3, 4 + 4 - 2·4)
    assert fid.compute_fid(types.SimpleNamespace(rank=0), None, None) == pytest.approx(9 + 4)


def test_distances_in_half_precision(upstream):
    features = torch.randn(7, 5).half()
    distances = upstream('metrics.precision_recall').compute_distances(features, features, 1, 0, 3)
    assert distances.dtype == torch.float16 and distances.shape == (7, 7)
    assert torch.allclose(distances.float(), torch.cdist(features.float(), features.float()), atol=1e-2)


@pytest.mark.slow
@needs_no_gpu_or_two
def test_metrics_of_two_processes(upstream, patched_upstream, tmp_path):
    images = write_images(tmp_path / 'images')
    write_snapshot(tmp_path / 'n.pkl', upstream)
    log = run(
        patched_upstream / 'calc_metrics.py',
        f'--network={tmp_path}/n.pkl',
        f'--data={images}',
        '--metrics=none',
        '--gpus=2',
    )
    assert 'Total' in log and 'Exiting' in log


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_metrics_without_a_device(upstream):
    assert upstream('metrics.metric_utils').MetricOptions().device == torch.device('cpu')


def test_no_distutils(upstream, monkeypatch):
    for name in ('distutils', 'distutils.util'):
        monkeypatch.setitem(sys.modules, name, None)
    util = upstream('dnnlib').util
    answers = iter(['', 'perhaps', 'Yes', 'off'])
    monkeypatch.setattr('builtins.input', lambda: next(answers))
    assert util.ask_yes_no('?') is True
    assert util.ask_yes_no('?') is False


def test_tensorflow_generator_without_skips(upstream):
    network = make_network(upstream, img_resolution=4)
    names = {
        r'mapping.fc(\d).weight': r'mapping/Dense\1/weight',
        r'mapping.fc(\d).bias': r'mapping/Dense\1/bias',
        'synthesis.b4.conv1.noise_const': 'synthesis/noise0',
        'mapping.w_avg': 'dlatent_avg',
        'synthesis.b4.const': 'synthesis/4x4/Const/const',
        r'synthesis.b4.conv1.affine.(\w+)': r'synthesis/4x4/Conv/mod_\1',
        r'synthesis.b4.conv1.(weight|bias|noise_strength)': r'synthesis/4x4/Conv/\1',
        r'synthesis.b4.torgb.affine.(\w+)': r'synthesis/ToRGB_lod0/mod_\1',
        r'synthesis.b4.torgb.(weight|bias)': r'synthesis/ToRGB_lod0/\1',
    }
    variables = {}
    for key, tensor in network.state_dict().items():
        for pattern, name in names.items():
            if re.fullmatch(pattern, key):
                array = tensor.numpy()
                array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T if array.ndim == 2 else array
                array = array[None] if key.endswith('.const') else array
                array = tensor.numpy()[None, None] if key.endswith('noise_const') else array
                array = array - 1 if key.endswith('affine.bias') else array
                variables[re.sub(pattern, name, key)] = array
    stub = upstream('legacy')._TFNetworkStub(
        version=4,
        components={},
        variables=list(variables.items()),
        static_kwargs={
            'latent_size': 16,
            'dlatent_size': 16,
            'resolution': 4,
            'fmap_base': 128,
            'fmap_max': 16,
            'num_fp16_res': 2,
            'conv_clamp': 256,
        },
    )
    converted = upstream('legacy').convert_tf_generator(stub)
    assert converted.init_kwargs.synthesis_kwargs.architecture == 'orig'
    assert np.array_equal(render(converted, 0, noise_mode='const'), render(network, 0, noise_mode='const'))

"""Trains the demo's generator on drawings with upstream's own training loop, from small images to larger ones."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import scipy.linalg
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import import_upstream

WORKERS = 1
COLORS = 4096
# drawings are free of noise, and layers that have it learn to strew dots around edges
GENERATOR = {
    'class_name': f'{__name__}.generator_for_cpu',
    'z_dim': 128,
    'w_dim': 128,
    'mapping_kwargs': {'num_layers': 4},
    'synthesis_kwargs': {'channel_base': 2048, 'channel_max': 96, 'use_noise': False},
}
DISCRIMINATOR = {
    'class_name': f'{__name__}.discriminator_for_cpu',
    'channel_base': 2048,
    'channel_max': 96,
    'epilogue_kwargs': {'mbstd_group_size': 4},
}


@dataclass(frozen=True)
class Stage:
    """One step of the growing: `kimg` thousands of drawings of `resolution`² pixels are shown."""

    resolution: int
    kimg: int
    learning_rate: float
    r1_gamma: float
    batch: int = 16


STAGES = (
    Stage(16, 70, 0.003, 0.01, batch=32),
    Stage(32, 70, 0.003, 0.03),
    Stage(64, 50, 0.003, 0.2),
    Stage(128, 45, 0.002, 0.5),
    Stage(128, 15, 0.0007, 0.5),
)


def train_generator(drawings: Path, outdir: Path, stages: tuple[Stage, ...] = STAGES) -> Path:
    """Train through all stages, from the one after the last whose weights are in `outdir`.

    Args:
        drawings: folder with a zip for each stage's resolution, named by `drawings_path`.
        outdir: gets `stage0.safetensors`, `stage1.safetensors`, ... with the weights of G, D and G_ema, and a folder
            for each stage with upstream's logs and snapshots.

    Returns:
        The weights of the last stage.

    Raises:
        UserError: a zip is missing, or upstream is.
    """
    missing = [path for stage in stages if not (path := drawings_path(drawings, stage.resolution)).exists()]
    if missing:
        raise UserError(f'{missing[0]} is missing: draw it first')
    training_loop = import_upstream('training.training_loop').training_loop
    weights = [outdir / f'stage{index}.safetensors' for index in range(len(stages))]
    done = max((index + 1 for index, path in enumerate(weights) if path.exists()), default=0)
    for index in range(done, len(stages)):
        stage, folder = stages[index], outdir / f'stage{index}'
        folder.mkdir(parents=True, exist_ok=True)
        start = str(_start_from(weights[index - 1], folder / 'start.pkl', stage.resolution)) if index else None
        training_loop(
            run_dir=str(folder),
            random_seed=index,
            resume_pkl=start,
            total_kimg=stage.kimg,
            ema_kimg=4,
            training_set_kwargs={
                'class_name': 'training.dataset.ImageFolderDataset',
                'use_labels': False,
                'path': str(drawings_path(drawings, stage.resolution)),
                'xflip': False,
            },
            data_loader_kwargs={'num_workers': WORKERS, 'prefetch_factor': 2},
            G_kwargs=GENERATOR,
            D_kwargs=DISCRIMINATOR,
            G_opt_kwargs=_adam(stage),
            D_opt_kwargs=_adam(stage),
            G_reg_interval=None,
            D_reg_interval=16,
            loss_kwargs={
                'class_name': 'training.loss.StyleGAN2Loss',
                'r1_gamma': stage.r1_gamma,
                'style_mixing_prob': 0.1,
                'pl_weight': 0,
            },
            batch_size=stage.batch,
            batch_gpu=stage.batch,
            kimg_per_tick=1,
            image_snapshot_ticks=None,
            network_snapshot_ticks=5,
        )
        _keep_weights(folder / f'network-snapshot-{stage.kimg:06d}.pkl', weights[index])
    return weights[-1]


def generator_for_cpu(**kwargs) -> torch.nn.Module:
    """Upstream's generator, its weights laid out so that training at 32² and 64² on a CPU takes a third less time."""
    return import_upstream('training.networks').Generator(**kwargs).to(memory_format=torch.channels_last)


def discriminator_for_cpu(**kwargs) -> torch.nn.Module:
    """The same of upstream's discriminator."""
    return import_upstream('training.networks').Discriminator(**kwargs).to(memory_format=torch.channels_last)


def drawings_path(folder: Path, resolution: int) -> Path:
    """Where the drawings of a resolution are kept."""
    return folder / f'drawings-{resolution:03d}.zip'


def export_generator(weights: Path, resolution: int, path: Path) -> None:
    """Write G_ema of a stage as safetensors of 16-bit floats, its constructor's arguments in the metadata.

    The noise that it was trained without is written with a strength of 0.
    """
    init_kwargs = {name: value for name, value in GENERATOR.items() if name != 'class_name'}
    widths = {name: value for name, value in GENERATOR['synthesis_kwargs'].items() if name != 'use_noise'}
    init_kwargs |= {'c_dim': 0, 'img_resolution': resolution, 'img_channels': 3, 'synthesis_kwargs': widths}
    trained = load_file(weights)
    state = {
        name: trained.get(f'G_ema.{name}', torch.zeros_like(tensor)).half()
        for name, tensor in StandInGenerator(**init_kwargs).state_dict().items()
    }
    write_atomically(path, save(state, metadata={'init_kwargs': json.dumps(init_kwargs)}))


def _adam(stage: Stage) -> dict:
    return {'class_name': 'torch.optim.Adam', 'lr': stage.learning_rate, 'betas': [0.0, 0.99], 'eps': 1e-8}


def _keep_weights(snapshot: Path, path: Path) -> None:
    """The tensors of the three networks of upstream's snapshot, without its code."""
    with snapshot.open('rb') as file:
        networks = pickle.load(file)
    write_atomically(
        path,
        save(
            {
                f'{name}.{key}': tensor.contiguous()
                for name in ('G', 'D', 'G_ema')
                for key, tensor in networks[name].state_dict().items()
            }
        ),
    )


def _start_from(weights: Path, path: Path, resolution: int) -> Path:
    """Carry weights over, by name, into a snapshot of networks of this resolution.

    A new block of the generator adds nothing to the image at first, one of the discriminator hands on what the block
    below it had made of the smaller image: both start from what they can do already.
    """
    dnnlib = import_upstream('dnnlib')
    before = {name: tensor.float() for name, tensor in load_file(weights).items()}
    networks = {}
    for name, kwargs in (('G', GENERATOR), ('D', DISCRIMINATOR), ('G_ema', GENERATOR)):
        network = dnnlib.util.construct_class_by_name(**kwargs, c_dim=0, img_resolution=resolution, img_channels=3)
        known = {key: before[f'{name}.{key}'] for key in network.state_dict() if f'{name}.{key}' in before}
        network.load_state_dict(known, strict=False)
        first = 'b{}.fromrgb.weight' if name == 'D' else 'synthesis.b{}.torgb.weight'
        if first.format(resolution) not in known:
            if name == 'D':
                layer = f'D.b{resolution // 2}.fromrgb'
                _hand_on_colors(
                    network.get_submodule(f'b{resolution}'), before[f'{layer}.weight'], before[f'{layer}.bias']
                )
            else:
                torch.nn.init.zeros_(network.get_parameter(first.format(resolution)))
        networks[name] = network.eval().requires_grad_(False)
    with path.open('wb') as file:
        pickle.dump(networks, file)
    return path


def _hand_on_colors(block: torch.nn.Module, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Start a discriminator's new first block as a layer from RGB and a halving of the size.

    The block then gives the next one nearly what that one's own layer from RGB gave it before: the old layer's most
    telling channels, from which the shortcut makes up all others by least squares.

    Args:
        block: upstream's DiscriminatorBlock of the resnet architecture.
        weight: [old channels, 3, 1, 1], of the old layer from RGB.
        bias: [old channels], the same.
    """
    rgb = torch.rand(COLORS, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    old = F.leaky_relu(rgb @ weight[:, :, 0, 0].T / 3**0.5 + bias, 0.2) * 2**0.5
    channels = len(block.fromrgb.bias)
    telling = scipy.linalg.qr(old.numpy(), mode='r', pivoting=True)[1][:channels]
    known = torch.cat([old[:, telling], torch.ones(COLORS, 1)], dim=1)
    mixture = torch.linalg.lstsq(known, old).solution
    block.fromrgb.weight.data, block.fromrgb.bias.data = weight[telling], bias[telling]
    # the shortcut is scaled by channels^-1/2 at run time, both branches by 2^-1/2; the other one adds the constant
    block.skip.weight.data = (mixture[:-1].T * (2 * channels) ** 0.5)[:, :, None, None]
    block.conv1.weight.data.zero_()
    block.conv1.bias.data = torch.where(mixture[-1] > 0, mixture[-1], mixture[-1] / 0.2)

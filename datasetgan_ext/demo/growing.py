"""Trains the demo's generator on drawings with upstream's own training loop, from small images to larger ones."""
from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save

from datasetgan_ext.errors import UserError
from datasetgan_ext.files import write_atomically
from datasetgan_ext.generator.safe_pickle import load_generator_pickle
from datasetgan_ext.generator.upstream import import_upstream

BATCH = 16
WORKERS = 1
GENERATOR = {
    'class_name': 'training.networks.Generator', 'z_dim': 128, 'w_dim': 128, 'mapping_kwargs': {'num_layers': 4},
    'synthesis_kwargs': {'channel_base': 2048, 'channel_max': 96}}
DISCRIMINATOR = {
    'class_name': 'training.networks.Discriminator', 'channel_base': 1024, 'channel_max': 96,
    'epilogue_kwargs': {'mbstd_group_size': 4}}


@dataclass(frozen=True)
class Stage:
    """One size of the growing: `kimg` thousands of drawings of `resolution`² pixels."""
    resolution: int
    kimg: int
    learning_rate: float
    r1_gamma: float


STAGES = (Stage(32, 30, .003, .05), Stage(64, 40, .003, .15), Stage(128, 32, .0025, .4))


def train_generator(drawings: Path, outdir: Path, stages: tuple[Stage, ...] = STAGES) -> Path:
    """Train through all stages; a stage whose last snapshot is in `outdir` is not trained again.

    Args:
        drawings: folder with a zip for each stage's resolution, named by `drawings_path`.
        outdir: gets a folder for each stage, with upstream's logs and snapshots.

    Returns:
        The last snapshot, as upstream's train.py writes them.

    Raises:
        UserError: a zip is missing, or upstream is.
    """
    missing = [path for stage in stages if not (path := drawings_path(drawings, stage.resolution)).exists()]
    if missing:
        raise UserError(f'{missing[0]} is missing: draw it first')
    training_loop = import_upstream('training.training_loop').training_loop
    before = None
    for stage in stages:
        data = drawings_path(drawings, stage.resolution)
        folder = outdir / f'{stage.resolution:03d}'
        snapshot = folder / f'network-snapshot-{stage.kimg:06d}.pkl'
        if not snapshot.exists():
            folder.mkdir(parents=True, exist_ok=True)
            start = None if before is None else str(_grow(before, folder / 'start.pkl', stage.resolution))
            training_loop(
                run_dir=str(folder), random_seed=0, resume_pkl=start, total_kimg=stage.kimg, ema_kimg=4,
                training_set_kwargs={'class_name': 'training.dataset.ImageFolderDataset', 'path': str(data),
                                     'use_labels': False, 'xflip': False},
                data_loader_kwargs={'num_workers': WORKERS, 'prefetch_factor': 2},
                G_kwargs=GENERATOR, D_kwargs=DISCRIMINATOR, G_opt_kwargs=_adam(stage), D_opt_kwargs=_adam(stage),
                G_reg_interval=None, D_reg_interval=16,
                loss_kwargs={'class_name': 'training.loss.StyleGAN2Loss', 'r1_gamma': stage.r1_gamma,
                             'style_mixing_prob': 0.1, 'pl_weight': 0},
                batch_size=BATCH, batch_gpu=BATCH, kimg_per_tick=1, image_snapshot_ticks=None,
                network_snapshot_ticks=5)
        before = snapshot
    return before


def drawings_path(folder: Path, resolution: int) -> Path:
    """Where the drawings of a resolution are kept."""
    return folder / f'drawings-{resolution:03d}.zip'


def export_generator(snapshot: Path, path: Path) -> None:
    """Write G_ema of a snapshot as safetensors of 16-bit floats, its constructor's arguments in the metadata."""
    network = load_generator_pickle(snapshot)
    state = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(path, save(state, metadata={'init_kwargs': json.dumps(network.init_kwargs)}))


def _adam(stage: Stage) -> dict:
    return {'class_name': 'torch.optim.Adam', 'lr': stage.learning_rate, 'betas': [0., 0.99], 'eps': 1e-8}


def _grow(snapshot: Path, path: Path, resolution: int) -> Path:
    """Carry the weights of a snapshot over, by name, into networks of a larger resolution.

    The new block adds nothing to the image at first, so that the generator starts from what it can draw already.
    """
    misc, dnnlib = import_upstream('torch_utils.misc'), import_upstream('dnnlib')
    with snapshot.open('rb') as file:
        before = pickle.load(file)
    grown = {}
    for name, kwargs in (('G', GENERATOR), ('D', DISCRIMINATOR), ('G_ema', GENERATOR)):
        network = dnnlib.util.construct_class_by_name(**kwargs, c_dim=0, img_resolution=resolution, img_channels=3)
        misc.copy_params_and_buffers(before[name], network, require_all=False)
        if name != 'D':
            torch.nn.init.zeros_(getattr(network.synthesis, f'b{resolution}').torgb.weight)
        grown[name] = network.eval().requires_grad_(False)
    with path.open('wb') as file:
        pickle.dump(grown, file)
    return path

"""What `network` names becomes a `Generator`: the embedded demo, a local pickle, or a URL."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.generator.download import local_file, without_secrets
from datasetgan_ext.generator.generator import Generator, default_device
from datasetgan_ext.generator.network_pickle import load_discriminator_pickle, load_generator_pickle
from datasetgan_ext.generator.standin import StandInGenerator
from datasetgan_ext.generator.upstream import find_upstream, has_module, import_upstream, own_submodule

DEMO = 'demo'
DEMO_FOLDER = Path(__file__).resolve().parents[1] / 'demo'


def load_generator(
    network: str,
    device: torch.device | str | None = None,
    allow_pickle_code: bool = False,
    upstream: str | Path | None = None,
) -> Generator:
    """Load a trained generator.

    Args:
        network: 'demo', the path of a `.pkl` that upstream's train.py wrote or NVIDIA published (StyleGAN2, of the
            TensorFlow era too; with a StyleGAN3 checkout, StyleGAN3), a `.pt` of rosinality's stylegan2-pytorch, or
            the http(s) or file URL of one.
        device: where to compute; None = the first CUDA device, or the CPU.
        allow_pickle_code: let upstream's own loader run the code inside the pickle. Only for files that you trust.
        upstream: folder of a checkout of NVIDIA's code (StyleGAN3's for its networks); None = see `find_upstream`.

    Raises:
        UserError: the file is missing, damaged, not a generator, or wants to run code; or `upstream` is no checkout.
    """
    root = find_upstream(upstream)
    device = default_device() if device is None else device
    if network == DEMO:
        return Generator(_demo_network(root), DEMO, device)
    path = local_file(network)
    if not path.exists():
        raise UserError(
            f'`network`={network}: no such file. Give the path or URL of a StyleGAN2 or StyleGAN3 .pkl, or "{DEMO}"'
        )
    return Generator(load_generator_pickle(path, allow_pickle_code, root), without_secrets(network), device)


def load_discriminator(network: str, upstream: str | Path | None = None) -> torch.nn.Module | None:
    """The discriminator of a snapshot of upstream's train.py.

    Args:
        network, upstream: see `load_generator`, which has found the file good.

    Returns:
        Upstream's own class on the CPU, in evaluation mode, without gradients; None where the file holds none.
    """
    if network == DEMO:
        return None
    return load_discriminator_pickle(local_file(network), find_upstream(upstream))


def _demo_network(root: Path | None) -> torch.nn.Module:
    """The embedded weights in the official class if `root` is the package's own submodule, else in the stand-in.

    No other checkout is imported for the demo. The stand-in's images differ from the official class's by the last
    bits of floating-point sums, so the official class stays where it always was.
    """
    with safe_open(DEMO_FOLDER / 'generator.safetensors', 'pt') as file:
        init_kwargs = json.loads(file.metadata()['init_kwargs'])
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    network_class = StandInGenerator
    if root is not None and root == own_submodule() and has_module('training.networks', root):
        network_class = import_upstream('training.networks', root).Generator
    with torch.random.fork_rng(devices=[]):
        network = network_class(**init_kwargs)
    network.load_state_dict(state)
    return network

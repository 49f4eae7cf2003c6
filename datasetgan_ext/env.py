"""What a report of a problem needs: versions, devices, extras, NVIDIA's code."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.version import __version__
from datasetgan_ext.options import Command

PACKAGE = 'datasetgan-ext'
LIBRARIES = ('torch', 'numpy', 'scipy', 'pillow', 'safetensors', 'click')
COMPILERS = ('g++', 'cl', 'nvcc')


@click.command(cls=Command)
def main():
    """Print what a report of a problem needs: versions, devices, extras, and the state of NVIDIA's code.

    Paste it into the report. It holds no names but those of folders.

    Example:

    \b
    datasetgan env
    """
    for part in (versions, extras, devices, upstream):
        try:
            for title, text in part():
                print(f'{title:<16}{text}')
        except (ImportError, OSError) as error:  # a torch that does not start is a problem to report, too
            print(f'{part.__name__:<16}{type(error).__name__}: {error}')


def versions() -> Iterator[tuple[str, str]]:
    """Of this program, Python, the system, and the libraries that results depend on."""
    yield 'datasetgan', f'{__version__} in {Path(__file__).resolve().parent}'
    yield 'Python', f'{platform.python_version()} on {platform.platform()}'
    yield 'libraries', ', '.join(f'{name} {installed(name) or "missing"}' for name in LIBRARIES)


def devices() -> Iterator[tuple[str, str]]:
    """What torch can compute on, and the compilers that upstream's CUDA code needs."""
    import torch

    yield 'CPU', f'{os.cpu_count()} cores, {torch.get_num_threads()} threads, {platform.machine()}'
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        yield (
            f'cuda:{index}',
            f'{about.name}, {about.total_memory / 2**30:.0f} GiB, compute capability {about.major}.{about.minor}, '
            f'CUDA {torch.version.cuda}',
        )
    if not torch.cuda.device_count():
        yield (
            'CUDA',
            f'no device; torch was built {"for CUDA " + torch.version.cuda if torch.version.cuda else "without"}',
        )
    if torch.backends.mps.is_available():
        yield 'mps', 'available'
    yield 'compilers', ', '.join(name for name in COMPILERS if shutil.which(name)) or 'none of ' + ', '.join(COMPILERS)


def extras() -> Iterator[tuple[str, str]]:
    """For each extra of the package, what is installed of it."""
    try:
        requirements = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        yield 'extras', f'{PACKAGE} is not installed: this is a folder with its code'
        return
    found: dict[str, list[str]] = {}
    for requirement in requirements:
        match = re.match(r'([\w.-]+)(\[.*?\])?.*; .*extra == [\'"]([\w-]+)[\'"]', requirement)
        if match and not match[2]:  # the extras that an extra takes in stand for themselves
            found.setdefault(match[3], []).append(f'{match[1]} {installed(match[1]) or "missing"}')
    for extra, libraries in found.items():
        yield f'[{extra}]', ', '.join(libraries)


def upstream() -> Iterator[tuple[str, str]]:
    """Where NVIDIA's code is, and whether it is patched."""
    from datasetgan_ext.generator import patching
    from datasetgan_ext.generator.upstream import find_upstream

    try:
        root = find_upstream()
        if root is None:
            yield "NVIDIA's code", 'not there: the submodule is not checked out, DATASETGAN_UPSTREAM is not set'
            return
        yield "NVIDIA's code", str(root)
        missing = patching.unpatched(root)
        whole = len(patching.read_patches(patching.PATCHES))
        state = 'none' if len(missing) == whole else f'all but those of {", ".join(missing)}' if missing else 'all'
        yield 'patches', f'{state} applied; commit {patching.PINNED[:12]}'
    except UserError as error:
        yield 'patches', error.message


def installed(name: str) -> str | None:
    """The version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == '__main__':
    main(prog_name='datasetgan env')

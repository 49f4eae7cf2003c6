"""Commands that run in this process, and arguments that make them small."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.testing import CliRunner, Result

import datasetgan_ext
from datasetgan_ext.core.task import Task
from datasetgan_ext.generator.checkpoint import DEMO_FOLDER
from datasetgan_ext.generator.samples import SampleSet

ROOT = Path(datasetgan_ext.__file__).parents[1]
SAMPLES = DEMO_FOLDER / 'samples'
MASKS = SAMPLES / 'masks'
SIDE = SampleSet.read(SAMPLES).image_hw[0]
"""Of the demo's images, in pixels."""


def invoke(command: click.Command, *arguments: object) -> Result:
    """What a command prints, and its exit status; an exception that is no user's mistake fails the test."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def as_flags(arguments: dict) -> list[str]:
    """{'num': 3} -> ['--num=3']; None leaves an argument out."""
    return [f'--{name}={value}' for name, value in arguments.items() if value is not None]


def train_arguments(tmp_path: Path, **changes) -> list[str]:
    """Arguments of `datasetgan train` for a small interpreter of the demo's classes on seeds 0-3, in seconds."""
    classes = tmp_path / 'classes only.json'
    classes.write_text(json.dumps(Task.read(DEMO_FOLDER / 'task.json').only(classes=True, keypoints=False).to_json()))
    arguments = {
        'network': 'demo',
        'samples': SAMPLES,
        'labels': MASKS,
        'classes': classes,
        'seeds': '0-3',
        'models': 1,
        'pixels-per-image': 100,
        'out': tmp_path / 'interpreter.safetensors',
    }
    return as_flags(arguments | changes)


def downstream_arguments(tmp_path: Path, **changes) -> list[str]:
    """Arguments of `datasetgan train-downstream` for a small network on the dataset in world/, in a second."""
    arguments = {
        'data': tmp_path / 'world',
        'architecture': 'small-unet',
        'steps': 4,
        'every': 2,
        'out': tmp_path / 'm.safetensors',
    }
    return as_flags(arguments | changes)


def output_of(command: click.Command, *arguments) -> str:
    """What a command that must succeed prints."""
    result = invoke(command, *arguments)
    assert result.exit_code == 0, result.output
    return result.output

"""Write a trained network in a format that other programs run."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.options import Command, start_logging


@click.command(cls=Command)
@click.option(
    '--model',
    type=click.Path(dir_okay=False, path_type=Path),
    metavar='FILE',
    required=True,
    help='Network of datasetgan train-downstream or train-semi-supervised',
)
@click.option(
    '--format', 'format_name', type=click.Choice(['onnx']), default='onnx', show_default=True, help='What to write'
)
@click.option(
    '--out', type=click.Path(dir_okay=False, path_type=Path), metavar='FILE', required=True, help='File to write'
)
@click.option('--overwrite', is_flag=True, help='Replace --out if it exists')
def main(model, format_name, out, overwrite):
    """Write a trained network as ONNX, which runs without this program and without torch: docs/photos.md has the lines.

    The input `images` is float32 [N, 3, H, W], RGB in 0..1, of any number and size; the file normalises and resizes.
    The outputs `logits` (classes) and `heatmaps` (keypoints) have the images' size. Classes and colours are in the
    file's metadata.

    Examples:

    \b
    datasetgan export-model --model=out/deeplab.safetensors --format=onnx --out=out/deeplab.onnx
    """
    from datasetgan_ext.downstream.export import export_onnx
    from datasetgan_ext.downstream.model import DownstreamModel

    start_logging()
    if out.exists() and not overwrite:
        raise UserError(f'--out={out} exists; give another file, or --overwrite')
    if out.exists() and model.exists() and out.samefile(model):
        raise UserError(f'--out={out} is --model itself, which would be lost; give another file')
    outputs = export_onnx(DownstreamModel.load(model, 'cpu'), out)
    print(f'{format_name.upper()}, with the outputs {" and ".join(outputs)}: {out}')


if __name__ == '__main__':
    main(prog_name='datasetgan export-model')

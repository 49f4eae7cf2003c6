"""The commands in docs/ do what the text says."""

import os
import re
import subprocess
from pathlib import Path

import PIL.Image
import pytest

import datasetgan_ext
from datasetgan_ext import export_model
from datasetgan_ext.core.seeds import parse_seeds
from datasetgan_ext.downstream.model import DownstreamModel
from datasetgan_ext.downstream.prediction import predict
from datasetgan_ext.gen_dataset import main as generate
from datasetgan_ext.interpreter.labeler import DEFAULT_BATCH
from tests.helpers.commands import output_of
from tests.helpers.photos import picture, write_model

SCALE = Path(datasetgan_ext.__file__).parents[1] / 'docs' / 'scale.md'


def test_the_tasks_of_the_array_have_all_seeds_in_whole_batches(tmp_path):
    script = re.search(r'```bash\n(.*?)```', SCALE.read_text(), flags=re.DOTALL)[1]
    first, last = map(int, re.search(r'--array=(\d+)-(\d+)', script).groups())
    (tmp_path / 'datasetgan').write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / 'datasetgan').chmod(0o755)
    path = f'{tmp_path}:{os.environ["PATH"]}'
    seeds = []
    for task in range(first, last + 1):
        output = subprocess.run(
            ['bash', '-c', script],
            env={'PATH': path, 'SLURM_ARRAY_TASK_ID': str(task)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert f'--outdir=parts/{task} ' in output
        part = parse_seeds(re.search(r'--seeds=(\S+)', output)[1])
        assert part[0] % DEFAULT_BATCH['cuda'] == 0
        seeds.extend(part)
    joined = re.search(r'--outdir=dataset --seeds=(\S+)', SCALE.read_text())[1]
    assert seeds == parse_seeds(joined)


@pytest.mark.parametrize('flag', sorted(set(re.findall(r'--[a-z][a-z-]+', SCALE.read_text()))))
def test_flags_are_those_of_the_command(flag):
    others = {
        '--array',
        '--job-name',
        '--gres',
        '--cpus-per-task',
        '--mem',
        '--requeue',
        '--parsable',
        '--dependency',
        '--wrap',
        '--dataset',
        '--ray',
    }
    assert flag in others or any(flag in parameter.opts for parameter in generate.params)


PHOTOS = SCALE.with_name('photos.md')


def test_the_lines_for_onnx_run_as_they_stand(tmp_path, monkeypatch, capsys):
    """And so do those for Python, with the labels of the command."""
    for module in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(module)
    (python, onnx) = re.findall(r'```python\n(.*?)```', PHOTOS.read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_model(Path('network.safetensors'))
    Path('photos').mkdir()
    PIL.Image.fromarray(picture(30, 40)).save('photos/a.jpg')
    PIL.Image.fromarray(picture(30, 40)).save('photo.jpg')
    output_of(export_model.main, '--model=network.safetensors', '--out=network.onnx')
    exec(python, {})  # noqa: S102
    assert capsys.readouterr().out.startswith('(30, 40) PhotoKeypoints(')
    names = {}
    exec(onnx, names)  # noqa: S102
    (labeled,) = predict(DownstreamModel.load(Path('network.safetensors')), ['photo.jpg'])
    assert (names['mask'] == labeled.mask).mean() > 0.999

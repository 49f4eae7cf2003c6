"""The plain script makes the dataset that `datasetgan generate` makes, and both are measured whole."""

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import plain_dataset, plain_script
from benchmarks.inference import plain_masks
from datasetgan_ext import Labeler, load_generator, load_interpreter
from datasetgan_ext.formats.png import read_image, read_mask, write_image, write_mask
from datasetgan_ext.interpreter import inference

# holds 64 MiB and lets a process of its own hold as many, both for two seconds
COMMAND = """
import pathlib, subprocess, sys, time
held = bytearray(b'x') * 2**26
code = "held = bytearray(b'x') * 2**26; print('held', flush=True); input()"
child = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
time.sleep(2)
child.communicate(b'end')
folder = pathlib.Path(sys.argv[1])
(folder / 'images').mkdir(parents=True)
(folder / 'images' / 'a.png').write_bytes(bytes(100))
(folder / 'notes').write_bytes(bytes(20))
"""


def test_labels_are_those_of_the_program(tmp_path):
    result = CliRunner().invoke(plain_script.main, ['--images=2', f'--outdir={tmp_path}'], catch_exceptions=False)
    assert result.exit_code == 0
    labeler = Labeler(load_generator('demo', 'cpu'), load_interpreter('demo'))
    assert labeler.interpreter.difference_layers and labeler.interpreter.task.keypoints
    for sample in labeler(range(plain_script.FIRST, plain_script.FIRST + 2)):
        assert (read_mask(tmp_path / 'masks' / f'{sample.name}.png') == sample.mask).mean() > 0.9995
        image = read_image(tmp_path / 'images' / f'{sample.name}.png')
        assert np.abs(image.astype(int) - sample.image).max() <= 1


def test_plain_labels_of_networks_without_differences(generator, interpreter, monkeypatch):
    monkeypatch.setattr(inference, 'has_bfloat16', lambda: False)
    interpreter.difference_layers = []
    interpreter.ensemble = type(interpreter.ensemble)(
        3, sum(layer.channels for layer in generator.layers), (16, 8), len(interpreter.task.classes)
    ).eval()
    expected = [sample.mask for sample in Labeler(generator, interpreter)(range(2))]
    assert (plain_masks(generator, interpreter, [0, 1]) == np.stack(expected)).mean() > 0.999


def test_a_command_is_measured_with_all_its_processes(tmp_path):
    found = plain_dataset.measure(['-c', COMMAND, str(tmp_path / 'out')], tmp_path / 'out')
    assert found['seconds'] > 2 and found['core_seconds'] > 0
    assert 128 < found['peak_mib'] < 250
    assert (found['files'], found['bytes'], found['bytes_of_images_and_masks']) == (2, 120, 100)


def test_a_command_that_fails_is_told(tmp_path):
    with pytest.raises(SystemExit, match='ended with 3'):
        plain_dataset.measure(['-c', 'raise SystemExit(3)'], tmp_path)


def test_shares_of_equal_pixels(tmp_path):
    mask = np.zeros((10, 10), np.uint8)
    for place, ids in (('one', (0, 1)), ('other', (0, 0))):
        for kind in ('images', 'masks'):
            (tmp_path / place / kind).mkdir(parents=True)
        for index, class_id in enumerate(ids):
            name = f'seed{plain_script.FIRST + index:07d}.png'
            mask[:5] = class_id
            write_mask(tmp_path / place / 'masks' / name, mask, [0] * 6)
            write_image(tmp_path / place / 'images' / name, np.zeros((10, 10, 3), np.uint8))
    equal = plain_dataset.equal_share(tmp_path / 'one', tmp_path / 'other', 2)
    assert equal == {'labels': 0.75, 'worst': 0.5, 'images': 1.0}

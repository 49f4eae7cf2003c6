"""docs/paper.md: its commands have the options that it gives, its code reads the data that it speaks of."""

import re
from pathlib import Path

import numpy as np
import PIL.Image

import datasetgan_ext
from datasetgan_ext.cli import main as cli
from datasetgan_ext.core.task import READY_MADE, Task
from datasetgan_ext.downstream.labeled_dataset import read_labeled

ROOT = Path(datasetgan_ext.__file__).parents[1]
TEXT = (ROOT / 'docs' / 'paper.md').read_text()


def test_commands_have_these_options():
    found = re.findall(r'datasetgan ([a-z-]+)((?: --?[a-z-]+\S*)+)', TEXT.replace('\\\n', ' '))
    assert {'train-downstream', 'train-semi-supervised', 'evaluate', 'samples'} <= {name for name, _ in found}
    for name, flags in found:
        known = {flag for option in cli.get_command(None, name).params for flag in option.opts}
        assert set(re.findall(r'--[a-z-]+', flags)) <= known, name


def test_class_files_are_there():
    columns = [line.split('|')[4] for line in TEXT.splitlines() if line.count('|') == 6]
    names = {name for column in columns for name in re.findall(r'`([a-z-]+-\d+)`', column)}
    assert names == set(READY_MADE)


def test_cub_becomes_a_test_folder(tmp_path, monkeypatch):
    (tmp_path / 'parts').mkdir()
    (tmp_path / 'images' / '001.Bird').mkdir(parents=True)
    for number in (1, 2):
        PIL.Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(tmp_path / 'images' / '001.Bird' / f'b{number}.jpg')
    (tmp_path / 'images.txt').write_text('1 001.Bird/b1.jpg\n2 001.Bird/b2.jpg\n')
    (tmp_path / 'train_test_split.txt').write_text('1 1\n2 0\n')
    (tmp_path / 'parts' / 'part_locs.txt').write_text('1 2 9.0 9.0 1\n2 2 31.0 12.0 1\n2 7 0.0 0.0 0\n')
    monkeypatch.chdir(tmp_path)
    exec(compile(re.search(r'```python\n(.*?)```', TEXT, flags=re.DOTALL)[1], 'paper.md', 'exec'), {})
    images = read_labeled(Path('real-test'), Task.read('cub-15'))
    assert [image.name for image in images] == ['b2']
    beak = images.task.keypoints.index('beak')
    assert images[0].keypoints.points[beak].tolist() == [31, 12]
    assert images[0].keypoints.visibility.tolist() == [2 * (index == beak) for index in range(15)]

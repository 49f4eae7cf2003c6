"""docs/labelling.md says what is there: pictures, options, and a class file and formats that can be read."""

import re
import shlex
from pathlib import Path

import pytest

import datasetgan_ext
from datasetgan_ext.cli import main
from datasetgan_ext.core.task import Task
from datasetgan_ext.labeling.server import PAGE as LABELING_PAGE

PAGE = Path(datasetgan_ext.__file__).parents[1] / 'docs' / 'labelling.md'
TEXT = PAGE.read_text()
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r'```sh\n(.*?)```', TEXT, flags=re.DOTALL)
    for line in block.replace('\\\n', ' ').splitlines()
    if line.startswith('datasetgan ')
]


def test_pictures_are_there():
    links = re.findall(r'\]\(([^)]+)\)', TEXT)
    assert len(links) >= 3 and all((PAGE.parent / link.partition('#')[0]).is_file() for link in links)


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
def test_commands_parse(command):
    _, verb, *arguments = command
    context = main.get_command(None, verb).make_context(verb, list(arguments))
    assert context.params.get('network', 'car.pkl') == 'car.pkl'


def test_class_file_with_keypoints(tmp_path):
    content = ' '.join(re.search(r'`(\{"classes".*?\})`', TEXT, flags=re.DOTALL)[1].split())
    (tmp_path / 'classes.json').write_text(content)
    task = Task.read(tmp_path / 'classes.json')
    assert task.classes[0] == 'background' and len(task.keypoints) == 2


def test_all_keys_of_the_page_are_in_the_table():
    keymap = (LABELING_PAGE / 'keymap.js').read_text()
    keys = re.findall(r"label: '([^']*)', text: '([^']*)'", keymap)
    assert len(keys) == len(re.findall('label:', keymap)) >= 30
    table = re.findall(
        r'^\| (.*?) \| (.*?) \|$', TEXT[TEXT.index('### Keys') : TEXT.index('When all images')], re.MULTILINE
    )
    assert table[1:] == keys

"""Names of classes and keypoints that mean something in other languages: each format and page holds them as they are,
or they are refused with the reason."""

import html
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.markup import markdown
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.conversions import CONVERSIONS, convert, make_conversion
from datasetgan_ext.formats.folder import FolderDataset, Summary
from datasetgan_ext.formats.labels import read_annotations
from datasetgan_ext.report.card import write_card
from datasetgan_ext.report.page import write_report
from tests.helpers.datasets import TASK, make_dataset

hypothesis = pytest.importorskip('hypothesis', reason='hypothesis is not installed')
yaml = pytest.importorskip('yaml', reason='PyYAML is not installed')
from hypothesis import given, settings, strategies  # noqa: E402 (there if the above is)

HOSTILE = [
    *('a:b', '#1', "it's", '"', '|', '<script>alert(1)</script>', '&amp;', '😀', '日本', '$x', '{network}', '${title}'),
    *(
        '---',
        '- a',
        '[x](y)',
        '`',
        '\\',
        '\\ud83d\\ude00',
        '%s',
        '../..',
        'null',
        'yes',
        '~',
        '0x1',
        ' a',
        'a ',
        'עברית',
    ),
]
READ_BACK = {
    'voc': ['.'],
    'coco': ['annotations/instances_train.json'],
    'labelme': ['train'],
    'cvat': ['annotations.xml'],
}
"""Where the labels of a format are that this program reads again."""
INVISIBLE = ['a\nb', '\u202ea', 'a\u200fb', '\0', '\udcff', '\x1b[31m', 'a\u2028b', '\ufeff', '', ' ', '\t']
names = strategies.lists(
    strategies.one_of(strategies.sampled_from(HOSTILE), strategies.text(min_size=1, max_size=8).filter(str.isprintable))
    .filter(str.strip)
    .filter(lambda name: name not in ('background', 'top')),
    min_size=5,
    max_size=5,
    unique=True,
)


@pytest.fixture(scope='module')
def original(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp('names') / 'dataset', TASK).folder


def renamed(original: Path, folder: Path, found: list[str]) -> FolderDataset:
    """The dataset with other names of classes and keypoints."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original, folder)
    info = json.loads((folder / 'dataset.json').read_text())
    task = Task.from_json(
        {**TASK.to_json(), 'classes': ['background', *found[:3]], 'keypoints': [*found[3:], 'top']}, 'names'
    )
    info.update(task.to_json())
    info['options'] = {'min-pixels': f'{found[0]}=3', 'network': 'a', 'interpreter': 'b'}
    info['sources'] = {'network': found[1], 'interpreter': found[2]}
    info.update(versions={}, device='cpu', batch=1)
    (folder / 'dataset.json').write_text(json.dumps(info))
    return FolderDataset(folder)


def front_matter(card: str) -> dict:
    return yaml.safe_load(card.split('---\n')[1])


def cells(card: str) -> list[list[str]]:
    """The tables' cells, as GitHub's Markdown parts them."""
    rows = [line for line in card.splitlines() if line.startswith('| ')]
    return [re.split(r'(?<!\\)(?:\\\\)*\|', row)[1:-1] for row in rows]


@pytest.mark.filterwarnings('ignore')
@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(found=names)
def test_each_format_holds_them(original, tmp_path_factory, found):
    folder = tmp_path_factory.mktemp('renamed')
    dataset = renamed(original, folder / 'dataset', found)
    task = dataset.task
    for kind in CONVERSIONS:
        out = folder / kind
        try:
            convert(dataset, make_conversion(kind, {'val': 0.0}), out)
        except UserError as error:
            assert kind == 'voc' and any(repr(name) in error.message for name in found)
            assert any(':' in name or name.startswith('#') or name != name.strip() for name in found[:3])
            continue
        assert Task.from_json(json.loads((out / 'dataset.json').read_text(encoding='utf-8')), 'there') == task
        if kind in ('yolo', 'yolo-pose'):
            description = yaml.safe_load((out / 'data.yaml').read_text(encoding='utf-8'))
            if kind == 'yolo':
                assert description['names'] == dict(enumerate(task.classes[1:]))
            else:
                assert description['kpt_names'] == {0: list(task.keypoints)}
        for labels in READ_BACK.get(kind, ()):
            read = read_annotations(task.only(True, False) if kind == 'voc' else task, out / labels, None)
            known = [label.mask for label in read if label.mask is not None]
            assert {index for mask in known for index in np.unique(mask).tolist()} >= {0, 1, 2, 3}
        if kind == 'huggingface':
            card = (out / 'README.md').read_text(encoding='utf-8')
            assert front_matter(card)['pretty_name'] == f'Labelled images from {found[1]}'
            assert f'1 {markdown(found[0])}' in card


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(found=names)
def test_each_page_shows_them(original, tmp_path_factory, found):
    folder = tmp_path_factory.mktemp('renamed')
    dataset = renamed(original, folder / 'dataset', found)
    summary = Summary(20, 18, 0.5, [0.25] * 4, [3] * 4, [2] * 3)
    card = write_card(dataset.info, summary)
    card.encode()
    assert front_matter(card)['pretty_name'] == f'Labelled images from {found[1]}'
    assert '<script' not in card.split('---\n', 2)[2].replace('\\<script', '')
    assert {len(row) for row in cells(card)} == {4, 2}, 'no name is a cell of its own'
    path = folder / 'report.html'
    write_report(
        path, dataset.info, summary, dataset.folder / 'manifest.jsonl', lambda record: (dataset.image(record), None)
    )
    page = path.read_text(encoding='utf-8')
    assert page.count('<script') == page.count('</script') == 1
    for name in found:
        assert html.escape(name) in page


@pytest.mark.parametrize('name', INVISIBLE)
def test_what_cannot_be_seen_is_refused_with_the_reason(name):
    reason = 'is not a name' if not name.strip() else rf'U\+{ord(next(c for c in name if not c.isprintable())):04X}'
    with pytest.raises(UserError, match=reason):
        Task.from_json({'classes': ['background', name]}, 'names')
    with pytest.raises(UserError, match=reason):
        Task.from_json({'keypoints': ['a', name]}, 'names')

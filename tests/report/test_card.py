"""The card's header is what Hugging Face's own readers expect."""

import re

import pytest

from datasetgan_ext.formats.folder import Summary
from datasetgan_ext.report.card import front_matter, write_card
from tests.helpers.datasets import TASK, converted, make_dataset

SUMMARY = Summary(20, 18, 0.5, [0.5, 0.3, 0.2, 0.0], [18, 17, 16, 0], [10, 9, 8])


def card_of(dataset) -> str:
    return write_card({**dataset.info, 'options': {'keep': 0.9}}, SUMMARY)


@pytest.mark.parametrize('format_name', ['folder', 'huggingface'])
def test_header_is_read_by_the_hub(tmp_path, format_name):
    hub = pytest.importorskip('huggingface_hub')
    dataset = make_dataset(tmp_path / 'dataset')
    dataset.info['sources']['network'] = 'it\'s: a "car" #1.pkl'
    if format_name == 'huggingface':
        text = (converted(dataset, 'huggingface') / 'README.md').read_text()
    else:
        text = card_of(dataset)
    data = hub.DatasetCard(text).data
    assert data.pretty_name == 'Labelled images from it\'s: a "car" #1.pkl'
    assert data.task_categories == ['image-segmentation', 'keypoint-detection']
    assert data.size_categories == ['n<1K'] and data.license is None
    splits = [file['split'] for config in data.configs for file in config['data_files']]
    assert splits == (['train'] if format_name == 'folder' else ['train', 'validation'])
    assert hub.DatasetCard(text).text.startswith('# Labelled images from')


@pytest.mark.parametrize(
    'count, size', [(999, 'n<1K'), (1000, '1K<n<10K'), (99_999, '10K<n<100K'), (5_000_000, '1M<n<10M')]
)
def test_size(tmp_path, count, size):
    info = {'sources': {'network': 'car.pkl'}, **TASK.only(classes=False, keypoints=True).to_json()}
    header = front_matter(info, count, {})
    assert f'size_categories: ["{size}"]' in header and 'task_categories: ["keypoint-detection"]' in header


def test_the_dataset_as_it_is_loads_as_its_manifest(tmp_path, monkeypatch):
    datasets = pytest.importorskip('datasets')
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'cache'))
    dataset = make_dataset(tmp_path / 'dataset')
    (dataset.folder / 'README.md').write_text(card_of(dataset))
    loaded = datasets.load_dataset(str(dataset.folder), cache_dir=str(tmp_path / 'cache'))['train']
    assert loaded['seed'] == list(range(20)) and sum(loaded['kept']) == 18


def test_lines_of_python_in_the_card_read_the_dataset(tmp_path, monkeypatch):
    dataset = make_dataset(tmp_path / 'dataset')
    monkeypatch.chdir(dataset.folder)
    names = {}
    exec(re.search(r'```python\n(.*?)```', card_of(dataset), flags=re.DOTALL)[1], names)
    assert names['mask'].tolist() == dataset.mask(names['record']).tolist()
    assert names['keypoints'].shape == (3, 3) and len(names['records']) == 20


def test_card_names_options_and_license(tmp_path):
    text = card_of(make_dataset(tmp_path / 'dataset'))
    assert '- keep: 0.9' in text and 'research or evaluation only' in text

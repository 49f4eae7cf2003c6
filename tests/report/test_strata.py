import json
import random

import pytest

from datasetgan_ext.report.strata import Score, read_scores, stratify


def scores(kept, dropped):
    return [Score(seed / 100, seed, seed < kept) for seed in range(kept + dropped)]


@pytest.mark.parametrize(
    'kept, dropped, expected',
    [
        (100, 10, {'most certain': [0, 1], 'median': [49, 50], 'most uncertain': [98, 99], 'dropped': [100, 109]}),
        (7, 3, {'most certain': [0, 1], 'median': [2, 3], 'most uncertain': [5, 6], 'dropped': [7, 9]}),
        (6, 1, {'most certain': [0, 1], 'median': [2, 3], 'most uncertain': [4, 5], 'dropped': [6]}),
        (2, 0, {'most certain': [0], 'median': [1]}),
    ],
)
def test_samples_of_each_stratum(kept, dropped, expected):
    found = stratify(scores(kept, dropped), 2)
    assert {name: [score.id for score in part] for name, part in found.items()} == expected


def test_the_order_of_the_manifest_has_no_part_in_it(tmp_path):
    image = {'image': 'a.png', 'image_sha256': '', 'pixels_per_class': []}
    records = [{'uncertainty': 0.5, 'seed': seed, 'kept': True, **image} for seed in range(40)]
    random.Random(0).shuffle(records)
    (tmp_path / 'manifest.jsonl').write_text(''.join(json.dumps(record) + '\n' for record in records))
    assert read_scores(tmp_path / 'manifest.jsonl') == [Score(0.5, seed, True) for seed in range(40)]

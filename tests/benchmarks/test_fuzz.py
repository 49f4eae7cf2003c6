"""The fuzzer makes inputs that reach the readers, and tells a refusal from a failure."""

from __future__ import annotations

import random

import pytest

from benchmarks import fuzz
from datasetgan_ext.core.errors import UserError
from tests.helpers.upstream import NEEDS_UPSTREAM


@pytest.mark.parametrize(
    'name',
    [
        pytest.param('pickle', marks=NEEDS_UPSTREAM),
        'interpreter',
        'labels:cvat',
        'labels:keypoints',
        'labels:name-table',
    ],
)
def test_right_files_are_read_and_wrong_ones_refused(name, tmp_path):
    target = fuzz.make_target(name)
    path = tmp_path / f'input{target.suffix}'
    outcomes = []
    rng = random.Random(1)
    for data in target.corpus:
        path.write_bytes(data)
        outcomes.append(fuzz.outcome(target, path))
    assert 'read' in outcomes
    for _ in range(150):
        mutate = rng.choice((fuzz.mutate_bytes, target.mutate))
        path.write_bytes(mutate(rng, rng.choice(target.corpus)))
        outcomes.append(fuzz.outcome(target, path))
    assert set(outcomes) == {'read', 'UserError'}


@pytest.mark.parametrize(
    'error, expected',
    [
        (KeyError('x'), KeyError),
        (MemoryError(), MemoryError),
        (UserError('too large'), 'UserError'),
    ],
)
def test_outcomes(error, expected, tmp_path):
    def read(path):
        raise error

    target = fuzz.Target(read, [b''])
    if isinstance(expected, str):
        assert fuzz.outcome(target, tmp_path) == expected
    else:
        with pytest.raises(expected):
            fuzz.outcome(target, tmp_path)


def test_memory_that_a_reader_speaks_of_as_damage(tmp_path):
    def read(path):
        try:
            raise RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 22 bytes')
        except RuntimeError as error:
            raise UserError('is damaged') from error

    with pytest.raises(MemoryError, match='is damaged'):
        fuzz.outcome(fuzz.Target(read, [b'']), tmp_path)


def test_targets_of_others(monkeypatch):
    monkeypatch.setitem(fuzz.TARGETS, 'labels', lambda argument: fuzz.Target(str, [argument.encode()]))
    assert fuzz.make_target('labels:coco').corpus == [b'coco']
    with pytest.raises(fuzz.click.UsageError, match='--target=other is none of pickle, interpreter, labels'):
        fuzz.make_target('other')


def test_what_fails_is_kept(tmp_path, monkeypatch):
    (tmp_path / 'at work').mkdir()
    (tmp_path / 'at work' / 'input.pkl').write_bytes(b'bad')
    fuzz._keep(tmp_path / 'at work', tmp_path / 'findings', 'wrong', 'KeyError: 3')
    (kept,) = (tmp_path / 'findings').iterdir()
    assert kept.read_bytes() == b'bad' and kept.name.startswith('wrong-') and kept.suffix == '.pkl'

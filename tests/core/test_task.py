import json

import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.palette import distinct_colors
from datasetgan_ext.core.task import Task


def test_text_file(tmp_path):
    path = tmp_path / 'classes.txt'
    path.write_text('\ufeffbackground\n\n car body \n', encoding='utf-8')
    task = Task.read(path)
    assert task.classes == ('background', 'car body')
    assert task.palette[0] == (0, 0, 0)


def test_json_with_palette(tmp_path):
    path = tmp_path / 'task.json'
    path.write_text(json.dumps({'classes': ['background', 'car'], 'palette': [[1, 2, 3], [4, 5, 6]], 'keypoints': []}))
    assert Task.read(path) == Task(('background', 'car'), ((1, 2, 3), (4, 5, 6)))
    assert Task.read(path).flat_palette == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    'name, text, message',
    [
        ('c.txt', 'background\n', 'lists 1 classes'),
        ('c.txt', '\n'.join(map(str, range(256))), 'lists 256 classes'),
        ('c.txt', 'background\ncar\ncar\n', "'car' is listed twice"),
        ('c.json', '{"classes": [', 'not valid JSON'),
        ('c.json', '["background", "car"]', 'no list named "classes"'),
        ('c.json', '{"classes": ["background", 3]}', '3 is not a name'),
        ('c.json', '{"classes": ["a", "b"], "palette": [0, 0, 0, 9, 9, 9]}', '"palette" must give'),
        ('c.json', '{"classes": ["a", "b"], "palette": 3}', '"palette" must give'),
        ('c.json', '{"classes": ["a", "b\\nc"]}', 'is not a name'),
        ('c.json', '{"classes": ["a", " "]}', 'is not a name'),
        ('c.json', '{"classes": ["a", "b"], "palette": [[0, 0, 0]]}', '"palette" must give'),
        ('c.json', '{"classes": ["a", "b"], "palette": [[0, 0, 0], [0, 0, 0]]}', '"palette" must give'),
        ('c.json', '{"classes": ["a", "b"], "palette": [[0, 0, 0], [0, 0, 256]]}', '"palette" must give'),
    ],
)
def test_bad_files(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError, match='`classes`=') as error:
        Task.read(path)
    assert message in error.value.message


def test_missing_file():
    with pytest.raises(UserError, match='`classes`=nowhere.txt cannot be read'):
        Task.read('nowhere.txt')


def test_no_two_colors_alike():
    colors = distinct_colors(255)
    assert len(set(colors)) == 255 and colors[0] == (0, 0, 0)
    near = min(
        sum((a - b) ** 2 for a, b in zip(first, second)) ** 0.5
        for i, first in enumerate(colors[:34])
        for second in colors[:i]
    )
    assert near > 30


def test_a_palette_is_given_or_made_up(tmp_path):
    """It decides nothing but what colours of masks mean: fingerprints, which hash repr, do not depend on it."""
    made_up = Task.from_names(['background', 'car'])
    given = Task(made_up.classes, made_up.palette)
    assert given.palette_is_given and not made_up.palette_is_given
    assert repr(given) == repr(made_up) and given == made_up
    path = tmp_path / 'classes.json'
    path.write_text(json.dumps(made_up.to_json()))
    assert Task.read(path).palette_is_given, 'a class file that lists the colours means them'
    assert not Task.from_json(made_up.to_json(), 'an interpreter').palette_is_given
    chosen = Task.from_names(['background', 'car'], [[0, 0, 0], [1, 2, 3]])
    assert Task.from_json(chosen.to_json(), 'an interpreter').palette_is_given
    assert chosen.only(True, False).palette_is_given

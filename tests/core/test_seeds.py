import pytest

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import format_seeds, parse_seeds


@pytest.mark.parametrize(
    'text, seeds',
    [
        ('7', [7]),
        ('0-3', [0, 1, 2, 3]),
        ('1,4-6', [1, 4, 5, 6]),
        ('85,265,297,849', [85, 265, 297, 849]),
        ('3,1', [3, 1]),
        (' 1 , 4 - 5 ', [1, 4, 5]),
        ('4294967295', [2**32 - 1]),
    ],
)
def test_parse(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'neither a number nor a range'),
        ('a', "'a'"),
        ('1;2', "'1;2'"),
        ('1,', "''"),
        ('-3', "'-3'"),
        ('1.5', "'1.5'"),
        ('1-2-3', "'1-2-3'"),
        ('٣', 'neither'),
        ('9-3', 'write 3-9'),
        ('1-5,3', 'seed 3 is there twice'),
        ('4294967296', 'up to 4294967295'),
        ('0-999999999', 'more than 10000000 seeds'),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(UserError, match='`seeds`=') as error:
        parse_seeds(text)
    assert message in error.value.message
    with pytest.raises(UserError, match='`candidates`='):
        parse_seeds(text, 'candidates')


@pytest.mark.parametrize('text', ['7', '0-3', '1,4-6', '3,1', '5-6,1-2'])
def test_format_is_the_inverse(text):
    assert format_seeds(parse_seeds(text)) == text


@pytest.mark.parametrize('text', ['9' * 5000, '1-' + '9' * 5000, '1,' + '9' * 11, '4294967296'])
def test_a_number_of_any_length_is_too_large(text):
    with pytest.raises(UserError, match='too large; seeds go up to 4294967295') as error:
        parse_seeds(text)
    assert len(error.value.message) < 300


def test_leading_zeros_are_nothing():
    assert parse_seeds('0' * 5000 + '7,000-0001') == [7, 0, 1]

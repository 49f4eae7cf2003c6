"""What of an address may be shown."""

import pytest

from datasetgan_ext.core.urls import shown_source, without_secrets


@pytest.mark.parametrize(
    'text, shown',
    [
        ('car.pkl', 'car.pkl'),
        ('a?b#c@d', 'a?b#c@d'),
        ('https://host/car.pkl', 'https://host/car.pkl'),
        ('https://me:secret@host:81/car.pkl?X-Amz-Signature=secret&a=b#secret', 'https://host:81/car.pkl'),
        ('https://secret@host', 'https://host'),
        ('s3://key:secret@bucket/a@b/c', 's3://bucket/a@b/c'),
        ('simplecache::S3://key:secret@bucket/a', 'simplecache::S3://bucket/a'),
        (
            'cannot reach https://me:secret@host/a?b=secret (or http://x:secret@y)',
            'cannot reach https://host/a (or http://y)',
        ),
    ],
)
def test_an_address_loses_its_secrets(text, shown):
    assert without_secrets(text) == shown


def test_bytes_that_are_not_utf8_are_shown_as_what_they_are():
    assert shown_source('c\udce4r.pkl') == 'c\\udce4r.pkl'

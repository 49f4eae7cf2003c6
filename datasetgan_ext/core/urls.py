"""Addresses as they may be shown."""

import re

_URL = re.compile(r"""([a-z][a-z0-9+.\-]*://)(?:[^\s/?#'"]*@)?([^\s?#'"]*)(?:[?#][^\s'")]*)?""", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """A text whose addresses have lost user, password, query and fragment, where keys and signatures stand.

    >>> without_secrets('https://me:secret@host/car.pkl?X-Amz-Signature=0f3a')
    'https://host/car.pkl'
    """
    return _URL.sub(r'\1\2', text)


def shown_source(source: str) -> str:
    """A path or address for a record: without secrets, and of bytes that are not UTF-8 what they are."""
    return without_secrets(source).encode('utf-8', 'backslashreplace').decode()

"""The label formats by name: one module each, all read into annotations."""
from __future__ import annotations

from collections.abc import Iterator

from datasetgan_ext.labels import png
from datasetgan_ext.labels.annotation import Annotation

FORMATS = {'png': png.read_folder}


def read_labels(labels: str, label_format: str = 'auto') -> Iterator[Annotation]:
    """Labels in one of FORMATS; 'auto' takes the one format that there is so far, PNG masks.

    Raises:
        UserError: from the format's module.
    """
    return FORMATS['png' if label_format == 'auto' else label_format](labels)

"""A session of labelling: its server, and the training that comes after it."""

from __future__ import annotations

from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.labeling.server import Server
from datasetgan_ext.labeling.store import KEYPOINTS_FILE, LabelStore
from datasetgan_ext.labeling.suggest import Suggester
from datasetgan_ext.labeling.training import Training


def start_server(host: str, port: int, store: LabelStore, suggester: Suggester, training: Training) -> Server:
    """A server with the token of the last one, and on its port if none is given and it is free, so that a page that is
    still open goes on."""
    notes = store.notes
    try:
        server = Server(host, port or notes.port, store, suggester, notes.token, training)
    except UserError:
        if port:
            raise
        server = Server(host, 0, store, suggester, notes.token, training)
    notes.remember(server.port, server.token)
    return server


def training_of(
    store: LabelStore, network: str, classes: str, upstream: str | Path | None = None, allow_pickle_code: bool = False
) -> Training:
    """What trains on the labels of the page; the arguments are those of `datasetgan label`."""
    words = [f'--network={network}', f'--samples={store.sample_set.folder}']
    if store.task.classes:
        words.append(f'--labels={store.folder}')
    if store.task.keypoints:
        words.append(f'--keypoints={store.folder / KEYPOINTS_FILE}')
    words.append(f'--classes={classes}')
    if upstream:
        words.append(f'--upstream={upstream}')
    if allow_pickle_code:
        words.append('--allow-pickle-code')
    return Training([*words, '--out=interpreter.safetensors'], store.folder)

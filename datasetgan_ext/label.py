"""Label images on a page in the browser."""

from __future__ import annotations

import contextlib
import sys
import webbrowser
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import click

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.options import Command, network_options, start_logging


@click.command(cls=Command)
@network_options
@click.option('--samples', metavar='DIR', required=True, help='Folder written by datasetgan samples')
@click.option(
    '--classes', metavar='FILE', required=True, help='Class names, keypoints, or both, as for datasetgan train'
)
@click.option(
    '--labels',
    type=click.Path(file_okay=False, path_type=Path),
    metavar='DIR',
    help='Where the labels are kept; those that are there are continued  [default: SAMPLES/labels]',
)
@click.option(
    '--host',
    metavar='ADDRESS',
    default='127.0.0.1',
    show_default=True,
    help='Address to serve on; 0.0.0.0 lets other machines in, with the token but without encryption',
)
@click.option(
    '--port', type=click.IntRange(0, 65535), metavar='N', default=0, show_default='a free one', help='Port to serve on'
)
@click.option('--open', 'open_browser', is_flag=True, help='Open the page in the browser')
def main(network, device, allow_pickle_code, upstream, samples, classes, labels, host, port, open_browser):
    """Label images on a page in the browser: brush, polygon, fill, keypoints, and suggestions that learn meanwhile.

    Prints the page's address. Every stroke is saved at once, in the formats that datasetgan train takes; Ctrl-C
    stops the server. On a machine that you reach by ssh, give a --port and forward it: ssh -L 8000:127.0.0.1:8000

    Examples:

    \b
    # Sixteen images of the embedded demo
    datasetgan samples --network=demo --outdir=out/samples --seeds=0-15 --trunc=0.7
    datasetgan label --network=demo --samples=out/samples --classes=datasetgan_ext/demo/task.json
    """
    from datasetgan_ext.core.task import Task
    from datasetgan_ext.generator.checkpoint import load_generator
    from datasetgan_ext.generator.samples import SampleSet
    from datasetgan_ext.labeling.session import start_server, training_of
    from datasetgan_ext.labeling.store import KEYPOINTS_FILE, open_store
    from datasetgan_ext.labeling.suggest import Suggester

    start_logging()
    sample_set = SampleSet.read(samples)
    task = Task.read(classes)
    if not sample_set.samples:
        raise UserError(f'--samples={samples} lists no images; let datasetgan samples finish first')
    with open_store(sample_set, task, labels or sample_set.folder / 'labels') as store:
        generator = load_generator(network, device, allow_pickle_code, upstream)
        sample_set.check_network(generator)
        with contextlib.ExitStack() as stack:
            suggester = stack.enter_context(Suggester(generator, store))
            training = stack.enter_context(training_of(store, network, classes, upstream, allow_pickle_code))
            server = stack.enter_context(start_server(host, port, store, suggester, training))
            print(f'Labels: {store.folder}, in it masks{f" and {KEYPOINTS_FILE}" if task.keypoints else ""}')
            print(f'Open in your browser (Ctrl-C ends): {server.url}', flush=True)
            if open_browser:
                webbrowser.open(server.ticket_url())
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print('Everything that the page showed as saved is on disk.')


if __name__ == '__main__':
    main(prog_name='datasetgan label')

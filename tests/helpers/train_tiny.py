"""Upstream's train.py with its own command line, but networks of a few channels: seconds on a CPU.

Upstream is the folder that DATASETGAN_UPSTREAM names.
"""

import os
import sys

if __name__ == '__main__':  # not in the processes that it starts
    sys.path[0] = os.environ['DATASETGAN_UPSTREAM']
    import train

    setup = train.setup_training_loop_kwargs

    def setup_tiny(**options):
        description, args = setup(**options)
        args.G_kwargs.update(z_dim=16, w_dim=16)
        for networks in (args.G_kwargs.synthesis_kwargs, args.D_kwargs):
            networks.update(channel_base=256, channel_max=16)
        return description, args

    train.setup_training_loop_kwargs = setup_tiny
    train.main()

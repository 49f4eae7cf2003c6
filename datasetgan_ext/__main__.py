"""`python -m datasetgan_ext`: the console command, where the package is not installed."""

from datasetgan_ext.cli import main

if __name__ == '__main__':
    main(prog_name='datasetgan')

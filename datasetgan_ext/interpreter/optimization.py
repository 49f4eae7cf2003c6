"""Old name of `training_options`, until tests/conftest.py imports the new one."""

from datasetgan_ext.interpreter.training_options import options_from as options_from

"""DatasetGAN for NVIDIA's stylegan2-ada-pytorch (arXiv 2104.06490): labelled datasets from a trained generator.

from datasetgan_ext import Labeler, load_generator, load_interpreter

labeler = Labeler(load_generator('demo'), load_interpreter('demo'))
for sample in labeler(range(8)):
    sample.image, sample.mask, sample.uncertainty
"""

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.version import __version__
from datasetgan_ext.generator.checkpoint import load_generator
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.interpreter import Interpreter
from datasetgan_ext.interpreter.labeler import LabeledImages, LabeledSample, Labeler

load_interpreter = Interpreter.load

__all__ = [
    'Interpreter',
    'LabeledImages',
    'LabeledSample',
    'Labeler',
    'SamplingOptions',
    'UserError',
    '__version__',
    'load_generator',
    'load_interpreter',
]

"""What the options of commands offer, and their defaults.

They stand apart from the modules that do what they name, which import torch and more: so `--help` shows at once.
"""

NOISE_MODES = ('const', 'random', 'none')
"""Of the generator's layers; see `SamplingOptions`."""

LABEL_FORMATS = ('png', 'labelme', 'coco', 'cvat', 'label-studio', 'via', 'supervisely', 'datumaro', 'yolo', 'voc')
"""Of hand labels: the names in `formats.labels.FORMATS`."""
MASK_VALUES = ('auto', 'index', 'color')
"""What pixels of masks are: to be found out, class ids, or colours; see `formats.mask_meaning`."""
UNLABELED = ('background', 'ignore')
"""What pixels can be that no shape covers: the names in `formats.labels.UNLABELED`."""
LABELS_OF = ('auto', 'photos', 'samples')
"""What labels of projected photos can be of: see `generator.hand_labels.read_sample_labels`."""

DATASET_FORMATS = ('coco', 'voc', 'yolo', 'yolo-pose', 'webdataset', 'huggingface', 'labelme', 'cvat', 'label-studio')
"""That a dataset is converted to: the names in `formats.conversions.CONVERSIONS`."""
SEGMENTATIONS = ('polygons', 'rle')
"""Of COCO's objects; see `formats.coco`."""
COMPRESSION = 1
"""Of the PNG files of a dataset, 0-9; see `formats.png`."""

PRESETS = ('default', 'reference')
"""Of the interpreter's training: the names in `interpreter.training_options.PRESETS`."""
PIXELS_PER_IMAGE = 4096
"""That training draws from each labelled image."""
SIGMA_SHARE = 0.03
"""Standard deviation of a keypoint's heatmap, as a share of the image's longer side."""

SCORES = ('labels', 'paper')
"""What an image's uncertainty is: the names in `interpreter.uncertainty.SCORES`."""

FOLDS = 5
"""Of the images that networks are scored on (DatasetGAN, section 4.2)."""
ARCHITECTURE = 'deeplabv3_resnet101'
"""Of networks trained on a dataset, as in the paper (section 4.2)."""
SMALL_ARCHITECTURE = 'small-unet'
"""One that a CPU trains in minutes."""
VIEWS = (1, 2, 8)
"""Of a photo, whose predictions are averaged: itself; its mirror image too; both also shifted three ways."""
OPTIMIZERS = ('adam', 'sgd')
"""Of networks trained on a dataset; see `downstream.learners`."""
DISCRIMINATOR_WIDTH = 64
"""Channels of the first layer of the semi-supervised baseline's discriminator."""
TRANSFORMS = ('center-crop', 'center-crop-wide', 'stretch')
"""How a photo becomes as large as a network's images. `center-crop`: the largest part in the middle that has the
image's shape. `center-crop-wide`: as upstream's transform of that name, for photos as wide as the network's images.
`stretch`: the whole photo, as upstream does without any."""
PROJECTION_STEPS = 250
"""Of the optimisation that projects a photo."""
PROJECTION_BATCH = 8
"""Photos that are projected at once."""
MIN_QUALITY = 23.0
"""PSNR in dB from which a projection is trusted."""
MAX_STRANGENESS = 4.5
"""Of a photo, from which its projection is not, whatever the PSNR: see `generator.inversion.Inverted`."""

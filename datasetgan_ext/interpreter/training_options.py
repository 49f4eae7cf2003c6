"""How an interpreter is trained, and the presets for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class TrainingOptions:
    """How an interpreter is trained. A step is one batch for each member.

    Attributes:
        preset: name of the preset that the other values started from.
        models: members of the ensemble.
        pixels_per_image: pixels drawn from each labelled image; None = all.
        balance: share of them that is spread evenly over the image's classes.
        unbalance: how far to undo, in the trained members, that the classes were drawn evenly: 0 = not, 1 = wholly. It
            pays where few of an image's pixels are drawn: see the module `class_shares`.
        min_class_pixels: a class with fewer pixels in an image becomes background there; 0 = off.
        differences: give the members the differences of neighbouring pixels, too: see the module `differences`.
        first_width: of the first hidden layer, as a share of the released DatasetGAN's; what it saves pays for the
            differences.
        standardize: bring each channel to mean 0 and deviation 1 before the first layer.
        batch: pixels per member and step.
        label_smoothing: share of the target that is spread over all classes, so that members do not grow sure of every
            pixel of the few labelled images.
        lr: Adam's learning rate, at the start.
        cosine: let it fall to 0 along half a cosine; else it is constant.
        sigma: width of the keypoints' Gaussians in pixels of the mask; None = `keypoints.heatmap_sigma`.
        heat_weight: of the keypoints' loss (squares, as the paper regresses heatmaps) beside that of the classes. The
            loss is divided by the mean height of the heatmaps at the pixels trained on, so that its weight depends
            neither on the image's size nor on how many pixels are drawn away from keypoints.
        max_steps: steps at most; None = 100 passes over the pixels, as in the released DatasetGAN.
        heldout: share of the pixels kept out of training to decide when a member stops: when its accuracy on them has
            not risen for `patience` checks, one each `trainer.CHECK_STEPS`; its best weights are kept. 0 = the rule of
            the released DatasetGAN: from the fifth pass on, when the loss of a single batch has not fallen below the
            lowest for `patience` steps in a row; its last weights are kept.
        patience: see there.
        seed: of every random choice.
    """

    preset: str = 'default'
    models: int = 10
    pixels_per_image: int | None = 4096
    balance: float = 0.5
    unbalance: float = 0.0
    min_class_pixels: int = 0
    differences: bool = True
    first_width: float = 0.5
    standardize: bool = True
    batch: int = 256
    label_smoothing: float = 0.1
    lr: float = 1e-3
    cosine: bool = True
    sigma: float | None = None
    heat_weight: float = 0.3
    max_steps: int | None = 2500
    heldout: float = 0.1
    patience: int = 10
    seed: int = 0

    def to_json(self) -> dict:
        return asdict(self)


PRESETS = {
    'default': TrainingOptions(),
    'reference': TrainingOptions(
        preset='reference',
        pixels_per_image=None,
        balance=0.0,
        min_class_pixels=30,
        differences=False,
        first_width=1.0,
        standardize=False,
        batch=64,
        label_smoothing=0.0,
        cosine=False,
        max_steps=None,
        heldout=0.0,
        patience=51,
    ),
}


def options_from(preset: str, **changes) -> TrainingOptions:
    """A preset with some values changed.

    A value of None leaves the preset's own, and 'all' for `pixels_per_image` stands for all pixels.
    """
    options = replace(PRESETS[preset], **{name: value for name, value in changes.items() if value is not None})
    return replace(options, pixels_per_image=None) if options.pixels_per_image == 'all' else options

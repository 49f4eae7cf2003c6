"""Hand labels of a sample set, and how they were understood."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Annotation, size_text
from datasetgan_ext.core.choices import LABELS_OF
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.names import SUFFIXES, find_image, listed
from datasetgan_ext.core.task import Task
from datasetgan_ext.core.text import composed
from datasetgan_ext.formats.labels import DRAWN, ReadLabels, labeled_part, read_labels
from datasetgan_ext.formats.mask_meaning import AUTO
from datasetgan_ext.generator.samples import Sample, SampleSet

MAX_NOTES = 3
"""Of the summary."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HandLabels:
    """Labels of the samples of a set.

    Attributes:
        task: the part of the task that is labelled.
        pairs: each labelled sample with its labels, in the order of the samples.
        read: the labels as they were read, and what was passed over.
        missing: what there are no labels of, a line each.
        sample_count: samples of the set, labelled or not.
    """

    task: Task
    pairs: list[tuple[Sample, Annotation]]
    read: ReadLabels
    missing: list[str]
    sample_count: int

    @property
    def notes(self) -> list[str]:
        """All that was passed over, is assumed or missing, a line each."""
        return [*self.read.notes, *self.missing]

    def summary(self) -> list[str]:
        """Three lines that say what was read."""
        annotations = [annotation for _, annotation in self.pairs]
        masks = sum(annotation.mask is not None for annotation in annotations)
        points = sum(annotation.keypoints is not None for annotation in annotations)
        kinds = []
        if self.task.classes:
            kinds.append(f'{masks} masks')
        if self.task.keypoints:
            kinds.append(f'{points} with keypoints')
        form = f' ({self.read.label_format})' if self.read.label_format else ''
        more = f' and {len(self.notes) - MAX_NOTES} more' if len(self.notes) > MAX_NOTES else ''
        told = '; '.join(self.notes[:MAX_NOTES]) + more or 'nothing'
        return [
            f'Labels: {len(self.pairs)} of {self.sample_count} samples, {", ".join(kinds)}{form}',
            f'In them: {self._contents()}',
            f'Passed over or missing: {told}{"; datasetgan check-labels shows it whole" if self.notes else ""}',
        ]

    def _contents(self) -> str:
        parts = []
        if self.task.classes:
            pixels, _ = count_classes([annotation for _, annotation in self.pairs], self.task)
            total = max(sum(pixels), 1)
            there = [f'{name} {100 * count / total:.3g} %' for name, count in zip(self.task.classes, pixels) if count]
            nowhere = [name for name, count in zip(self.task.classes, pixels) if not count]
            parts.append(', '.join(there) + (f'; nowhere: {", ".join(nowhere)}' if nowhere else ''))
        if self.task.keypoints:
            seen = [one.keypoints.visibility for _, one in self.pairs if one.keypoints is not None]
            parts.append(f'{int((np.array(seen) != ABSENT).sum())} keypoints')
        return '; '.join(parts)


def read_hand_labels(
    sample_set: SampleSet,
    task: Task,
    labels: str | Path | None,
    keypoints: str | Path | None,
    label_format: str = 'auto',
    unlabeled: str = 'background',
    seeds: list[int] | None = None,
    mask_values: str = AUTO,
    complete: bool = False,
    labels_of: str = LABELS_OF[0],
) -> HandLabels:
    """Hand labels of a sample set.

    Args:
        sample_set: what was labelled.
        task: what there may be labels of.
        labels, keypoints, label_format, unlabeled, mask_values: see `read_labels`.
        labels_of: see `read_sample_labels`.
        seeds: take the labels of these only; None = all.
        complete: whether it is an error if no image has labels of a kind, classes or keypoints, that the task has. Who
            gives keypoints alone, without `labels`, asks for them alone.

    Raises:
        UserError: labels cannot be read, are of no use for the task, do not suit the samples, or are not complete.
    """
    read = read_sample_labels(sample_set, task, labels, keypoints, label_format, unlabeled, mask_values, labels_of)
    labeled = labeled_part(task, read.annotations)
    pairs = sample_set.pair(read.annotations, labeled, seeds)
    missing = find_missing(sample_set, task, [annotation for _, annotation in pairs], every_sample=seeds is None)
    nowhere = absent_kinds(task, labeled)
    if nowhere and complete and labels is not None:
        raise UserError(
            f'`classes` lists {nowhere[0]}, and there are none of them in `labels`'
            f'{" or `keypoints`" if nowhere[0] == "keypoints" else ""}. Give them as well, or take the '
            f'{nowhere[0]} out of the class file'
        )
    missing = [f'`classes` lists {kind}, and no image has any' for kind in nowhere] + missing
    return HandLabels(labeled, pairs, read, missing, len(sample_set.samples))


def read_labels_of_sets(
    sets: Sequence[SampleSet],
    task: Task,
    labels: Sequence[str | Path],
    keypoints: Sequence[str | Path],
    label_format: str = 'auto',
    unlabeled: str = 'background',
    seeds: list[int] | None = None,
    mask_values: str = AUTO,
    labels_of: str = LABELS_OF[0],
) -> list[HandLabels]:
    """Hand labels of several sample sets, complete.

    Args:
        sets: what was labelled.
        labels, keypoints: of each of them, in the same order; or none at all.
        task, label_format, unlabeled, mask_values, labels_of: see `read_hand_labels`.
        seeds: take the labels of these only, of generated images; None = all.

    Raises:
        UserError: as for `read_hand_labels`; or there are not as many labels as sets.
    """
    for argument, given in (('labels', labels), ('keypoints', keypoints)):
        if given and len(given) != len(sets):
            raise UserError(
                f'`{argument}` is given {len(given)} times and `samples` {len(sets)} times: give each of the folders '
                f'its own, in the same order{"" if argument == "labels" else ", or keypoints.json beside its masks"}'
            )
    if seeds is not None and all(one.projecting is not None for one in sets):
        raise UserError('`seeds`: projected photos have none; give the labels of those photos that are to be learned')
    return [
        read_hand_labels(
            sample_set,
            task,
            labels[index] if labels else None,
            keypoints[index] if keypoints else None,
            label_format,
            unlabeled,
            seeds if sample_set.projecting is None else None,
            mask_values,
            complete=len(sets) == 1,
            labels_of=labels_of,
        )
        for index, sample_set in enumerate(sets)
    ]


def joined_labels(task: Task, found: Sequence[HandLabels]) -> tuple[Task, list[tuple[Sample, Annotation]]]:
    """What several sets teach: the part of the task that is labelled in any, and the pairs that can be trusted.

    Raises:
        UserError: no sample can be trusted, or classes or keypoints of the task are labelled in no set.
    """
    labeled = task.only(any(one.task.classes for one in found), any(one.task.keypoints for one in found))
    nowhere = absent_kinds(task, labeled)
    if nowhere and len(found) > 1:
        raise UserError(f'`classes` lists {nowhere[0]}, and there are none of them in any of `labels`')
    pairs = [pair for one in found for pair in one.pairs if pair[0].is_trusted]
    if not pairs:
        raise UserError(
            '`samples`: not one of the labelled photos can be trusted, the network cannot show them; look at '
            'report.html in the folder. datasetgan project with a lower --min-quality trusts more of them'
        )
    return labeled, pairs


def read_labeled_samples(
    sample_set: SampleSet,
    task: Task,
    labels: str | Path | None,
    keypoints: str | Path | None,
    label_format: str = 'auto',
    unlabeled: str = 'background',
    seeds: list[int] | None = None,
    mask_values: str = AUTO,
    labels_of: str = LABELS_OF[0],
) -> tuple[Task, list[tuple[Sample, Annotation]]]:
    """As `read_hand_labels`: the part of the task that is labelled, and the pairs. What was passed over is logged."""
    found = read_hand_labels(
        sample_set, task, labels, keypoints, label_format, unlabeled, seeds, mask_values, labels_of=labels_of
    )
    for line in found.notes:
        log.warning('%s', line)
    return found.task, found.pairs


def read_sample_labels(
    sample_set: SampleSet,
    task: Task,
    labels: str | Path | None,
    keypoints: str | Path | None,
    label_format: str = 'auto',
    unlabeled: str = 'background',
    mask_values: str = AUTO,
    labels_of: str = LABELS_OF[0],
) -> ReadLabels:
    """Labels of the samples' images. Those of whole photos are carried through the photos' crop and resize.

    Args:
        sample_set: what was labelled.
        task, labels, keypoints, label_format, unlabeled, mask_values: see `read_labels`.
        labels_of: of projected photos, what was labelled: 'photos', the whole ones; 'samples', the pictures in the
            folder; 'auto', whichever the size says that a label has.

    Raises:
        UserError: as for `read_labels`; or a label has the size of neither, or none that is told.
    """
    whole = labels_of != 'samples'
    sizes = {
        sample.name: sample.projection.crop.photo_hw if sample.projection and whole else sample_set.image_hw
        for sample in sample_set.samples
    }
    read = read_labels(task, labels, keypoints, label_format, unlabeled, sizes, mask_values)
    if sample_set.projecting is None:
        return read
    samples = {sample.name: sample for sample in sample_set.samples}
    photos, folder = _Photos(sample_set), Path(labels) if labels is not None and Path(labels).is_dir() else None
    annotations = []
    for annotation in read.annotations:
        name = find_image([annotation.name], samples)
        if name is not None:
            is_mask = annotation.mask is not None and read.label_format not in DRAWN
            if not _is_of_picture(annotation, samples[name], is_mask, labels_of):
                photos.check(annotation, name, folder)
            annotation = _as_of_sample(annotation, samples[name], is_mask, labels_of)
        annotations.append(annotation)
    return replace(read, annotations=annotations)


def _is_of_picture(annotation: Annotation, sample: Sample, is_mask: bool, labels_of: str) -> bool:
    """Whether a label is surely of the picture in the folder, and not of a photo."""
    assert sample.projection is not None
    crop = sample.projection.crop
    told = annotation.mask.shape if is_mask and annotation.mask is not None else annotation.image_hw
    return labels_of == 'samples' or labels_of == 'auto' and told == crop.image_hw != crop.photo_hw


class _Photos:
    """Of which sample a label may be by the path of the photo that it names."""

    def __init__(self, sample_set: SampleSet):
        self._files = {
            sample.name: PurePosixPath(sample.projection.file) for sample in sample_set.samples if sample.projection
        }
        self._names: dict[str, list[str]] = {}
        for name, file in self._files.items():
            self._names.setdefault(composed(file.stem), []).append(name)

    def check(self, annotation: Annotation, found: str, folder: Path | None) -> None:
        """Raises UserError where labels name the photo of another sample than that which has its name.

        Args:
            annotation: the labels.
            found: name of the sample.
            folder: of label files that have names of photos.
        """
        paths = [annotation.image] if annotation.image else []
        if folder is not None and annotation.source.is_relative_to(folder):
            place = annotation.source.relative_to(folder)
            paths.append(str(PurePosixPath(*(part for part in place.parts if part != 'ann')).with_suffix('')))
        for path in paths:
            closest = self._closest(PurePosixPath(path.replace('\\', '/')), found)
            if closest != found:
                raise UserError(
                    f'{annotation.source}: labels of {path} may be of the sample {found}, from the photo '
                    f'{self._files[found]}, or of {closest}, from {self._files[closest]}. Give the image in the labels '
                    f'the name of the sample that is meant, {found} or {closest}, and no folder; or, if the pictures '
                    "in the samples' folder were labelled, say so with `labels_of`=samples"
                )

    def _closest(self, told: PurePosixPath, found: str) -> str:
        """The sample whose photo's path is the longest end of the one that is told; `found` before others."""
        has_suffix = told.suffix.lower() in SUFFIXES
        stem = composed(told.stem if has_suffix else told.name)
        fits = {}
        for name in self._names.get(stem, ()):
            file = self._files[name]
            parts = (*file.parent.parts, file.name if has_suffix else file.stem)
            if tuple(map(composed, told.parts))[-len(parts) :] == tuple(map(composed, parts)):
                fits[name] = len(parts)
        return max(fits, key=lambda name: (fits[name], name == found), default=found)


def _as_of_sample(annotation: Annotation, sample: Sample, is_mask: bool, labels_of: str) -> Annotation:
    """Labels of a projected photo, or of the part of it that is a sample, as those of the part.

    Args:
        annotation: one or the other.
        sample: of the photo.
        is_mask: whether the labels came as a mask, whose size is that of what was labelled.
        labels_of: see `read_sample_labels`.
    """
    assert sample.projection is not None
    crop = sample.projection.crop
    if labels_of == 'samples' or crop.photo_hw == crop.image_hw:
        return annotation
    mask_hw = annotation.mask.shape if is_mask and annotation.mask is not None else None
    told = {hw for hw in (annotation.image_hw, mask_hw) if hw is not None}
    if told == {crop.photo_hw} or (labels_of == 'photos' and not told):
        return crop.annotation(annotation)
    if labels_of == 'auto' and told == {crop.image_hw}:
        return annotation
    both = (
        f'the photo {sample.projection.file}, {size_text(crop.photo_hw)}, or its part {sample.image}, '
        f'{size_text(crop.image_hw)} (height x width)'
    )
    if not told:
        raise UserError(
            f'{annotation.source} does not tell the size of the image that was labelled: {both}? Say so with '
            '`labels_of`=photos or `labels_of`=samples'
        )
    found = ' and '.join(size_text(hw) for hw in sorted(told))
    raise UserError(f'{annotation.source}: the labels of {annotation.name} are of {found}, which is not {both}')


def absent_kinds(task: Task, labeled: Task) -> list[str]:
    """Which of classes and keypoints a task has and nobody has labelled."""
    kinds = (('classes', task.classes, labeled.classes), ('keypoints', task.keypoints, labeled.keypoints))
    return [kind for kind, names, there in kinds if names and not there]


def find_missing(
    sample_set: SampleSet, task: Task, annotations: list[Annotation], every_sample: bool = True
) -> list[str]:
    """What labels of a sample set lack, a line each.

    Args:
        sample_set: what was labelled.
        task: what there may be labels of.
        annotations: the labels.
        every_sample: whether samples without labels count.
    """
    names = {annotation.name for annotation in annotations}
    bare = [sample.name for sample in sample_set.samples if sample.name not in names] if every_sample else []
    lines = [f'{len(bare)} of {len(sample_set.samples)} samples have no label: {listed(bare)}'] if bare else []
    labeled = labeled_part(task, annotations)
    lacking = {
        'no mask': [one.name for one in annotations if labeled.classes and one.mask is None],
        'no keypoints': [one.name for one in annotations if labeled.keypoints and one.keypoints is None],
        'a mask without any labelled pixel': [
            one.name for one in annotations if one.mask is not None and (one.mask == IGNORE).all()
        ],
        'a projection that is not to be trusted, and are not learned from': [
            sample.name for sample in sample_set.samples if sample.name in names and not sample.is_trusted
        ],
    }
    return lines + [f'{len(found)} images have {what}: {listed(found)}' for what, found in lacking.items() if found]


def count_classes(annotations: list[Annotation], task: Task) -> tuple[list[int], list[int]]:
    """Pixels of each class, and images that have it; of masks alone, and of ids that the task has."""
    pixels = np.zeros(256, np.int64)
    images = np.zeros(256, np.int64)
    for annotation in annotations:
        if annotation.mask is not None:
            counts = np.bincount(annotation.mask.ravel(), minlength=256)
            pixels += counts
            images += counts > 0
    return pixels[: len(task.classes)].tolist(), images[: len(task.classes)].tolist()

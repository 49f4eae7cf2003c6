"""How labels of a sample set were understood: tables, a contact sheet, and the labels in the plainest form."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from datasetgan_ext.core.annotation import ABSENT, IGNORE, Annotation, size_text
from datasetgan_ext.core.choices import LABELS_OF
from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix, holds_files, save_atomically, write_atomically, writing
from datasetgan_ext.core.images import read_rgb
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import flat_keypoints, keypoint_category, keypoint_object, write_coco
from datasetgan_ext.formats.labels import labeled_part
from datasetgan_ext.formats.mask_meaning import AUTO
from datasetgan_ext.formats.png import write_mask
from datasetgan_ext.generator.hand_labels import (
    HandLabels,
    absent_kinds,
    count_classes,
    find_missing,
    read_sample_labels,
)
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.report.label_sheet import SheetRow, draw_label_sheet

LABELS_FILE, SHEET_FILE, KEYPOINTS_FILE = 'labels.json', 'sheet.png', 'keypoints.json'
FEW_PIXELS = 5
"""A class with fewer pixels in an image is worth a warning: a slip of the brush, or a wrong colour."""


@dataclass
class CheckedImage:
    """One labelled image.

    Attributes:
        annotation: its labels.
        sample: the sample that they are of; None = there is none.
        picture: uint8 [H, W, 3]; None = its file is missing.
        problems: why training would refuse the labels.
        warnings: what is worth a look.
    """

    annotation: Annotation
    sample: Sample | None
    picture: np.ndarray | None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def pixels(self, task: Task) -> dict[str, int]:
        """Pixels of each class that the mask has."""
        counts, _ = count_classes([self.annotation], task)
        return {name: count for name, count in zip(task.classes, counts) if count}

    @property
    def unlabeled(self) -> int | None:
        """Pixels of the mask without a label; None = there is no mask."""
        mask = self.annotation.mask
        return None if mask is None else int((mask == IGNORE).sum())

    @property
    def keypoint_count(self) -> int:
        keypoints = self.annotation.keypoints
        return 0 if keypoints is None else int((keypoints.visibility != ABSENT).sum())


@dataclass
class LabelCheck:
    """How labels were understood.

    Attributes:
        sample_set: what they are of.
        task: what the class file asks for.
        images: in the order of the samples, then those that are no samples.
        found: the labels that training would take.
        problems: what is wrong, besides the images' own problems.
    """

    sample_set: SampleSet
    task: Task
    images: list[CheckedImage]
    found: HandLabels
    problems: list[str]

    @property
    def all_problems(self) -> list[str]:
        """All that is wrong, a line each; none = training takes the labels."""
        return [*self.problems, *(problem for image in self.images for problem in image.problems)]

    def table(self) -> str:
        """The tables of images and of classes, what was passed over, and what is wrong, as text."""
        width = max([len('image'), *(len(image.annotation.name) for image in self.images)])
        rows = [f'{"image":{width}}  labelled  keypoints  pixels']
        for image in self.images:
            rows.append(
                f'{image.annotation.name:{width}}  {self._share(image):>8}  {self._points(image):>9}  '.rstrip()
            )
            pixels = ', '.join(f'{name} {count}' for name, count in image.pixels(self.task).items())
            rows[-1] = f'{rows[-1]:{width + 21}}  {pixels}'.rstrip()
            rows += [f'{"":{width}}  ! {line}' for line in (*image.problems, *image.warnings)]
        if self.task.classes:
            rows += ['', *self._class_rows()]
        for title, lines in (('Passed over or missing:', self.found.notes), ('Wrong:', self.all_problems)):
            if lines:
                rows += ['', title, *(f'  {line}' for line in lines)]
        return '\n'.join(rows)

    def _share(self, image: CheckedImage) -> str:
        mask = image.annotation.mask
        return '-' if mask is None else f'{100 * (1 - image.unlabeled / mask.size):.4g} %'

    def _points(self, image: CheckedImage) -> str:
        return f'{image.keypoint_count}/{len(self.task.keypoints)}' if self.task.keypoints else '-'

    def _class_rows(self) -> list[str]:
        pixels, images = count_classes([image.annotation for image in self.images], self.task)
        total = max(sum(pixels), 1)
        width = max(len('class'), *map(len, self.task.classes))
        rows = [f'{"class":{width}}  id  images      pixels']
        for index, name in enumerate(self.task.classes):
            rows.append(
                f'{name:{width}}  {index:>2}  {images[index]:>6}  {pixels[index]:>10}  '
                f'{100 * pixels[index] / total:6.2f} %' + ('  ! nowhere' if not pixels[index] else '')
            )
        return rows

    def to_json(self) -> dict:
        """The same as a JSON-ready dict."""
        pixels, images = count_classes([image.annotation for image in self.images], self.task)
        rows = []
        for image in self.images:
            row = {'name': image.annotation.name, 'source': str(image.annotation.source)}
            if image.annotation.mask is not None:
                row |= {'pixels': image.pixels(self.task), 'unlabeled': image.unlabeled}
            if image.annotation.keypoints is not None:
                row['keypoints'] = flat_keypoints(image.annotation.keypoints)
            rows.append(row | {'problems': image.problems, 'warnings': image.warnings})
        return {
            'format': self.found.read.label_format,
            'samples': len(self.sample_set.samples),
            'images': rows,
            'classes': [
                {'id': index, 'name': name, 'images': images[index], 'pixels': pixels[index]}
                for index, name in enumerate(self.task.classes)
            ],
            'keypoints': list(self.task.keypoints),
            'notes': self.found.notes,
            'problems': self.all_problems,
        }

    def write(self, outdir: Path) -> None:
        """Write masks/, keypoints.json, labels.json and sheet.png, in place of those of an earlier check.

        Raises:
            UserError: the folder holds other things, or cannot be written.
        """
        if holds_files(outdir) and not (outdir / LABELS_FILE).is_file():
            raise UserError(f'`outdir`={outdir} holds other files than an earlier check; give an empty or new folder')
        with writing(outdir):
            (outdir / 'masks').mkdir(parents=True, exist_ok=True)
            for path in (*files_by_suffix(outdir / 'masks', '.png'), outdir / SHEET_FILE, outdir / KEYPOINTS_FILE):
                path.unlink(missing_ok=True)
        right = [image for image in self.images if image.sample is not None and not image.problems]
        for image in right:
            mask = image.annotation.mask
            if mask is not None:
                save_atomically(
                    outdir / 'masks' / f'{image.sample.name}.png',
                    lambda path, mask=mask: write_mask(path, mask, self.task.flat_palette),
                )
        with_keypoints = [image for image in right if image.annotation.keypoints is not None]
        if with_keypoints:
            self._write_keypoints(outdir / KEYPOINTS_FILE, with_keypoints)
        if self.images:
            draw_label_sheet(outdir / SHEET_FILE, [self._sheet_row(image) for image in self.images], self.task)
        write_atomically(outdir / LABELS_FILE, (json.dumps(self.to_json(), indent=1) + '\n').encode())

    def _write_keypoints(self, path: Path, images: list[CheckedImage]) -> None:
        records = []
        for image in images:
            points = image.annotation.keypoints.points[image.annotation.keypoints.visibility != ABSENT]
            low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.zeros(2))
            records.append(
                {
                    'file': Path(image.sample.image).name,
                    'keypoints': flat_keypoints(image.annotation.keypoints),
                    'box': [round(float(value), 2) for value in (*low, *(high - low))],
                }
            )
        save_atomically(
            path,
            lambda temporary: write_coco(
                temporary,
                [keypoint_category(self.task)],
                lambda record: record['file'],
                lambda: iter(records),
                self.sample_set.image_hw,
                keypoint_object,
            ),
        )

    def _sheet_row(self, image: CheckedImage) -> SheetRow:
        hw = self.sample_set.image_hw if image.annotation.mask is None else image.annotation.mask.shape
        picture = image.picture
        if picture is None or picture.shape[:2] != hw:
            picture = np.full((*hw, 3), 128, np.uint8)
        lines = [*image.problems, *image.warnings]
        parts = []
        if image.annotation.mask is not None:
            parts.append(f'{len(image.pixels(self.task))} of {len(self.task.classes)} classes')
        if self.task.keypoints:
            parts.append(f'{image.keypoint_count} of {len(self.task.keypoints)} keypoints')
        if image.unlabeled:
            parts.append(f'{100 * image.unlabeled / image.annotation.mask.size:.3g} % without label')
        return SheetRow(
            image.annotation.name, picture, image.annotation, '; '.join(lines) or ', '.join(parts), bool(lines)
        )


def check_labels(
    sample_set: SampleSet,
    task: Task,
    labels: str | Path | None,
    keypoints: str | Path | None = None,
    label_format: str = 'auto',
    unlabeled: str = 'background',
    mask_values: str = AUTO,
    labels_of: str = LABELS_OF[0],
) -> LabelCheck:
    """Read labels as training does, and look at each image's.

    Args:
        sample_set: what was labelled.
        task: what the class file asks for.
        labels, keypoints, label_format, unlabeled, mask_values, labels_of: see `read_sample_labels`.

    Raises:
        UserError: the labels cannot be read at all.
    """
    read = read_sample_labels(sample_set, task, labels, keypoints, label_format, unlabeled, mask_values, labels_of)
    samples = {sample.name: sample for sample in sample_set.samples}
    order = {name: place for place, name in enumerate(samples)}
    annotations = sorted(read.annotations, key=lambda one: order.get(one.name, len(order)))
    images = [_check_image(annotation, samples.get(annotation.name), sample_set, task) for annotation in annotations]
    labeled = labeled_part(task, annotations)
    pairs = [(image.sample, image.annotation) for image in images if image.sample is not None and not image.problems]
    nowhere = [f'`classes` lists {kind}, and no image has any' for kind in absent_kinds(task, labeled)]
    problems = nowhere if labels is not None else []
    if not annotations:
        problems.append('no image has labels')
    missing = [*(nowhere if labels is None else []), *find_missing(sample_set, task, annotations)]
    return LabelCheck(
        sample_set, task, images, HandLabels(labeled, pairs, read, missing, len(sample_set.samples)), problems
    )


def _check_image(annotation: Annotation, sample: Sample | None, sample_set: SampleSet, task: Task) -> CheckedImage:
    found = CheckedImage(annotation, sample, None)
    try:
        sample_set.pair([annotation], task)
    except UserError as error:
        found.problems.append(error.message)
    if sample is not None:
        try:
            found.picture = read_rgb(sample_set.folder / sample.image)
        except UserError as error:
            found.warnings.append(error.message)
    if found.picture is not None and found.picture.shape[:2] != sample_set.image_hw:
        found.problems.append(
            f'{sample_set.folder / sample.image} is {size_text(found.picture.shape[:2])}, samples.json says '
            f'{size_text(sample_set.image_hw)} (height x width)'
        )
    few = [name for name, count in found.pixels(task).items() if count < FEW_PIXELS]
    if few:
        found.warnings.append(f'fewer than {FEW_PIXELS} pixels of {", ".join(few)}')
    if task.classes and annotation.mask is not None and found.unlabeled == annotation.mask.size:
        found.warnings.append('no pixel has a label')
    return found

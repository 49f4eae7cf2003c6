"""A run: seeds through the labeler into a folder, continued where it stopped."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import holds_files, locked, write_atomically, writing
from datasetgan_ext.core.seeds import format_seeds, parse_seeds
from datasetgan_ext.core.version import __version__
from datasetgan_ext.formats.coco import RLE
from datasetgan_ext.formats.conversions import (
    CONVERSIONS,
    check_conversion,
    convert_within,
    make_conversion,
    remove_conversion,
)
from datasetgan_ext.formats.folder import (
    DATASET_FILE,
    FORMAT,
    FORMAT_VERSION,
    KEYPOINTS_FILE,
    MANIFEST,
    PARTIAL,
    FolderDataset,
    Summary,
    read_info,
    read_manifest,
)
from datasetgan_ext.formats.png import COMPRESSION, read_image, read_mask
from datasetgan_ext.generation.curation import UNITS, Curation
from datasetgan_ext.generation.folder import Encoded, FolderWriter
from datasetgan_ext.generation.manifest import RunManifest
from datasetgan_ext.generation.reuse import OtherRun, differences, find_runs, split
from datasetgan_ext.generation.upload import Destination
from datasetgan_ext.generation.workers import Job, label_here, label_in_processes, same_sums
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.report.card import write_card
from datasetgan_ext.report.page import write_report
from datasetgan_ext.report.preview import draw_preview
from datasetgan_ext.report.strata import read_scores, stratify

log = logging.getLogger(__name__)

PREVIEW_SAMPLES = 3  # of each stratum
OURS = ('images', 'masks', MANIFEST, PARTIAL, KEYPOINTS_FILE, 'preview.png', 'report.html', 'README.md')


@dataclass
class Run:
    """One dataset to be made.

    Attributes:
        labeler: makes the samples.
        seeds: which ones, no two alike.
        outdir: the dataset's folder.
        keep: share of the samples that is certain enough to be kept, in (0, 1].
        interpreter_source: what `interpreter` was, for the record.
        compression: of the PNG files, 0 (none) to 9 (slow).
        recipes: each makes a labeler like `labeler` in a process of its own; with less than two, `labeler` does it all.
        formats: in which the dataset is written too, once it is whole, each into a folder of its name in `outdir`.
        val, shard_size, segmentation: of these formats, as their conversions have them.
        min_pixels: least number of pixels of a class, by its name, that a sample must have to be kept.
        balance: share of the kept samples in which each class shall be; None = as they come.
        drop: delete the files of samples that are not kept.
        cluster: does jobs on other machines, in place of `recipes`; see `Cluster.label`.
        device: the kind of device that computes, for the record; None = `labeler`'s.
        destination: where the finished dataset is copied to; None = nowhere.
        reuse: folders of other runs, or folders of such folders, from which samples are taken over.
    """

    labeler: Labeler
    seeds: Sequence[int]
    outdir: Path
    keep: float
    interpreter_source: str
    compression: int = COMPRESSION
    recipes: Sequence[Callable[[], Labeler]] = ()
    formats: Sequence[str] = ()
    val: float = 0.1
    shard_size: int = 1000
    segmentation: str = RLE
    min_pixels: Sequence[tuple[str, int]] = ()
    balance: float | None = None
    drop: bool = False
    cluster: Callable[[Iterator[Job], FolderWriter, tuple[str, str]], Iterator[list[Encoded]]] | None = None
    device: str | None = None
    destination: Destination | None = None
    reuse: Sequence[Path] = ()

    def __call__(self, overwrite: bool = False) -> Summary:
        """Make the dataset, or what is missing of it. The summary is written last.

        The result depends on network, interpreter, options and seeds alone (and, by rounding, on the kind of device and
        the batch size): a run that was stopped and continued ends with the same bytes as one that was not.

        Args:
            overwrite: delete a dataset of ours that is in the folder, whatever its options.

        Raises:
            UserError: the folder holds other things, or a dataset with other options; or it cannot be written.
        """
        info = self._info()  # raises if an option does not suit the task
        for conversion in self._conversions():
            check_conversion(conversion, info, self.outdir)
        others = self._other_runs(info)
        with writing(self.outdir):
            self.outdir.mkdir(parents=True, exist_ok=True)
        with locked(self.outdir):
            return self._run(overwrite, others)

    def _run(self, overwrite: bool, others: list[OtherRun]) -> Summary:
        if self.destination is not None and (found := self.destination.options()) is not None:
            self._check_same(found, f'`upload`={self.destination.url}')
        self._prepare_folder(overwrite)
        if self.destination is not None:
            self.destination.claim(self.outdir)
        writer = FolderWriter(
            self.outdir, self.labeler.interpreter.task, self.labeler.interpreter.image_hw, self.compression
        )
        # where the files of dropped samples go, records alone tell who is dropped
        manifest = RunManifest(self.outdir, writer.is_whole, records_alone=self.drop)
        for other in others:
            missing = {seed for seed in other.seeds if seed not in manifest}
            self._write(other.samples(missing), f'from {other.folder.name}', len(missing), manifest, writer)
        self._make(lambda seed: seed not in manifest, manifest, writer)
        dropped = manifest.dropped(self.seeds, self.curation)
        while missing := manifest.without_files - dropped.keys():
            self._make(missing.__contains__, manifest, writer)
            dropped = manifest.dropped(self.seeds, self.curation)
        if len(dropped) == len(self.seeds):
            raise UserError(
                '`min_pixels`: not one image has as many pixels of these classes. Nothing is lost: another '
                f'`outdir`, with `reuse`={self.outdir} and other numbers, takes over what was made'
            )
        summary = manifest.finish(self.seeds, dropped)
        self._tell_scarce_classes(summary)
        writer.finish(self.outdir / MANIFEST)
        self._draw_preview()
        info = {**self._info(), 'summary': asdict(summary)}
        write_report(self.outdir / 'report.html', info, summary, self.outdir / MANIFEST, self._pictures)
        if self.drop:
            for record in read_manifest(self.outdir / MANIFEST):
                if not record['kept']:
                    writer.delete(record)
        write_atomically(self.outdir / 'README.md', write_card(info, summary).encode())
        self._write_info(info)
        self._convert()
        if self.destination is not None:
            self.destination.send(self.outdir)
        return summary

    def _make(self, wanted: Callable[[int], bool], manifest: RunManifest, writer: FolderWriter) -> None:
        """Make the samples of the seeds that are wanted."""
        todo = sum(map(wanted, self.seeds))
        with closing(self._results(wanted, writer)) as results:
            self._write(itertools.chain.from_iterable(results), 'labelling', todo, manifest, writer)

    @staticmethod
    def _write(samples: Iterable[Encoded], name: str, count: int, manifest: RunManifest, writer: FolderWriter) -> None:
        with tqdm(total=count, desc=name, unit='image', disable=None, mininterval=0.5) as bar:
            for encoded in samples:
                manifest.append(writer.write(encoded))
                bar.update()

    def _results(self, wanted: Callable[[int], bool], writer: FolderWriter) -> Iterator[list[Encoded]]:
        """The samples that are wanted, batch by batch, in any order."""
        labeler = self.labeler
        # always whole batches, so that neighbours in a batch do not depend on where a run was stopped
        jobs = (
            Job(list(batch), seeds)
            for batch in split(self.seeds, labeler.batch)
            if (seeds := set(filter(wanted, batch)))
        )
        fingerprints = (labeler.generator.fingerprint, labeler.interpreter.fingerprint)
        if self.cluster is not None:
            yield from self.cluster(jobs, writer, fingerprints)
        elif len(self.recipes) > 1:
            yield from label_in_processes(jobs, self.recipes, writer, fingerprints)
        else:
            yield from label_here(jobs, labeler, writer)

    def _other_runs(self, info: dict) -> list[OtherRun]:
        if not self.reuse:
            return []
        batches = list(split(self.seeds, self.labeler.batch))
        return [
            OtherRun(folder, info, batches)
            for given in self.reuse
            for folder in find_runs(given)
            if folder.resolve() != self.outdir.resolve()
        ]

    @property
    def curation(self) -> Curation:
        """Which samples are kept."""
        return Curation.of(self.labeler.interpreter.task, self.keep, self.min_pixels, self.balance)

    def _options(self) -> dict:
        """What decides the dataset's content, by the name of the flag."""
        labeler = self.labeler
        sampling = labeler.options
        crop, projected = sampling.crop_hw, labeler.projected
        return {
            'network': labeler.generator.fingerprint,
            'interpreter': labeler.interpreter.fingerprint,
            'seeds': format_seeds(self.seeds),
            'trunc': sampling.trunc if projected is None else None,
            'trunc-cutoff': sampling.trunc_cutoff if projected is None else None,
            'noise-mode': sampling.noise_mode,
            'class': sampling.class_idx if projected is None else None,
            'crop': f'{crop[0]}x{crop[1]}' if crop else None,
            'mix-styles': sampling.mix_styles or None,
            'projected-w': None if projected is None else hashlib.sha256(projected.tobytes()).hexdigest(),
            **self.curation.to_json(labeler.interpreter.task),
            'compression': self.compression,
        }

    def _info(self) -> dict:
        task = self.labeler.interpreter.task
        return {
            'format': FORMAT,
            'version': FORMAT_VERSION,
            'options': self._options(),
            'sources': {'network': self.labeler.generator.source, 'interpreter': self.interpreter_source},
            **task.to_json(),
            'image_hw': list(self.labeler.interpreter.image_hw),
            'labelled_images': self.labeler.interpreter.training['images'],
            'drop': self.drop,
            'batch': self.labeler.batch,
            'device': self.device or self.labeler.generator.device.type,
            'versions': {
                'datasetgan-ext': __version__,
                'torch': torch.__version__,
                'numpy': np.__version__,
                'pillow': PIL.__version__,
                'python': platform.python_version(),
            },
        }

    def _write_info(self, info: dict) -> None:
        write_atomically(self.outdir / DATASET_FILE, (json.dumps(info, indent=1) + '\n').encode())

    def _prepare_folder(self, overwrite: bool) -> None:
        if holds_files(self.outdir):
            try:
                found = read_info(self.outdir)['options']
            except UserError as error:
                raise UserError(
                    f'`outdir`: {error.message}; nothing was touched. Give an empty or new folder'
                ) from error
            if overwrite:
                self._delete()
            else:
                self._check_same(found, f'`outdir`={self.outdir}')
        self._write_info(self._info())  # without a summary: not finished

    def _check_same(self, found: dict, place: str) -> None:
        """Raises UserError unless the dataset that is at a place has our options, or fewer seeds."""
        differing = differences(found, self._options(), but=['seeds'] if self._extends(found.get('seeds')) else [])
        if differing:
            raise UserError(
                f'{place} holds a dataset made with other options: {"; ".join(differing)}. '
                'Give another place or the same options (`seeds` may be extended at the end); '
                'or delete it, an `outdir` with `overwrite`'
            )

    def _extends(self, seeds: object) -> bool:
        """Whether our seeds go on from those, with no batch of them changed."""
        try:
            done = parse_seeds(seeds)
        except (UserError, TypeError):
            return False
        return len(done) % self.labeler.batch == 0 and list(self.seeds[: len(done)]) == list(done)

    def _conversions(self) -> list:
        options = {'val': self.val, 'shard_size': self.shard_size, 'segmentation': self.segmentation}
        return [make_conversion(name, options) for name in self.formats]

    def _convert(self) -> None:
        dataset = FolderDataset(self.outdir)
        for conversion in self._conversions():
            convert_within(dataset, conversion)
        for name, _ in dataset.outdated_conversions():
            log.warning('%s holds the dataset as it was before; `format`=%s writes it anew', self.outdir / name, name)

    def _tell_scarce_classes(self, summary: Summary) -> None:
        for name, images in zip(self.labeler.interpreter.task.classes, summary.class_images):
            if self.balance is not None and 0 < images / summary.kept < self.balance - 0.5 / UNITS:
                log.warning(
                    '%s is in %.1f %% of the kept images: too few images have it for `balance_classes`=%s',
                    name,
                    100 * images / summary.kept,
                    self.balance,
                )

    def _delete(self) -> None:
        """Delete the dataset but for dataset.json, which tells that the folder is ours until another replaces it."""
        for name in CONVERSIONS:
            remove_conversion(self.outdir, name)
        for name in OURS:
            path = self.outdir / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _draw_preview(self) -> None:
        strata = stratify(read_scores(self.outdir / MANIFEST), PREVIEW_SAMPLES)
        names = [name for name, part in strata.items() for _ in part]
        with same_sums(self.labeler):
            samples = list(self.labeler(score.seed for part in strata.values() for score in part))
        draw_preview(self.outdir / 'preview.png', list(zip(samples, names)), self.labeler.interpreter.task)

    def _pictures(self, record: dict) -> tuple[np.ndarray, np.ndarray | None]:
        """Image and mask of a record: from its files or, if these were deleted, made again to the same last bit."""
        paths = [self.outdir / record[kind] for kind in ('image', 'mask') if kind in record]
        if all(path.is_file() for path in paths):
            return read_image(paths[0]), read_mask(paths[1]) if len(paths) > 1 else None
        batch = self.labeler.batch
        start = self.seeds.index(record['seed']) // batch * batch
        (sample,) = (
            sample
            for sample in self.labeler.label(list(self.seeds[start : start + batch]))
            if sample.seed == record['seed']
        )
        return sample.image, sample.mask

"""A run: latents through the labeler into a folder, continued where it stopped."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import holds_files, writing
from datasetgan_ext.core.locks import locked
from datasetgan_ext.formats.conversions import check_conversion, convert_within
from datasetgan_ext.formats.folder import Conversion, FolderDataset, Summary
from datasetgan_ext.formats.png import COMPRESSION
from datasetgan_ext.generation.claim import check_destination, claim_folder, write_info
from datasetgan_ext.generation.curation import UNITS, Curation
from datasetgan_ext.generation.description import describe
from datasetgan_ext.generation.encoding import Encoded, Encoder
from datasetgan_ext.generation.executors import Executor, Fingerprints, Job, ThisProcess
from datasetgan_ext.generation.folder import FolderWriter
from datasetgan_ext.generation.manifest import RunManifest
from datasetgan_ext.generation.reuse import OtherRun, other_runs, split
from datasetgan_ext.generation.upload import Destination
from datasetgan_ext.interpreter.labeler import Labeler
from datasetgan_ext.report.publish import publish

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One dataset to be made.

    Example:
        >>> run = Run(labeler, range(1000), Path('out/cars'), Curation(keep=0.9))
        >>> summary = run()

    Attributes:
        labeler: makes the samples; its latents say from what.
        ids: which of these latents, no two alike: seeds, or rows of projected ones.
        outdir: the dataset's folder.
        curation: which samples are kept.
        executor: labels, here or elsewhere, with labelers like `labeler`; None = `labeler` itself, in this process.
        conversions: formats in which the dataset is written too, once it is whole, each into a folder in `outdir`.
        compression: of the PNG files, 0 (none) to 9 (slow).
        drop: delete the files of samples that are not kept.
        reuse: folders of other runs, or folders of such folders, from which samples are taken over.
        destination: where the finished dataset is copied to; None = nowhere.
        interpreter_source: where the interpreter came from, for the record.
    """

    labeler: Labeler
    ids: Sequence[int]
    outdir: Path
    curation: Curation
    executor: Executor | None = None
    conversions: Sequence[Conversion] = ()
    compression: int = COMPRESSION
    drop: bool = False
    reuse: Sequence[Path] = ()
    destination: Destination | None = None
    interpreter_source: str = ''

    def __call__(self, overwrite: bool = False) -> Summary:
        """Make the dataset, or what is missing of it. The summary is written last.

        The result depends on network, interpreter, options and ids alone (and, by rounding, on the kind of device and
        the batch size): a run that was stopped and continued ends with the same bytes as one that was not.

        Args:
            overwrite: delete a dataset of ours that is in the folder, whatever its options.

        Raises:
            UserError: the folder holds other things, or a dataset with other options; or it cannot be written.
        """
        self._check_ids()
        executor = self.executor or ThisProcess(self.labeler)
        description = describe(
            self.labeler,
            list(self.ids),
            curation=self.curation,
            compression=self.compression,
            drop=self.drop,
            device=executor.device,
            interpreter_source=self.interpreter_source,
        )
        for conversion in self.conversions:
            check_conversion(conversion, description, self.outdir)
        others = other_runs(self.reuse, self.outdir, description)
        with writing(self.outdir):
            self.outdir.mkdir(parents=True, exist_ok=True)
        with locked(self.outdir), nullcontext() if self.destination is None else self.destination.held():
            if self.destination is not None:
                check_destination(self.destination, description)
            if overwrite and holds_files(self.outdir):
                self._try_out()
            claim_folder(self.outdir, description, overwrite)
            if self.destination is not None:
                self.destination.claim(self.outdir)
            summary = self._fill(executor, description, others)
            if self.destination is not None:
                self.destination.send(self.outdir)
        return summary

    def _try_out(self) -> None:
        """Make one sample, before a dataset is deleted for others that perhaps cannot be made."""
        encoder = Encoder(self.labeler.interpreter.task, self.compression)
        for sample in self.labeler(self.ids[:1]):
            encoder(sample)

    def _check_ids(self) -> None:
        known = self.labeler.latents.ids
        unknown = next((number for number in self.ids if number not in known), None)
        if unknown is not None:
            raise UserError(
                f'`ids`: there is no {self.labeler.latents.id_name} {unknown}; they go from {known[0]} to {known[-1]}'
            )
        if not self.ids or len(set(self.ids)) < len(self.ids):
            raise UserError('`ids` is empty or has a number twice; give each sample once')

    def _fill(self, executor: Executor, description: dict, others: list[OtherRun]) -> Summary:
        """Make a dataset in the folder that is ours now."""
        task = self.labeler.interpreter.task
        writer = FolderWriter(self.outdir)
        # where the files of dropped samples go, records alone tell who is dropped
        encoder = Encoder(task, self.compression)
        manifest = RunManifest(self.outdir, writer.is_whole, encoder.is_own, records_alone=self.drop)

        def add(samples: Iterable[Encoded], name: str, count: int) -> None:
            with tqdm(total=count, desc=name, unit='image', disable=None, mininterval=0.5) as bar:
                for encoded in samples:
                    manifest.append(writer.write(encoded))
                    bar.update()

        def label(is_wanted: Callable[[int], bool]) -> None:
            jobs = _jobs(self.ids, self.labeler.batch, is_wanted)
            with closing(executor.label(jobs, encoder, Fingerprints.of(self.labeler))) as results:
                add(itertools.chain.from_iterable(results), 'labelling', sum(map(is_wanted, self.ids)))

        for other in others:
            missing = {number for number in other.ids if number not in manifest}
            add(other.samples(missing, encoder.is_own), f'from {other.folder.name}', len(missing))
        label(lambda number: number not in manifest)
        if lost := manifest.find_lost(writer.has_files):
            log.warning('%d images were deleted in %s while it was being written: making them again', lost, self.outdir)
            label(lambda number: number not in manifest)
        dropped = manifest.dropped(self.ids, self.curation)
        while missing := manifest.without_files - dropped.keys():
            label(missing.__contains__)
            dropped = manifest.dropped(self.ids, self.curation)
        if len(dropped) == len(self.ids):
            raise UserError(
                '`min_pixels`: not one image has as many pixels of these classes. Nothing is lost: another '
                f'`outdir`, with `reuse`={self.outdir} and other numbers, takes over what was made'
            )
        summary = manifest.finish(self.ids, dropped)
        self._warn_of_scarce_classes(summary)
        if task.keypoints:
            writer.write_keypoints(task, self.labeler.interpreter.image_hw)
        info = {**description, 'summary': asdict(summary)}
        publish(self.outdir, info, summary, labeler=self.labeler, ids=self.ids)
        if self.drop:
            writer.delete_dropped()
        write_info(self.outdir, info)
        self._convert()
        return summary

    def _convert(self) -> None:
        dataset = FolderDataset(self.outdir)
        for conversion in self.conversions:
            convert_within(dataset, conversion)
        for name, _ in dataset.outdated_conversions():
            log.warning('%s holds the dataset as it was before; `format`=%s writes it anew', self.outdir / name, name)

    def _warn_of_scarce_classes(self, summary: Summary) -> None:
        balance = self.curation.balance
        if balance is None:
            return
        for name, images in zip(self.labeler.interpreter.task.classes, summary.class_images):
            if 0 < images / summary.kept < balance - 0.5 / UNITS:
                log.warning(
                    '%s is in %.1f %% of the kept images: too few images have it for `balance_classes`=%s',
                    name,
                    100 * images / summary.kept,
                    balance,
                )


def _jobs(ids: Sequence[int], batch: int, is_wanted: Callable[[int], bool]) -> Iterator[Job]:
    """The forward passes that make the wanted samples.

    Always whole batches, so that neighbours in a batch do not depend on where a run was stopped.
    """
    for chunk in split(ids, batch):
        wanted = set(filter(is_wanted, chunk))
        if wanted:
            yield Job(list(chunk), wanted)

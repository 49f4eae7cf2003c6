"""A run: seeds through the labeler into a folder, continued where it stopped."""
from __future__ import annotations

import hashlib
import itertools
import json
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from tqdm import tqdm

from datasetgan_ext.errors import UserError
from datasetgan_ext.export.card import write_card
from datasetgan_ext.export.dataset import DATASET_FILE, FORMAT, FORMAT_VERSION, KEYPOINTS_FILE, read_info
from datasetgan_ext.export.folder import Encoded, FolderWriter
from datasetgan_ext.export.manifest import MANIFEST, PARTIAL, RunManifest, Summary
from datasetgan_ext.export.preview import draw_preview
from datasetgan_ext.export.report import write_report
from datasetgan_ext.export.strata import read_scores, stratify
from datasetgan_ext.export.upload import Destination
from datasetgan_ext.export.workers import Job, do_job, label_in_processes
from datasetgan_ext.files import holds_files, locked, write_atomically, writing
from datasetgan_ext.labeler import Labeler
from datasetgan_ext.labels.png import COMPRESSION, read_image, read_mask
from datasetgan_ext.seeds import format_seeds, parse_seeds
from datasetgan_ext.version import __version__

PREVIEW_SAMPLES = 3  # of each stratum
OURS = ('images', 'masks', MANIFEST, PARTIAL, KEYPOINTS_FILE, 'preview.png', 'report.html', 'README.md')


@dataclass
class Run:
    """One dataset to be made.

    Attributes:
        labeler: makes the samples.
        seeds: which ones, no two alike.
        outdir: the dataset's folder.
        keep: share of the samples that is kept, in (0, 1].
        interpreter_source: what `--interpreter` was, for the record.
        format_name: how the dataset is written; 'folder' is the one format there is.
        compression: of the PNG files, 0 (none) to 9 (slow).
        recipes: each makes a labeler like `labeler` in a process of its own; with less than two, `labeler` does it all.
        cluster: does jobs on other machines, in place of `recipes`; see `Cluster.label`.
        device: the kind of device that computes, for the record; None = `labeler`'s.
        destination: where the finished dataset is copied to; None = nowhere.
    """
    labeler: Labeler
    seeds: Sequence[int]
    outdir: Path
    keep: float
    interpreter_source: str
    format_name: str = 'folder'
    compression: int = COMPRESSION
    recipes: Sequence[Callable[[], Labeler]] = ()
    cluster: Callable[[Iterator[Job], FolderWriter, tuple[str, str]], Iterator[list[Encoded]]] | None = None
    device: str | None = None
    destination: Destination | None = None

    def __call__(self, overwrite: bool = False) -> Summary:
        """Make the dataset, or what is missing of it.

        The result depends on network, interpreter, options and seeds alone (and, by rounding, on the kind of device and
        the batch size): a run that was stopped and continued ends with the same bytes as one that was not.

        Args:
            overwrite: delete a dataset of ours that is in the folder, whatever its options.

        Raises:
            UserError: the folder holds other things, or a dataset with other options; or it cannot be written.
        """
        with writing(self.outdir):
            self.outdir.mkdir(parents=True, exist_ok=True)
        with locked(self.outdir):
            return self._run(overwrite)

    def _run(self, overwrite: bool) -> Summary:
        if self.destination is not None and (found := self.destination.options()) is not None:
            self._check_same(found, f'--upload={self.destination.url}')
        self._prepare_folder(overwrite)
        if self.destination is not None:
            self.destination.claim(self.outdir)
        writer = FolderWriter(self.outdir, self.labeler.interpreter.task, self.labeler.interpreter.image_hw,
                              self.compression)
        manifest = RunManifest(self.outdir, writer.is_whole)
        todo = sum(seed not in manifest for seed in self.seeds)
        with (tqdm(total=todo, desc='labelling', unit='image', disable=None, mininterval=0.5) as bar,
              closing(self._results(manifest, writer)) as results):
            for encoded in itertools.chain.from_iterable(results):
                manifest.append(writer.write(encoded))
                bar.update()
        summary = manifest.finish(self.seeds, self.keep)
        writer.finish(self.outdir / MANIFEST)
        self._draw_preview()
        info = {**self._info(), 'summary': asdict(summary)}
        write_report(self.outdir / 'report.html', info, summary, self.outdir / MANIFEST, self._pictures)
        write_atomically(self.outdir / 'README.md', write_card(info, summary).encode())
        self._write_info(info)
        if self.destination is not None:
            self.destination.send(self.outdir)
        return summary

    def _results(self, manifest: RunManifest, writer: FolderWriter) -> Iterator[list[Encoded]]:
        """What is missing of the dataset, batch by batch, in any order."""
        labeler = self.labeler
        # always whole batches, so that neighbours in a batch do not depend on where a run was stopped
        batches = (list(self.seeds[start:start + labeler.batch])
                   for start in range(0, len(self.seeds), labeler.batch))
        jobs = (Job(batch, wanted) for batch in batches if (wanted := {s for s in batch if s not in manifest}))
        fingerprints = (labeler.generator.fingerprint, labeler.interpreter.fingerprint)
        if self.cluster is not None:
            yield from self.cluster(jobs, writer, fingerprints)
        elif len(self.recipes) > 1:
            yield from label_in_processes(jobs, self.recipes, writer, fingerprints)
        else:
            yield from (do_job(job, labeler, writer) for job in jobs)

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
            'keep': self.keep,
            'format': self.format_name,
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
            'batch': self.labeler.batch,
            'device': self.device or self.labeler.generator.device.type,
            'versions': {'datasetgan-ext': __version__, 'torch': torch.__version__, 'numpy': np.__version__,
                         'pillow': PIL.__version__, 'python': platform.python_version()},
        }

    def _write_info(self, info: dict) -> None:
        write_atomically(self.outdir / DATASET_FILE, (json.dumps(info, indent=1) + '\n').encode())

    def _prepare_folder(self, overwrite: bool) -> None:
        begins = True
        if holds_files(self.outdir):
            try:
                found = read_info(self.outdir)['options']
            except UserError as error:
                raise UserError(f'--outdir: {error.message}; nothing was touched. '
                                'Give an empty or new folder') from error
            if overwrite:
                self._delete()
            else:
                self._check_same(found, f'--outdir={self.outdir}')
                begins = found['seeds'] != format_seeds(self.seeds)
        if begins:
            self._write_info(self._info())

    def _check_same(self, found: dict, place: str) -> None:
        """Raises UserError unless the dataset that is at a place has our options, or fewer seeds."""
        differing = [f'--{name} was {found.get(name)}, now {value}' for name, value in self._options().items()
                     if found.get(name) != value and not (name == 'seeds' and self._extends(found.get(name)))]
        if differing:
            raise UserError(f'{place} holds a dataset made with other options: {"; ".join(differing)}. '
                            'Give another place or the same options (--seeds may be extended at the end); '
                            'or delete it, an --outdir with --overwrite')

    def _extends(self, seeds: object) -> bool:
        """Whether our seeds go on from those, with no batch of them changed."""
        try:
            done = parse_seeds(seeds)
        except (UserError, TypeError):
            return False
        return len(done) % self.labeler.batch == 0 and list(self.seeds[:len(done)]) == list(done)

    def _delete(self) -> None:
        """Delete the dataset but for dataset.json, which tells that the folder is ours until another replaces it."""
        for name in OURS:
            path = self.outdir / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _draw_preview(self) -> None:
        strata = stratify(read_scores(self.outdir / MANIFEST), PREVIEW_SAMPLES)
        names = [name for name, part in strata.items() for _ in part]
        samples = self.labeler(score.seed for part in strata.values() for score in part)
        draw_preview(self.outdir / 'preview.png', list(zip(samples, names)), self.labeler.interpreter.task)

    def _pictures(self, record: dict) -> tuple[np.ndarray, np.ndarray | None]:
        """Image and mask of a record: from its files or, if these were deleted, made again to the same last bit."""
        paths = [self.outdir / record[kind] for kind in ('image', 'mask') if kind in record]
        if all(path.is_file() for path in paths):
            return read_image(paths[0]), read_mask(paths[1]) if len(paths) > 1 else None
        batch = self.labeler.batch
        start = self.seeds.index(record['seed']) // batch * batch
        sample, = (sample for sample in self.labeler.label(list(self.seeds[start:start + batch]))
                   if sample.seed == record['seed'])
        return sample.image, sample.mask

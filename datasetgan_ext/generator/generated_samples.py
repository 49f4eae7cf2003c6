"""A folder of generated images to be labelled."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import holds_files, inside, remove_leftovers, save_atomically, writing
from datasetgan_ext.core.locks import locked
from datasetgan_ext.core.seeds import sample_name
from datasetgan_ext.formats.png import write_image
from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import SAMPLES_FILE, Sample, SampleSet, pixel_sha256
from datasetgan_ext.generator.sampling import SamplingOptions, center_crop


def generate_samples(
    generator: Generator, options: SamplingOptions, seeds: list[int], outdir: Path, progress: bool = True
) -> SampleSet:
    """Write an image per seed to `outdir`/images, and samples.json.

    Samples that are there already, with the pixels that samples.json tells of, stay as they are; so the same call
    completes one that was stopped.

    Raises:
        UserError: the folder holds other things, or samples of another network or other options.
    """
    rows, columns = center_crop(generator.image_hw, options.crop_hw)
    samples = SampleSet(
        outdir,
        generator.source,
        generator.fingerprint,
        options,
        (rows.stop - rows.start, columns.stop - columns.start),
        (),
    )
    with writing(outdir):
        outdir.mkdir(parents=True, exist_ok=True)
    with locked(outdir):
        if holds_files(outdir):
            if not (outdir / SAMPLES_FILE).exists():
                raise UserError(
                    f'`outdir`={outdir} is not empty and holds no {SAMPLES_FILE}; give an empty or new folder'
                )
            samples = SampleSet.read(outdir)
            if samples.projecting is not None:
                raise UserError(f'`outdir`={outdir} holds projected photos; give another folder for generated images')
            samples.check(generator, options)
        for place in (outdir, inside(outdir, 'images')):
            remove_leftovers(place)
        samples.write()
        known = {sample.seed: sample for sample in samples.samples}
        for seed in tqdm(seeds, desc='samples', unit='image', disable=None if progress else True):
            if seed in known and samples.holds(known[seed]):
                continue
            image = generator.synthesize([seed], options).images[0].cpu().numpy()
            file = f'images/{sample_name(seed)}.png'
            save_atomically(outdir / file, partial(write_image, image=image))
            known[seed] = Sample(seed, file, pixel_sha256(image), outdir)
            samples = replace(samples, samples=tuple(known[seed] for seed in sorted(known)))
            samples.write()
    return samples

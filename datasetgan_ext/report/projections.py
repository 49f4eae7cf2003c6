"""report.html of projected photos: each beside what the network makes for it, the worst first."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.generator.projections import read_pixels
from datasetgan_ext.generator.samples import Sample, SampleSet
from datasetgan_ext.report.page import thumbnail
from datasetgan_ext.report.publish import REPORT_FILE

PAGE = Path(__file__).with_name('projections.html')
SHOWN = 400
"""Photos on the page, which holds its pictures itself."""
PERCEPTUAL = {
    'discriminator': "the distance of the features of the snapshot's discriminator, 0 = equal",
    'ssim': '1 - SSIM, 0 = equal',
}


def write_projections_report(samples: SampleSet) -> Path:
    """Write the page into a folder of projected photos; returns its path."""
    assert samples.projecting is not None
    ranked = sorted(samples.samples, key=_quality)
    trusted = sum(sample.is_trusted for sample in ranked)
    min_quality, max_strangeness = (samples.projecting[name] for name in ('min_quality', 'max_strangeness'))
    more = f' The {SHOWN} worst of them are shown.' if len(ranked) > SHOWN else ''
    page = Template(PAGE.read_text(encoding='utf-8')).substitute(
        title=escape(f'Photos projected into {samples.network}'),
        summary=f'{len(ranked)} photos, {trusted} of them trusted: their PSNR is at least {min_quality:g} dB, and '
        f'their strangeness at most {max_strangeness:g}. Labels of the others are not learned.{more}',
        perceptual=PERCEPTUAL[samples.projecting['perceptual']],
        figures=''.join(_figure(samples, sample) for sample in ranked[:SHOWN]),
    )
    path = samples.folder / REPORT_FILE
    write_atomically(path, page.encode())
    return path


def _quality(sample: Sample) -> tuple[bool, float, str]:
    assert sample.projection is not None
    return sample.is_trusted, sample.projection.psnr, sample.name


def _figure(samples: SampleSet, sample: Sample) -> str:
    assert sample.projection is not None
    pictures = ''.join(
        f'<img src="{thumbnail(read_pixels(path))}" alt="{what}">'
        for what, path in (('photo', samples.path(sample)), ('projection', samples.projection_path(sample)))
    )
    strangeness = sample.projection.strangeness
    strangeness = '' if strangeness is None else f', strangeness {strangeness:.1f}'
    doubt = '' if sample.is_trusted else ' class="doubtful"'
    return (
        f'<figure{doubt}><div>{pictures}</div><figcaption>{escape(sample.projection.file)}<br>'
        f'{sample.projection.psnr:.1f} dB, {sample.projection.perceptual:.3f}{strangeness}'
        f'{"" if sample.is_trusted else ", not trusted"}</figcaption></figure>\n'
    )

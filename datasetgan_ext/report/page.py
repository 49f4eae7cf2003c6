"""report.html: a dataset on one page that needs nothing else, neither network nor other files."""

from __future__ import annotations

import base64
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import numpy as np
import PIL.Image

from datasetgan_ext.core.annotation import ABSENT, IGNORE
from datasetgan_ext.core.files import write_atomically
from datasetgan_ext.core.seeds import sample_id
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.folder import Summary, name_of_record, read_manifest
from datasetgan_ext.formats.png import png_bytes
from datasetgan_ext.report.preview import keypoint_colors
from datasetgan_ext.report.strata import DROPPED, Score, read_by_hand, read_scores, stratify

PAGE = Path(__file__).with_name('page.html')
SHOWN = 8
"""Samples of each stratum, and of the most uncertain ones."""
THUMBNAIL = 192
"""Longest side of a picture: so the page stays below a few MB, whatever the dataset's size."""
JPEG_QUALITY = 88
BINS = 40
CHART_WH = (820, 190)
CHART_FOOT = 26

Pictures = Callable[[dict], tuple[np.ndarray, np.ndarray | None]]
"""Image, uint8 [H, W, C], and mask, uint8 [H, W] or None, of a manifest's record."""


@dataclass(frozen=True)
class Words:
    """What the page says of the samples.

    Attributes:
        title: of the page.
        samples: how they are sorted.
        uncertainty: what their uncertainty is.
    """

    title: str
    samples: str
    uncertainty: str

    @classmethod
    def of_generated(cls, info: dict) -> Words:
        """Of generated images with the labels of an ensemble."""
        return cls(
            title=f'Labelled images from {info["sources"]["network"]}',
            samples="From the ensemble's most certain sample to its least certain one; below each picture its name and "
            'uncertainty.',
            uncertainty=uncertainty_words(info),
        )


def uncertainty_words(info: dict) -> str:
    """What the uncertainty of generated images is; `info` is the content of dataset.json."""
    score = info['options'].get('score', 'paper') if info.get('classes') else None
    parts = {
        'labels': "How unsure the ensemble is of an image's labels: the mean over all pixels that are not background "
        'of the entropy of their classes (in nats) plus the Jensen-Shannon distance of the members; 0 = sure. Of an '
        'image that is all background, the mean of the most uncertain tenth.',
        'paper': "How far the ensemble's members disagree about an image: the mean Jensen-Shannon divergence of the "
        'most uncertain tenth of its pixels, in nats.',
    }
    found = [parts[score]] if score in parts else []
    if info.get('keypoints'):
        found.append(
            f'{"Added to it is" if found else "It is"} how far the members disagree about where keypoints are, a mean '
            'in 0..1.'
        )
    return ' '.join(found)


def write_report(
    path: Path, info: dict, summary: Summary, manifest: Path, pictures: Pictures, words: Words | None = None
) -> None:
    """Write the page; its bytes follow from the dataset alone.

    Args:
        path: HTML file to write.
        info: content of dataset.json.
        summary: of the finished manifest.
        manifest: the finished manifest.jsonl.
        pictures: gives those of the samples that are shown.
        words: what it says of them; None = of generated images.
    """
    words = words or Words.of_generated(info)
    task = Task.from_json(info, path)
    scores = read_scores(manifest)
    strata = stratify(scores, SHOWN, read_by_hand(manifest))
    worst = scores[: -SHOWN - 1 : -1]
    wanted = {score.id for score in worst}
    for part in strata.values():
        wanted.update(score.id for score in part)
    figures = {}
    reasons = Counter()
    for record in read_manifest(manifest):
        if sample_id(record) in wanted:
            image, mask = pictures(record)
            figures[sample_id(record)] = _figure(record, image, mask, task)
        if not record['kept']:
            reasons[record.get('dropped') or 'uncertainty'] += 1
    page = Template(PAGE.read_text(encoding='utf-8')).substitute(
        title=escape(words.title),
        samples_text=escape(words.samples, quote=False),
        facts=_facts(info, summary, reasons, task),
        rendering='pixelated' if info['image_hw'] and max(info['image_hw']) < THUMBNAIL else 'auto',
        tools=_tools(task),
        samples=''.join(
            f'<h3>{escape(name)}</h3>\n<div class="samples">{_joined(part, figures)}</div>\n'
            for name, part in strata.items()
        ),
        worst=_joined(worst, figures),
        scale_note=" Bars of the pixels' shares are relative to the largest class other than the background."
        if task.classes
        else '',
        labels=_label_tables(summary, task),
        uncertainty_text=escape(_uncertainty_text(summary, words)),
        histogram=_histogram(scores, summary),
        options=_pairs(
            'Options', ((name, value) for name, value in info['options'].items() if name not in info['sources'])
        ),
        fingerprints=_pairs('Fingerprints and versions', _fingerprints(info, manifest)),
    )
    write_atomically(path, page.encode())


def data_uri(kind: str, content: bytes) -> str:
    """Content of a file as an address, so that a page needs no such file."""
    return f'data:image/{kind};base64,{base64.b64encode(content).decode("ascii")}'


def thumbnails(image: np.ndarray, mask: np.ndarray | None, task: Task) -> tuple[str, str | None]:
    """Addresses of an image (JPEG) and its mask (PNG, transparent where nothing is), scaled down to THUMBNAIL."""
    picture = thumbnail(image)
    if mask is None:
        return picture, None
    size_wh = _thumbnail_size(image)
    clear = np.where(mask == IGNORE, 0, mask).astype(np.uint8)
    small = PIL.Image.fromarray(clear).resize(size_wh, PIL.Image.Resampling.NEAREST)
    small.putpalette(task.flat_palette)
    content = png_bytes(lambda file: small.save(file, 'PNG', transparency=0, optimize=True))
    return picture, data_uri('png', content)


def thumbnail(image: np.ndarray) -> str:
    """Address of an image, uint8 [H, W, C], as a JPEG that is scaled down to THUMBNAIL."""
    picture = PIL.Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    resized = picture.resize(_thumbnail_size(image), PIL.Image.Resampling.BOX)
    buffer = io.BytesIO()
    resized.save(buffer, 'JPEG', quality=JPEG_QUALITY, subsampling=0)
    return data_uri('jpeg', buffer.getvalue())


def _thumbnail_size(image: np.ndarray) -> tuple[int, int]:
    """Width and height."""
    height, width = image.shape[:2]
    scale = min(1, THUMBNAIL / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _figure(record: dict, image: np.ndarray, mask: np.ndarray | None, task: Task) -> str:
    height, width = image.shape[:2]
    name = escape(name_of_record(record))
    picture, overlay = thumbnails(image, mask, task)
    pictures = f'<img src="{picture}" alt="{name}">'
    if overlay:
        pictures += f'<img class="mask" src="{overlay}" alt="mask of {name}">'
    if task.keypoints:
        pictures += _keypoints(record, task, width, height)
    told = [] if record['uncertainty'] is None else [f'{record["uncertainty"]:.4f}']
    told += [f'{labels} labelled' for labels in (record.get('labels'),) if labels]
    caption = f'{name}<br>' + ', '.join([*told, *([] if record['kept'] else [DROPPED])])
    style = '' if record['kept'] else f' class="{DROPPED}"'
    return (
        f'<figure><div class="picture" style="aspect-ratio: {width} / {height}">{pictures}</div>'
        f'<figcaption{style}>{caption}</figcaption></figure>\n'
    )


def _keypoints(record: dict, task: Task, width: int, height: int) -> str:
    points = np.reshape(record['keypoints'], (-1, 3)).tolist()
    lines = ''.join(
        f'<line x1="{points[one][0]}" y1="{points[one][1]}" x2="{points[other][0]}" y2="{points[other][1]}"/>'
        for one, other in task.skeleton
        if points[one][2] != ABSENT and points[other][2] != ABSENT
    )
    dots = ''.join(
        f'<circle cx="{x}" cy="{y}" r="{max(width, height) / 50:g}" fill="{_css(color)}">'
        f'<title>{escape(name)}</title></circle>'
        for (x, y, seen), name, color in zip(points, task.keypoints, keypoint_colors(task))
        if seen != ABSENT
    )
    label = f'keypoints of {escape(name_of_record(record))}'
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{lines}{dots}</svg>'


def _joined(scores: Iterable[Score], figures: dict[int, str]) -> str:
    return ''.join(figures[score.id] for score in scores)


def _facts(info: dict, summary: Summary, reasons: Counter, task: Task) -> str:
    facts = {
        'images': summary.samples,
        'kept': summary.kept,
        **{f'dropped: {reason}': count for reason, count in sorted(reasons.items())},
        'width x height': ' x '.join(str(side) for side in reversed(info['image_hw'] or ())),
        'could not be read': info['summary'].get('failed', 0),
        'classes': len(task.classes),
        'keypoints': len(task.keypoints),
        'hand-labelled images': info['labelled_images'],
        'of them in the dataset': summary.by_hand,
    }
    return ''.join(
        f'<div><dt>{escape(name)}</dt><dd>{escape(f"{value:,}" if isinstance(value, int) else value)}</dd></div>'
        for name, value in facts.items()
        if value
    )


def _tools(task: Task) -> str:
    """The controls that the task has a use for, and what the colours mean."""
    tools = ''
    if task.classes:
        tools += '<label>Overlay <input id="overlay" type="range" min="0" max="100" value="60"></label>'
    if task.keypoints:
        tools += '<label><input id="points" type="checkbox" checked> Keypoints</label>'
    names = [_named(name, color) for name, color in zip(task.classes, task.palette)]
    names += [_named(name, color, 'point') for name, color in zip(task.keypoints, keypoint_colors(task))]
    legend = ''.join(f'<span>{name}</span>' for name in names)
    return f'<div class="tools">{tools}</div><div class="legend">{legend}</div>'


def _named(name: str, color: tuple[int, int, int], shape: str = '') -> str:
    return f'<i class="swatch {shape}" style="background: {_css(color)}"></i>{escape(name)}'


def _css(color: tuple[int, int, int]) -> str:
    red, green, blue = color
    return f'#{red:02x}{green:02x}{blue:02x}'


def _label_tables(summary: Summary, task: Task) -> str:
    tables = ''
    if task.classes:
        largest = max(summary.class_pixels[1:]) or 1
        rows = ''.join(
            f'<tr><td class="number">{class_id}</td><td>{_named(name, color)}</td>'
            f'<td class="number">{100 * share:.2f} %</td>{_bar(share / largest if class_id else 0)}'
            f'{_images(images, summary.kept)}</tr>'
            for class_id, (name, color, share, images) in enumerate(
                zip(task.classes, task.palette, summary.class_pixels, summary.class_images)
            )
        )
        heads = '<th>id</th><th>class</th><th colspan="2">share of pixels</th><th colspan="2">images with it</th>'
        tables += _table('Classes', f'<tr>{heads}</tr>{rows}')
    if task.keypoints:
        rows = ''.join(
            f'<tr><td>{_named(name, color, "point")}</td>{_images(images, summary.kept)}</tr>'
            for name, color, images in zip(task.keypoints, keypoint_colors(task), summary.keypoint_images)
        )
        tables += _table('Keypoints', f'<tr><th>keypoint</th><th colspan="2">images with it</th></tr>{rows}')
    return tables


def _images(images: int, kept: int) -> str:
    return f'<td class="number">{images:,} ({100 * images / kept:.0f} %)</td>{_bar(images / kept)}'


def _bar(share: float) -> str:
    return f'<td class="bar"><i style="width: {100 * share:.2f}%"></i></td>'


def _uncertainty_text(summary: Summary, words: Words) -> str:
    text = words.uncertainty
    if summary.kept < summary.samples:
        text += (
            f' The most uncertain kept image has {summary.uncertainty_cut:.4f}, the dashed line; '
            f'{summary.samples - summary.kept:,} of {summary.samples:,} are dropped.'
        )
    if summary.by_hand:
        text += f' {summary.by_hand:,} images have the labels of a person, and no uncertainty.'
    return text


def _histogram(scores: list[Score], summary: Summary) -> str:
    """How many samples have which uncertainty, the dropped ones above the kept ones."""
    if not scores:
        return ''
    width, height = CHART_WH
    highest = max(scores[-1].uncertainty, 1e-6)
    kept_counts, _ = np.histogram([score.uncertainty for score in scores if score.kept], BINS, (0, highest))
    dropped_counts, _ = np.histogram([score.uncertainty for score in scores if not score.kept], BINS, (0, highest))
    base = height - CHART_FOOT
    step = width / BINS
    unit = (base - 16) / (kept_counts + dropped_counts).max()
    parts = []
    for index, (kept, dropped) in enumerate(zip(kept_counts.tolist(), dropped_counts.tolist())):
        limits = f'{index * highest / BINS:.4f} to {(index + 1) * highest / BINS:.4f}'
        top = base
        for style, count in (('kept', kept), (DROPPED, dropped)):
            if count:
                top -= count * unit
                parts.append(
                    f'<rect class="{style}" x="{index * step + 1:.1f}" y="{top:.1f}" width="{step - 2:.1f}" '
                    f'height="{count * unit:.1f}"><title>{limits}: {count:,} {style}</title></rect>'
                )
    parts.append(f'<line x1="0" y1="{base}" x2="{width}" y2="{base}"/>')
    for share, anchor in ((0, 'start'), (0.5, 'middle'), (1, 'end')):
        parts.append(
            f'<text x="{share * width:g}" y="{height - 8}" text-anchor="{anchor}">{share * highest:.4f}</text>'
        )
    if summary.kept < summary.samples:
        x = summary.uncertainty_cut / highest * width
        on_the_left = x < width / 2
        anchor = 'start' if on_the_left else 'end'
        shift = 5 if on_the_left else -5
        parts.append(
            f'<line class="cut" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{base}"/><text class="cut-text" '
            f'x="{x + shift:.1f}" y="11" text-anchor="{anchor}">{summary.uncertainty_cut:.4f}</text>'
        )
    return (
        f'<svg class="histogram" viewBox="0 0 {width} {height}" role="img" aria-label="histogram of the '
        f'uncertainty">{"".join(parts)}</svg>'
    )


def _fingerprints(info: dict, manifest: Path) -> Iterable[tuple[str, object]]:
    """What was used, and what tells whether it is the same: sha256 of its tensors or its bytes."""
    for name, source in info['sources'].items():
        yield name, f'{source}: {info["options"][name]}'
    digest = hashlib.sha256()
    with manifest.open('rb') as file:
        for line in file:
            digest.update(line)
    yield manifest.name, digest.hexdigest()
    yield from info['versions'].items()
    yield 'device', f'{info["device"]}, {info["batch"]} at once'


def _pairs(label: str, items: Iterable[tuple[str, object]]) -> str:
    rows = ''.join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td><code>{escape("-" if value is None else str(value))}</code></td></tr>'
        for name, value in items
    )
    return _table(label, rows)


def _table(label: str, rows: str) -> str:
    """A table that can be moved by keys where the window is narrower."""
    return f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table>{rows}</table></div>'

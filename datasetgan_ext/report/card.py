"""README.md of a dataset, as Hugging Face has it: what is in it, how it was made, how to read it."""

from __future__ import annotations

from datasetgan_ext.core.markup import markdown
from datasetgan_ext.formats.folder import MANIFEST, Summary
from datasetgan_ext.formats.huggingface import LICENSE, front_matter
from datasetgan_ext.report.page import uncertainty_words

CARD = """# Labelled images from {network}

{samples} generated images of {width}x{height} pixels, each with {labels}, made with
[DatasetGAN](https://arxiv.org/abs/2104.06490). {kept} are kept; the {dropped} others, which the ensemble is least sure
of or which the options below leave out, are marked `"kept": false` in `manifest.jsonl`: leave them out of training.

![image, mask, overlay, uncertainty](preview.png)

`report.html` shows more: open it in a browser.

{tables}
(kept images only)

## Files
{files}- `dataset.json`: options, classes, keypoints, fingerprints of network and interpreter, versions.

```python
import json, numpy as np, PIL.Image
records = [json.loads(line) for line in open('manifest.jsonl')]
for record in (r for r in records if r['kept']):
    image = np.asarray(PIL.Image.open(record['image']))   # uint8 [H, W, 3], or [H, W] where images are grey
{reading}```

`datasets.load_dataset` gives the lines of the manifest; `datasetgan convert --format=huggingface` makes a dataset of
which it gives the images and labels.

## How it was made
{option_rows}

The labels were predicted by an ensemble trained on {labeled} hand-labelled images and contain errors.{by_hand}

Uncertainty: {uncertainty}

{license}"""
BY_HAND = """\
 {count} images have the labels
of a person instead: `"labels": "hand"` in the manifest, and no uncertainty."""
CLASS_TABLE = """\
| id | class | share of pixels | images with it |
|---|---|---|---|
{rows}

"""
KEYPOINT_TABLE = """\
| keypoint | images with it |
|---|---|
{rows}

"""
MASK_FILES = """\
- `images/`, `masks/`: PNG files of the same name; a mask's pixel value is the class id (8-bit palette PNG).
- `manifest.jsonl`: a line per image: seed, files and their sha256, uncertainty, pixels per class, kept.
"""
IMAGE_FILES = """\
- `images/`: PNG files.
- `manifest.jsonl`: a line per image: seed, file and its sha256, uncertainty, kept.
"""
KEYPOINT_FILES = """\
- `keypoints.json`: the kept images' keypoints in COCO's format; the centre of the first pixel is (0.5, 0.5). Each is
  visible (2) or absent (0). The manifest has them too, for all images, with confidence (how sure the ensemble is that
  the keypoint is there, 0..1) and spread (distance of the ensemble's members, in pixels).
"""
READ_MASK = """\
    mask = np.asarray(PIL.Image.open(record['mask']))     # uint8 [H, W], class ids
"""
READ_KEYPOINTS = """\
    keypoints = np.reshape(record['keypoints'], (-1, 3))   # x and y in pixels, visibility
"""


def write_card(info: dict, summary: Summary) -> str:
    """Text of the card.

    Args:
        info: content of dataset.json.
        summary: of the finished manifest.
    """
    height, width = info['image_hw']
    class_rows = '\n'.join(
        f'| {class_id} | {markdown(name)} | {100 * share:.2f} % | {images} |'
        for class_id, (name, share, images) in enumerate(
            zip(info['classes'], summary.class_pixels, summary.class_images)
        )
    )
    keypoint_rows = '\n'.join(
        f'| {markdown(name)} | {images} |' for name, images in zip(info.get('keypoints', []), summary.keypoint_images)
    )
    labels = []
    if class_rows:
        labels.append(f'a segmentation mask of {len(info["classes"])} classes')
    if keypoint_rows:
        labels.append(f'{len(info.get("keypoints", []))} keypoints')
    return front_matter(info, summary.samples, {'train': MANIFEST}) + CARD.format(
        network=markdown(info['sources']['network']),
        samples=summary.samples,
        kept=summary.kept,
        dropped=summary.samples - summary.kept,
        width=width,
        height=height,
        labels=' and '.join(labels),
        tables=(CLASS_TABLE.format(rows=class_rows) if class_rows else '')
        + (KEYPOINT_TABLE.format(rows=keypoint_rows) if keypoint_rows else ''),
        files=(MASK_FILES if class_rows else IMAGE_FILES) + (KEYPOINT_FILES if keypoint_rows else ''),
        reading=(READ_MASK if class_rows else '') + (READ_KEYPOINTS if keypoint_rows else ''),
        labeled=info['labelled_images'],
        uncertainty=uncertainty_words(info),
        by_hand=BY_HAND.format(count=summary.by_hand) if summary.by_hand else '',
        license=LICENSE,
        option_rows='\n'.join(f'- {name}: {markdown(value)}' for name, value in info['options'].items()),
    )

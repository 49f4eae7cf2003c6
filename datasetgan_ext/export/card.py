"""README.md of a dataset: what is in it, how it was made, how to read it."""
from __future__ import annotations

from datasetgan_ext.export.manifest import Summary

CARD = '''# Labelled images from {network}

{samples} generated images of {width}x{height} pixels, each with a segmentation mask of {class_count} classes, made with
[DatasetGAN](https://arxiv.org/abs/2104.06490). {kept} are kept; the {dropped} most uncertain ones are marked
`"kept": false` in `manifest.jsonl`: leave them out of training.

![image, mask, overlay, uncertainty](preview.png)

| id | class | share of pixels | images with it |
|---|---|---|---|
{class_rows}

(kept images only)

## Files
- `images/`, `masks/`: PNG files of the same name; a mask's pixel value is the class id (8-bit palette PNG).
- `manifest.jsonl`: a line per image: seed, files and their sha256, uncertainty (mean Jensen-Shannon divergence of the
  most uncertain tenth of the pixels, in nats), pixels per class, kept.
- `dataset.json`: options, classes, palette, fingerprints of network and interpreter, versions.

```python
import json, numpy as np, PIL.Image
records = [json.loads(line) for line in open('manifest.jsonl')]
for record in (r for r in records if r['kept']):
    image = np.asarray(PIL.Image.open(record['image']))   # uint8 [H, W, 3], or [H, W] where images are grey
    mask = np.asarray(PIL.Image.open(record['mask']))     # uint8 [H, W], class ids
```

## How it was made
{option_rows}

## Licence
Choose one yourself. Mind the licence of the network that the images come from; networks trained or published with
NVIDIA's stylegan2-ada-pytorch carry its licence, which allows non-commercial use only. The labels were predicted by an
ensemble trained on {labelled} hand-labelled images and contain errors.
'''


def write_card(info: dict, summary: Summary) -> str:
    """Text of the card.

    Args:
        info: content of dataset.json.
        summary: of the finished manifest.
    """
    height, width = info['image_hw']
    class_rows = '\n'.join(
        f'| {class_id} | {name} | {100 * share:.2f} % | {images} |'
        for class_id, (name, share, images)
        in enumerate(zip(info['classes'], summary.class_pixels, summary.class_images)))
    return CARD.format(
        network=info['sources']['network'], samples=summary.samples, kept=summary.kept,
        dropped=summary.samples - summary.kept, width=width, height=height, class_count=len(info['classes']),
        class_rows=class_rows, labelled=info['labelled_images'],
        option_rows='\n'.join(f'- {name}: {value}' for name, value in info['options'].items()))

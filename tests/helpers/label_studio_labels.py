"""Contents of Label Studio's "JSON" export, by its documentation (labelstud.io: guide/export and the tags)."""

from __future__ import annotations

HEIGHT, WIDTH = 5, 6


def result(kind, label, **value) -> dict:
    return {
        'id': 'Dx_aB91ISN',
        'type': kind,
        'from_name': 'label',
        'to_name': 'image',
        'origin': 'manual',
        'image_rotation': 0,
        'original_width': WIDTH,
        'original_height': HEIGHT,
        'value': {**value, kind: [label]},
    }


def task(*results, image='/data/upload/3/0f3a9c1e-seed0000003.png', **changes) -> dict:
    return {
        'id': 12,
        'data': {'image': image, 'note': 'a car'},
        'predictions': [{'result': [{'type': 'nonsense'}]}],
        'annotations': [{'id': 1, 'completed_by': 1, 'was_cancelled': False, 'result': list(results)}],
        **changes,
    }


def per_cent(*points) -> list:
    return [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in points]


def brush(bits: list[str]) -> list[int]:
    """Encode by the description of the format: every pixel's four values in a block of their own."""
    values = [255 * (letter == '#') for letter in ''.join(bits)]
    text = f'{4 * len(values):032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}'
    for index, value in enumerate(values):
        repeated, single = f'100011{value:08b}', f'000011{value:08b}{value:08b}{value:08b}{value:08b}'
        text += single if index % 2 else repeated
    text += '0' * (-len(text) % 8)
    return [int(text[start : start + 8], 2) for start in range(0, len(text), 8)]


CAR = result('polygonlabels', 'car', points=per_cent((1, 2), (4, 2), (4, 4), (1, 4)), closed=True)

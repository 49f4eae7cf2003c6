"""Contents of COCO files, by its data format page (cocodataset.org, "Data format")."""

from __future__ import annotations

CAR = [1, 2, 4, 2, 4, 4, 1, 4]


def coco(*segmentations, category=1, **changes) -> dict:
    return {
        'info': {},
        'licenses': [],
        'images': [{'id': 7, 'file_name': 'images/seed0000003.png', 'height': 5, 'width': 6}],
        'categories': [{'id': 1, 'name': 'car'}, {'id': 2, 'name': 'wheel'}],
        'annotations': [
            {
                'id': 10 + number,
                'image_id': 7,
                'category_id': category,
                'segmentation': segmentation,
                'iscrowd': 0,
                'area': 1,
                'bbox': [0, 0, 1, 1],
            }
            for number, segmentation in enumerate(segmentations)
        ],
        **changes,
    }

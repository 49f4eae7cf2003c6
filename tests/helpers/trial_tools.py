"""Files of tools whose formats are known and not among those that are read; each of the true mask's first image."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image

from tests.helpers.trials import BOXES, NAMES, SEED0, SHAPES, SIDE, flat, labelme, png_bits, runs, true_mask, write

IMAGE = f'{SEED0}.png'


def _via_regions() -> list:
    return [
        {
            'shape_attributes': {
                'name': 'polygon',
                'all_points_x': [x for x, _ in corners],
                'all_points_y': [y for _, y in corners],
            },
            'region_attributes': {'class': label},
        }
        for label, corners in SHAPES
    ]


def via(folder: Path) -> Path:
    """VGG Image Annotator 2, "Export Annotations (as json)"."""
    record = {'filename': IMAGE, 'size': 12345, 'regions': _via_regions(), 'file_attributes': {}}
    return write(folder / 'via_export_json.json', {f'{IMAGE}12345': record})


def via_old(folder: Path) -> Path:
    """VIA 1: the regions by their number, and a few fields more."""
    record = {
        'fileref': '',
        'size': 12345,
        'filename': IMAGE,
        'base64_img_data': '',
        'file_attributes': {},
        'regions': {str(number): region for number, region in enumerate(_via_regions())},
    }
    return write(folder / 'via_region_data.json', {f'{IMAGE}12345': record})


def via_project(folder: Path) -> Path:
    """VIA 2, "Save project"."""
    record = {'filename': IMAGE, 'size': 12345, 'regions': _via_regions(), 'file_attributes': {}}
    content = {
        '_via_settings': {'ui': {}, 'core': {'filepath': {}}, 'project': {'name': 'cars'}},
        '_via_img_metadata': {f'{IMAGE}12345': record},
        '_via_attributes': {'region': {'class': {'type': 'dropdown', 'options': {}}}, 'file': {}},
        '_via_data_format_version': '2.0.10',
        '_via_image_id_list': [f'{IMAGE}12345'],
    }
    return write(folder / 'via_project.json', content)


def via_csv(folder: Path) -> Path:
    return write(
        folder / 'via_export_csv.csv',
        'filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n'
        f'{IMAGE},12345,"{{}}",1,0,"{{""name"":""rect"",""x"":20,""y"":40,""width"":88,""height"":50}}",'
        '"{""class"":""car""}"\n',
    )


def supervisely(folder: Path) -> Path:
    """A project: meta.json, and a data set with ann/IMAGE.json; bitmaps are deflated PNGs, "origin" is x, y."""
    objects = [
        {
            'id': number,
            'classId': number,
            'description': '',
            'geometryType': 'bitmap',
            'labelerLogin': 'anna',
            'createdAt': '2024-01-01T00:00:00.000Z',
            'updatedAt': '2024-01-01T00:00:00.000Z',
            'tags': [],
            'classTitle': label,
            'bitmap': {'data': png_bits(np.ones((y1 - y0, x1 - x0), bool), compressed=True), 'origin': [x0, y0]},
        }
        for number, (label, x0, y0, x1, y1) in enumerate(BOXES, 1)
    ]
    write(
        folder / 'meta.json',
        {'classes': [{'title': name, 'shape': 'bitmap', 'color': '#FF0000'} for name in NAMES[1:]], 'tags': []},
    )
    content = {'description': '', 'tags': [], 'size': {'height': SIDE, 'width': SIDE}, 'objects': objects}
    return write(folder / 'ds0' / 'ann' / f'{IMAGE}.json', content)


def isat(folder: Path) -> Path:
    """ISAT with Segment Anything: one JSON file an image; the layer says what lies above."""
    objects = [
        {
            'category': label,
            'group': number,
            'segmentation': corners,
            'area': 1.0,
            'layer': float(number),
            'bbox': [*corners[0], *corners[2]],
            'iscrowd': False,
            'note': '',
        }
        for number, (label, corners) in enumerate(SHAPES, 1)
    ]
    info = {'description': 'ISAT', 'folder': 'images', 'name': IMAGE, 'width': SIDE, 'height': SIDE, 'depth': 3}
    return write(folder / f'{SEED0}.json', {'info': info | {'note': ''}, 'objects': objects})


def datumaro(folder: Path) -> Path:
    content = {
        'dm_format_version': '1.0',
        'media_type': 1,
        'infos': {},
        'categories': {
            'label': {'labels': [{'name': name, 'parent': '', 'attributes': []} for name in NAMES], 'attributes': []}
        },
        'items': [
            {
                'id': SEED0,
                'annotations': [
                    {
                        'id': number,
                        'type': 'polygon',
                        'attributes': {},
                        'group': 0,
                        'label_id': NAMES.index(label),
                        'points': [float(value) for value in flat(corners)],
                        'z_order': number,
                    }
                    for number, (label, corners) in enumerate(SHAPES)
                ],
                'attr': {},
                'image': {'path': IMAGE, 'size': [SIDE, SIDE]},
            }
        ],
    }
    return write(folder / 'annotations' / 'default.json', content)


def sa1b(folder: Path) -> Path:
    """Segment Anything's data set: masks without classes, one JSON file an image."""
    bits = np.zeros((SIDE, SIDE), bool)
    bits[40:90, 20:108] = True
    annotation = {
        'id': 1,
        'segmentation': runs(bits),
        'bbox': [20, 40, 88, 50],
        'area': 4400,
        'predicted_iou': 0.98,
        'stability_score': 0.97,
        'crop_box': [0, 0, SIDE, SIDE],
        'point_coords': [[64.0, 64.0]],
    }
    image = {'image_id': 1, 'width': SIDE, 'height': SIDE, 'file_name': IMAGE}
    return write(folder / f'{SEED0}.json', {'image': image, 'annotations': [annotation]})


def yolo_segment(folder: Path) -> Path:
    """Ultralytics' YOLO: a text file an image, a class number and corners as shares of the sides."""
    rows = [
        ' '.join([str(NAMES.index(label) - 1), *(f'{value / SIDE:.6f}' for value in flat(corners))])
        for label, corners in SHAPES
    ]
    write(folder / 'data.yaml', 'path: .\ntrain: images/train\nnames:\n  0: car\n  1: wheel\n  2: window\n')
    return write(folder / 'labels' / 'train' / f'{SEED0}.txt', '\n'.join(rows) + '\n')


def yolo_flat(folder: Path) -> Path:
    """YOLO's text files and classes.txt in one folder, as several tools export them."""
    write(folder / 'classes.txt', 'car\nwheel\nwindow\n')
    return write(folder / f'{SEED0}.txt', '0 0.5 0.507812 0.6875 0.390625\n')


def roboflow_masks(folder: Path) -> Path:
    """Roboflow's "Semantic Segmentation Masks": IMAGE_mask.png and a table of classes."""
    name = f'{SEED0}_png.rf.0123456789abcdef0123456789abcdef'
    folder.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(true_mask()).save(folder / f'{name}_mask.png')
    PIL.Image.new('RGB', (SIDE, SIDE)).save(folder / f'{name}.jpg')
    return write(folder / '_classes.csv', 'Pixel Value, Class\n0, background\n1, car\n2, wheel\n3, window\n')


def createml(folder: Path) -> Path:
    """Roboflow's "CreateML JSON": boxes alone."""
    box = {'label': 'car', 'coordinates': {'x': 64.0, 'y': 65.0, 'width': 88.0, 'height': 50.0}}
    return write(folder / '_annotations.createml.json', [{'image': IMAGE, 'annotations': [box]}])


def voc_boxes(folder: Path) -> Path:
    """Pascal VOC's XML: boxes alone, which LabelImg writes too."""
    return write(
        folder / f'{SEED0}.xml',
        f'<annotation><folder>images</folder><filename>{IMAGE}</filename><size><width>{SIDE}</width><height>{SIDE}'
        '</height><depth>3</depth></size><segmented>0</segmented><object><name>car</name><bndbox><xmin>20</xmin>'
        '<ymin>40</ymin><xmax>108</xmax><ymax>90</ymax></bndbox></object></annotation>',
    )


def cvat_video(folder: Path) -> Path:
    """CVAT for video 1.1."""
    return write(
        folder / 'annotations.xml',
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><track id="0" label="car">'
        '<box frame="0" outside="0" xtl="1" ytl="1" xbr="9" ybr="9" keyframe="1" z_order="0"/></track></annotations>',
    )


def zipped(folder: Path) -> Path:
    path = folder / 'export.zip'
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.write(write(folder / 'there' / f'{SEED0}.json', labelme()), f'{SEED0}.json')
    return path


def label_studio_min(folder: Path) -> Path:
    """Label Studio's "JSON-MIN"."""
    polygon = {'points': [[10, 10], [20, 10], [20, 20]], 'polygonlabels': ['car'], 'original_width': SIDE}
    return write(folder / 'export.json', [{'image': f'/data/upload/1/3f2a1b4c-{IMAGE}', 'id': 1, 'label': [polygon]}])


def _corner_dicts(label: str, scale: float = 1) -> list[dict]:
    corners = next(corners for name, corners in SHAPES if name == label)
    return [{'x': x / scale, 'y': y / scale} for x, y in corners]


def darwin(folder: Path) -> Path:
    """V7's Darwin JSON 2.0, one file an image."""
    polygon = {'id': 'a1', 'name': 'car', 'polygon': {'paths': [_corner_dicts('car')]}, 'slot_names': ['0']}
    item = {'name': IMAGE, 'path': '/', 'slots': [{'slot_name': '0', 'width': SIDE, 'height': SIDE}]}
    content = {'version': '2.0', 'schema_ref': '', 'item': item, 'annotations': [polygon]}
    write(folder / 'seed0000001.json', content | {'item': item | {'name': 'seed0000001.png'}})
    return write(folder / f'{SEED0}.json', content)


def darwin_old(folder: Path) -> Path:
    """V7's Darwin JSON 1.0."""
    polygon = {'name': 'car', 'polygon': {'path': _corner_dicts('car')}}
    image = {'width': SIDE, 'height': SIDE, 'filename': IMAGE, 'original_filename': IMAGE}
    return write(folder / f'{SEED0}.json', {'dataset': 'cars', 'image': image, 'annotations': [polygon]})


def hasty(folder: Path) -> Path:
    label = {'class_name': 'car', 'bbox': [20, 40, 108, 90], 'polygon': SHAPES[0][1], 'mask': None, 'z_index': 1}
    image = {'image_name': IMAGE, 'dataset_name': 'cars', 'width': SIDE, 'height': SIDE, 'labels': [label]}
    classes = [{'class_name': 'car', 'color': '#1f78b44d', 'class_type': 'object'}]
    content = {'project_name': 'cars', 'export_format_version': '1.1', 'label_classes': classes, 'images': [image]}
    return write(folder / 'export.json', content)


def superannotate(folder: Path) -> Path:
    instance = {'type': 'polygon', 'classId': 1, 'className': 'car', 'points': flat(SHAPES[0][1]), 'attributes': []}
    write(folder / 'classes' / 'classes.json', [{'id': 1, 'name': 'car', 'color': '#ff0000', 'attribute_groups': []}])
    metadata = {'name': IMAGE, 'width': SIDE, 'height': SIDE, 'status': 'Completed'}
    return write(folder / f'{IMAGE}.json', {'metadata': metadata, 'instances': [instance], 'tags': [], 'comments': []})


def labelbox(folder: Path) -> Path:
    """Labelbox's "NDJSON", a line an image."""
    found = {'name': 'car', 'annotation_kind': 'ImagePolygon', 'polygon': _corner_dicts('car')}
    row = {
        'data_row': {'id': 'x', 'external_id': IMAGE},
        'media_attributes': {'height': SIDE, 'width': SIDE},
        'projects': {'p': {'labels': [{'annotations': {'objects': [found]}}]}},
    }
    return write(folder / 'export.ndjson', json.dumps(row) + '\n')


def labelbox_old(folder: Path) -> Path:
    found = {'value': 'car', 'polygon': _corner_dicts('car')}
    row = {'ID': 'x', 'Labeled Data': f'https://x/{IMAGE}', 'Label': {'objects': [found]}, 'External ID': IMAGE}
    return write(folder / 'export.json', [row])


def kili(folder: Path) -> Path:
    found = {'boundingPoly': [{'normalizedVertices': _corner_dicts('car', SIDE)}], 'categories': [{'name': 'car'}]}
    labels = [{'labelType': 'DEFAULT', 'jsonResponse': {'JOB_0': {'annotations': [found]}}}]
    return write(folder / 'data.json', [{'id': 'x', 'externalId': IMAGE, 'content': '', 'labels': labels}])


def encord(folder: Path) -> Path:
    found = {'name': 'car', 'shape': 'polygon', 'polygon': dict(enumerate(_corner_dicts('car', SIDE)))}
    unit = {'data_title': IMAGE, 'width': SIDE, 'height': SIDE, 'labels': {'objects': [found]}}
    row = {'label_hash': 'x', 'data_title': IMAGE, 'data_type': 'image', 'data_units': {'y': unit}}
    return write(folder / 'export.json', [row])


def eiseg(folder: Path) -> Path:
    """PaddleSeg's EISeg."""
    found = {'name': 'car', 'labelIdx': 1, 'color': [255, 0, 0], 'points': SHAPES[0][1]}
    return write(folder / f'{SEED0}.json', [found])


def scalabel(folder: Path) -> Path:
    vertices = [{'vertices': SHAPES[0][1], 'types': 'LLLL', 'closed': True}]
    return write(folder / 'labels.json', [{'name': IMAGE, 'labels': [{'category': 'car', 'poly2d': vertices}]}])


def voc_polygons(folder: Path) -> Path:
    """XML in VOC's form with polygons, as RectLabel, Roboflow and X-AnyLabeling write it."""
    corners = ''.join(f'<x{n}>{x}</x{n}><y{n}>{y}</y{n}>' for n, (x, y) in enumerate(SHAPES[0][1], 1))
    return write(
        folder / f'{SEED0}.xml',
        f'<annotation><folder>images</folder><filename>{IMAGE}</filename><object><name>car</name><bndbox><xmin>20'
        f'</xmin><ymin>40</ymin><xmax>108</xmax><ymax>90</ymax></bndbox><polygon>{corners}</polygon></object>'
        '</annotation>',
    )


def fiftyone(folder: Path) -> Path:
    detections = {'_cls': 'Detections', 'detections': [{'_cls': 'Detection', 'label': 'car'}]}
    return write(folder / 'samples.json', {'samples': [{'filepath': f'data/{IMAGE}', 'ground_truth': detections}]})


def segments(folder: Path) -> Path:
    categories = [{'id': 1, 'name': 'car'}]
    dataset = {'name': 'a/cars', 'task_attributes': {'categories': categories}, 'samples': [{'name': IMAGE}]}
    return write(folder / 'cars-v1.json', {'name': 'v1', 'dataset': dataset})


TOOLS = {
    'VIA': via,
    'VIA 1': via_old,
    'VIA project': via_project,
    'VIA csv': via_csv,
    'Supervisely': supervisely,
    'ISAT': isat,
    'Datumaro': datumaro,
    'SA-1B': sa1b,
    'YOLO segment': yolo_segment,
    'YOLO': yolo_flat,
    'Roboflow masks': roboflow_masks,
    'CreateML': createml,
    'VOC boxes': voc_boxes,
    'CVAT for video': cvat_video,
    'JSON-MIN': label_studio_min,
    'zip': zipped,
    'V7': darwin,
    'V7 1.0': darwin_old,
    'Hasty': hasty,
    'SuperAnnotate': superannotate,
    'Labelbox': labelbox,
    'Labelbox of old': labelbox_old,
    'Kili': kili,
    'Encord': encord,
    'EISeg': eiseg,
    'Scalabel': scalabel,
    'VOC polygons': voc_polygons,
    'FiftyOne': fiftyone,
    'Segments.ai': segments,
}
"""Writers by the name of the tool; each returns the file that matters."""
SAID = {
    'VOC polygons': 'VOC',
    'V7 1.0': 'V7',
    'Labelbox of old': 'Labelbox',
    'VIA 1': 'VIA|VGG',
    'VIA project': 'VIA|VGG',
    'VIA': 'VIA|VGG',
    'VIA csv': 'VIA|VGG',
    'YOLO segment': 'YOLO',
    'SA-1B': 'SA-1B|Segment Anything',
    'Roboflow masks': 'Roboflow',
    'CreateML': 'CreateML',
    'VOC boxes': 'VOC',
    'CVAT for video': 'CVAT for images 1.1',
}
"""How a message names it, where that is not the name itself."""

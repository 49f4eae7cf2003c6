"""The format of a file, by its content; and formats that are known and not read, each with the export to use instead.

Nothing is told from a name alone, but what the format itself fixes, such as Roboflow's `_classes.csv`.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import files_by_suffix
from datasetgan_ext.core.names import SUFFIXES
from datasetgan_ext.core.text import read_text
from datasetgan_ext.formats import name_tables, yolo
from datasetgan_ext.formats.drawing import read_json

COCO_KEYS = {'images', 'annotations', 'categories'}
BOXES = 'holds boxes alone, and masks take outlines'
CSV = (
    ('filename,file_size,file_attributes', 'is a CSV file of VIA (VGG Image Annotator); export it there as JSON'),
    ('#filename,file_size,file_attributes', 'is a CSV file of VIA (VGG Image Annotator); export it there as JSON'),
    (
        '# exported using vgg image annotator',
        'is a CSV file of VIA 3 (VGG Image Annotator); use VIA 2, and export JSON there',
    ),
    ('filename,width,height,class,xmin', f'is a CSV file that {BOXES}; export COCO Segmentation from Roboflow instead'),
    ('pixel value', "lists the classes of Roboflow's masks; give the folder of the export, which holds the masks"),
)
"""What the first line of a table begins with, and what that is."""
COCO = 'export COCO from it instead'
CVAT = 'export "CVAT for images 1.1" from it instead'
ARCHIVE = 'is an archive; unpack it, and give the file or folder that is in it'
PICTURE = 'is a picture; of masks, give the folder that holds them'
BEGINNINGS = (
    (b'\x1f\x8b', ARCHIVE),
    (b'7z\xbc\xaf', ARCHIVE),
    (b'Rar!', ARCHIVE),
    (b'\x89PNG', PICTURE),
    (b'\xff\xd8\xff', PICTURE),
    (b'II*\0', PICTURE),
    (b'MATLAB 5.0', "is MATLAB's; give the folder of its label PNG files, named as the images"),
)
"""With what bytes files begin that are no text, and what these are."""
OBJECTS = (
    ({'item', 'annotations', 'version'}, 'a file of V7 (Darwin JSON)', COCO),
    ({'dataset', 'image', 'annotations'}, 'a file of V7 (Darwin JSON 1.0)', COCO),
    ({'label_classes', 'images', 'export_format_version'}, 'a file of Hasty', COCO),
    ({'metadata', 'instances'}, 'a file of SuperAnnotate', COCO),
    ({'data_row', 'projects'}, 'an export of Labelbox', 'convert it to COCO, or to masks in PNG files'),
    ({'bug_tracker', 'labels'}, 'a part of a backup of CVAT', CVAT),
    ({'imgHeight', 'imgWidth', 'objects'}, "a file of Cityscapes' polygons", 'give masks of class ids as PNG files'),
    ({'datasetId', 'annotations'}, 'a file of Dataloop', COCO),
    ({'type', 'features'}, 'a GeoJSON file, as QuPath and maps have it', 'export masks of class ids as PNG files'),
    ({'openlabel'}, 'a file of OpenLABEL', COCO),
    ({'LabelDefinitions'}, "MATLAB's groundTruth", 'give the folder of its label PNG files, named as the images'),
)
"""Keys of JSON objects that are known and not read; what that is; what to use instead."""
LISTS = (
    ('Labeled Data', 'an export of Labelbox', 'convert it to COCO, or to masks in PNG files'),
    ('label_hash', 'an export of Encord', COCO),
    ('externalId', 'an export of Kili', COCO),
    ('labelIdx', 'a file of EISeg', COCO),
    ('tracks', 'a part of a backup of CVAT', CVAT),
)
"""The same of lists of objects, by one key of the first."""
ONE_IMAGE = re.compile(r'(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<annotation[\s>]', re.DOTALL)
"""Beginning of an XML file about one image; CVAT's root is called annotations."""


def format_of_file(path: Path, argument: str) -> str | None:
    """The name of a file's format, in `labels.FORMATS`; None = it holds no labels that are known.

    Raises:
        UserError: it is of a tool whose files are not read; or it is JSON, and damaged.
    """
    start = f'`{argument}`={path}'
    if zipfile.is_zipfile(path):
        raise UserError(f'{start} is a zip archive; unpack it, and give the file or folder that is in it')
    try:
        with path.open('rb') as file:
            data = file.read(10)
    except OSError:
        return None
    for mark, what in BEGINNINGS:
        if data.startswith(mark):
            raise UserError(f'{start} {what}')
    try:
        text = _text_of(path)
    except (OSError, ValueError):
        return None
    if ONE_IMAGE.match(text):
        what = f'of Pascal VOC, which {BOXES}; export masks (SegmentationClass) or another format from the tool'
        if '<polygon>' in text:
            what = "of Pascal VOC with its tool's own polygons, which are not read; export COCO or masks instead"
        if '<pt>' in text:
            what = (
                "of LabelMe's old web page (CVAT's LabelMe 3.0); export LabelMe's JSON, or CVAT for images 1.1, instead"
            )
        raise UserError(f'{start} is an XML file {what}')
    if text.startswith('<'):
        return 'cvat'
    if text[:1] in ('{', '[') or path.suffix.lower() == '.json':
        _check_lines(text, start)
        return _format_of_json(read_json(path, argument), start)
    for beginning, what in CSV:
        if text.lower().startswith(beginning):
            raise UserError(f'{start} {what}')
    return 'yolo' if path.suffix.lower() == '.txt' and yolo.is_label_text(text) else None


def formats_of_folder(folder: Path, argument: str) -> list[str]:
    """Formats of which a folder has signs beside JSON and XML files: `yolo`, or none.

    Raises:
        UserError: it is an export of a tool that is not read.
    """
    for path in files_by_suffix(folder, '.csv'):
        if path.name.lower() not in name_tables.READERS:
            format_of_file(path, argument)
    if not files_by_suffix(folder, '.json', '.xml', '.png', '.txt', below=True):
        for path in files_by_suffix(folder, '.zip'):
            format_of_file(path, argument)
    texts = files_by_suffix(folder, '.txt', below=True)
    return ['yolo'] if any(format_of_file(path, argument) == 'yolo' for path in texts) else []


def is_of_one_image(path: Path) -> bool:
    """Whether a file is XML of the boxes on one image, as VOC's datasets have them beside their masks."""
    try:
        return path.suffix.lower() == '.xml' and ONE_IMAGE.match(_text_of(path)) is not None
    except (OSError, ValueError):
        return False


def _text_of(path: Path) -> str:
    """The text of a file, without what may stand before its first character that counts."""
    return read_text(path).lstrip('\ufeff \t\r\n')


def _check_lines(text: str, start: str) -> None:
    """JSON lines are no JSON, and the parser's message would not help."""
    first, _, others = text.partition('\n')
    if first[:1] == '{' and others.lstrip()[:1] == '{':
        try:
            content = json.loads(first)
        except (ValueError, RecursionError):
            return
        _check_tools(content, start)
        raise UserError(
            f'{start} is JSON lines, one object a line; export one JSON document instead (in Label Studio: "JSON")'
        )


def _format_of_json(content: object, start: str) -> str | None:
    if isinstance(content, list):
        return _format_of_list(content, start)
    if not isinstance(content, dict):
        return None
    keys = set(content)
    _check_tools(content, start)
    if 'shapes' in keys:
        return 'labelme' if 'annotations' not in keys else None
    if '_via_img_metadata' in keys or _are_via_records(content):
        return 'via'
    if {'project', 'metadata', 'attribute', 'file'} <= keys:
        raise UserError(f'{start} is a project of VIA 3 (VGG Image Annotator); use VIA 2, and export JSON there')
    if {'objects', 'size'} <= keys:
        return 'supervisely'
    if {'classes', 'tags'} <= keys or {'project_meta', 'figures'} & keys:
        return None
    if {'info', 'objects'} <= keys:
        raise UserError(
            f'{start} is a file of ISAT, which is not read; export from ISAT, with its converter, as COCO or LabelMe'
        )
    if 'items' in keys and isinstance(content.get('categories'), dict):
        return 'datumaro'
    if isinstance(content.get('image'), dict) and 'annotations' in keys:
        raise UserError(
            f'{start} is a file of SA-1B (Segment Anything), whose masks have no classes; label them in a tool, and '
            'export COCO from there'
        )
    if not COCO_KEYS & keys or keys <= {'categories', 'info'}:  # the latter is notes.json of Label Studio's YOLO
        return None
    if _first(content.get('annotations'), 'segments_info') is not None:
        raise UserError(
            f'{start} is COCO panoptic: its masks are in PNG files of their own; export COCO instances '
            '("segmentation" in each annotation) instead'
        )
    return 'coco'


def _check_tools(content: dict, start: str) -> None:
    """Raises UserError if an object is of one of OBJECTS, or a dataset of FiftyOne or Segments.ai."""
    for known, what, instead in OBJECTS:
        if known <= set(content):
            raise UserError(f'{start} is {what}, which is not read; {instead}')
    dataset = content.get('dataset')
    if _first(content.get('samples'), 'filepath') is not None:
        raise UserError(f'{start} is a dataset of FiftyOne, which is not read; export a COCODetectionDataset instead')
    if isinstance(dataset, dict) and 'samples' in dataset:
        raise UserError(f'{start} is a release of Segments.ai, which is not read; export coco-instance instead')


def _format_of_list(content: list, start: str) -> str | None:
    for key, what, instead in LISTS:
        if _first(content, key) is not None:
            raise UserError(f'{start} is {what}, which is not read; {instead}')
    if _first(_first(content, 'labels'), 'category') is not None:
        raise UserError(f'{start} is a file of Scalabel (BDD100K), which is not read; {COCO}')
    if _first(content, 'image_id') is not None and _first(content, 'data') is None:
        raise UserError(
            f'{start} is a list of COCO results, as evaluations take them: names of images and classes are missing; '
            'export the whole COCO file ("images", "annotations" and "categories")'
        )
    if isinstance(_first(content, 'image'), str) and _first(_first(content, 'annotations'), 'coordinates') is not None:
        raise UserError(
            f'{start} is a file of CreateML, which {BOXES}; export COCO Segmentation (in Roboflow) or another format '
            'of outlines instead'
        )
    first = content[0] if content else None
    if isinstance(first, (str, list)) or isinstance(first, dict) and not _is_task(first):
        return None
    return 'label-studio'


def _is_task(item: dict) -> bool:
    """Whether a dict may be a task of Label Studio, or of its export that leaves most out."""
    files = [value for value in item.values() if isinstance(value, str) and value.lower().endswith(SUFFIXES)]
    return bool(files or {'data', 'annotations', 'predictions'} & set(item))


def _first(items: object, key: str) -> object:
    """What the first of a list of dicts has under a key; None = there is none."""
    one = items[0] if isinstance(items, list) and items else None
    return one.get(key) if isinstance(one, dict) else None


def _are_via_records(content: dict) -> bool:
    return bool(content) and all(
        isinstance(record, dict) and {'filename', 'regions'} <= set(record) for record in content.values()
    )

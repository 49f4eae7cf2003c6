"""A mask through each format: exact where it has masks, to within a pixel of the border where it has polygons."""

import numpy as np
import PIL.Image
import pytest
from scipy import ndimage

from datasetgan_ext.formats import yolo
from datasetgan_ext.formats.png import write_mask
from datasetgan_ext.formats.regions import find_regions
from datasetgan_ext.formats.shapes import Polygon
from tests.helpers.coco_labels import coco
from tests.helpers.cvat_labels import cvat, image
from tests.helpers.label_studio_labels import brush, result
from tests.helpers.label_studio_labels import task as studio_task
from tests.helpers.labelme_labels import labelme, png, shape
from tests.helpers.labels import TASK, one, write

HEIGHT, WIDTH = 23, 31
NAMES = dict(enumerate(TASK.classes))


def runs(bits) -> list[int]:
    """Lengths of the runs of equal values, beginning with those that are False."""
    edges = np.flatnonzero(np.diff(bits)) + 1
    return np.diff([0, *([0] if bits[0] else []), *edges, len(bits)]).tolist()


def as_png(folder, mask):
    write_mask(folder / 'seed0000003.png', mask, TASK.flat_palette)
    return folder


def as_voc(folder, mask):
    (folder / 'SegmentationClass').mkdir()
    as_png(folder / 'SegmentationClass', mask)
    return folder


def as_colors(folder, mask):
    PIL.Image.fromarray(np.array(TASK.palette, np.uint8)[mask]).save(folder / 'seed0000003.png')
    return folder


def as_labelme(folder, mask):
    corners = [[0, 0], [WIDTH - 1, HEIGHT - 1]]
    return write(
        folder / 'seed0000003.json',
        labelme(
            *(shape(NAMES[index], 'mask', corners, mask=png(mask == index)) for index in (1, 2)),
            imageHeight=HEIGHT,
            imageWidth=WIDTH,
        ),
    ).parent


def as_coco(folder, mask):
    content = coco(*({'size': [HEIGHT, WIDTH], 'counts': runs((mask == index).ravel(order='F'))} for index in (1, 2)))
    content['images'][0] |= {'height': HEIGHT, 'width': WIDTH}
    content['annotations'][1]['category_id'] = 2
    return write(folder / 'a.json', content)


def as_cvat(folder, mask):
    shapes = (
        f'<mask label="{NAMES[index]}" rle="{", ".join(map(str, runs((mask == index).ravel())))}" '
        f'left="0" top="0" width="{WIDTH}" height="{HEIGHT}" z_order="0"></mask>'
        for index in (1, 2)
    )
    return write(folder / 'annotations.xml', cvat(image(*shapes, width=WIDTH, height=HEIGHT)))


def studio(folder, *results):
    size = {'original_width': WIDTH, 'original_height': HEIGHT}
    return write(folder / 'export.json', [studio_task(*({**found, **size} for found in results))])


def as_studio(folder, mask):
    return studio(
        folder,
        *(
            result(
                'brushlabels',
                NAMES[index],
                format='rle',
                rle=brush([''.join('.#'[value] for value in row) for row in (mask == index).astype(int)]),
            )
            for index in (1, 2)
        ),
    )


@pytest.mark.parametrize('density', [0.02, 0.5, 0.98])
@pytest.mark.parametrize('encode', [as_png, as_voc, as_colors, as_labelme, as_coco, as_cvat, as_studio])
def test_masks_are_exact(tmp_path, encode, density):
    random = np.random.RandomState(0)
    mask = (random.rand(HEIGHT, WIDTH) < density) * random.randint(1, 3, (HEIGHT, WIDTH)).astype(np.uint8)
    assert np.array_equal(one(encode(tmp_path, mask)).mask, mask)


def labelme_polygon(folder, corners):
    return write(
        folder / 'seed0000003.json',
        labelme(shape('car', 'polygon', corners.tolist()), imageHeight=HEIGHT, imageWidth=WIDTH),
    ).parent


def coco_polygon(folder, corners):
    content = coco([corners.ravel().tolist()])
    content['images'][0] |= {'height': HEIGHT, 'width': WIDTH}
    return write(folder / 'a.json', content)


def cvat_polygon(folder, corners):
    points = ';'.join(f'{x:.2f},{y:.2f}' for x, y in corners)  # as CVAT rounds them
    return write(
        folder / 'annotations.xml',
        cvat(image(f'<polygon label="car" points="{points}" z_order="0"></polygon>', width=WIDTH, height=HEIGHT)),
    )


def studio_polygon(folder, corners):
    return studio(folder, result('polygonlabels', 'car', points=(100 * corners / (WIDTH, HEIGHT)).tolist()))


@pytest.mark.parametrize('encode', [labelme_polygon, coco_polygon, cvat_polygon, studio_polygon])
def test_polygons_are_within_a_pixel_of_the_border(tmp_path, encode):
    """Against the half planes of a convex polygon."""
    angles = np.linspace(0, 2 * np.pi, 11, endpoint=False)
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (13.3, 9.1) + (15.2, 11.7)
    y, x = np.indices((HEIGHT, WIDTH)) + 0.5
    sides = zip(corners, np.roll(corners, -1, axis=0))
    inside = np.all([(bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0 for (ax, ay), (bx, by) in sides], axis=0)
    found = one(encode(tmp_path, corners)).mask == 1
    assert inside.sum() > 300
    assert not (ndimage.binary_erosion(inside) & ~found).any() and not (found & ~ndimage.binary_dilation(inside)).any()
    assert (found != inside).sum() <= 2


@pytest.mark.parametrize('side', [64, 128, 256])
def test_outlines_of_yolo_that_touch_themselves_are_read_back(side, tmp_path):
    """Ragged regions; the corners are rounded in the file."""
    cv2 = pytest.importorskip('cv2')
    noise = ndimage.gaussian_filter(np.random.RandomState(0).randn(side, side), 1)
    ragged = (noise > np.quantile(noise, 0.6)).astype(np.uint8)
    for region in find_regions(ragged):
        corners = (yolo._outline(region, cv2) + 0.5) / side
        write(tmp_path / 'seed0000003.txt', yolo._line(0, corners))
        write(tmp_path / 'data.yaml', 'names: [car, wheel]')
        (drawing,) = yolo.read(tmp_path)
        mask = np.zeros((side, side), np.uint8)
        Polygon(drawing.shapes[0].region.corners * side).paint(mask, 1)
        inner = np.zeros((side, side), bool)
        x, y, width, height = region.box
        inner[y : y + height, x : x + width] = ndimage.binary_erosion(region.pixels)
        assert mask[inner].all()

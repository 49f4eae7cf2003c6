"""The drawn world of the demo: cars whose parts and keypoints are known, from a seed, at any resolution.

A car is a box with a tapered cabin on it, in metres: x along its length (rear to front), y up from the ground, z away
from the viewer (0 is the near side). It drives to the right. An orthographic view from a little above shows its near
side and, the more it is turned, its front. Whatever is painted goes to the picture and to the part map alike, `FINER`
times finer than asked for.

Nothing in it is a choice of one from a list: bodies run from van over hatchback and saloon to pickup, and what is not
in every picture slides in from a side or rises from behind something. So a generator, which is a continuous function of
its latent vector, can follow the world without having to make pictures that are between two things.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datasetgan_ext.core.annotation import ABSENT, OCCLUDED, VISIBLE

CLASSES = (
    'background',
    'body',
    'door',
    'roof',
    'window',
    'screen',
    'tire',
    'hub',
    'light',
    'bumper',
    'grille',
    'plate',
    'handle',
    'mirror',
)
PALETTE = (
    (0, 0, 0),
    (200, 60, 60),
    (245, 150, 70),
    (120, 30, 90),
    (80, 160, 255),
    (0, 220, 200),
    (110, 110, 110),
    (230, 230, 230),
    (255, 220, 0),
    (150, 0, 220),
    (0, 110, 50),
    (255, 120, 220),
    (120, 255, 60),
    (40, 60, 200),
)
# left and right are those of the picture
KEYPOINTS = (
    'left_wheel',
    'right_wheel',
    'left_light',
    'right_light',
    'left_bumper',
    'right_bumper',
    'left_roof',
    'right_roof',
    'left_window',
    'right_window',
    'mirror',
    'plate',
)
LEFT_RIGHT_PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
SKELETON = ((4, 0), (0, 1), (1, 5), (4, 2), (2, 8), (8, 6), (6, 7), (7, 9), (9, 3), (3, 5), (8, 9))

FINER = 4
BLUR = 0.55 / 128  # standard deviation of the lens's blur, as a share of the width

_ID = {name: index for index, name in enumerate(CLASSES)}
_OCCLUDER = len(CLASSES)
_SPOKES = 5
_PROUD = 0.06  # metres by which bumpers stand out
_PLATE_TURN = 0.12  # sine of the turn below which the plate is too narrow to be a keypoint

_HEADLAMP, _TAIL_LAMP = colorsys.hsv_to_rgb(0.14, 0.12, 1), colorsys.hsv_to_rgb(0.99, 0.85, 0.8)

Point = tuple[float, float, float]
Color = tuple[float, float, float]


class Drawing(NamedTuple):
    """A picture and all that is known of it.

    Attributes:
        image: uint8 [H, W, 3], RGB.
        mask: uint8 [H, W], ids of `CLASSES`.
        keypoints: float32 [len(KEYPOINTS), 2], x and y in pixels; the centre of the first pixel is (0.5, 0.5).
        visibility: uint8 [len(KEYPOINTS)]; 2 visible, 1 behind something, 0 not in the picture (then x = y = 0).
    """

    image: np.ndarray
    mask: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray


def draw(seed: int, resolution: int = 128) -> Drawing:
    """The drawing of a seed; the same scene at every resolution.

    Args:
        seed: 0 .. 2**32 - 1.
        resolution: width and height in pixels.
    """
    random = _Random(seed)
    canvas = _Canvas(resolution * FINER)
    scene = _Scene(random)
    scene.paint_behind(canvas)
    car = _Car(random, scene)
    car.paint(canvas)
    scene.paint_in_front(canvas)
    points, visibility = canvas.look_up(car.keypoints())
    image, mask = canvas.finish(resolution, scene.tint)
    return Drawing(image, mask, (points * resolution * (visibility > 0)[:, None]).astype(np.float32), visibility)


class _Random:
    """Draws that read like what they are for."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def between(self, low: float, high: float) -> float:
        return float(self._state.uniform(low, high))

    def blend(self, first: Color, last: Color) -> Color:
        """A colour between two."""
        share = self.between(0, 1)
        return tuple(a + share * (b - a) for a, b in zip(first, last))


class _Canvas:
    """A picture and a part map, painted together. Positions are shares of the width, y down."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._image = Image.new('RGB', (size, size))
        self._parts = Image.new('L', (size, size))
        self._draw_image = ImageDraw.Draw(self._image)
        self._draw_parts = ImageDraw.Draw(self._parts)

    def polygon(self, points: Iterable[tuple[float, float]], color: Color, part: int | None = None) -> None:
        """Fill a polygon; with part None only the picture is painted, and the part map stays."""
        corners = [(x * self.size, y * self.size) for x, y in points]
        self._draw_image.polygon(corners, fill=_bytes(color))
        if part is not None:
            self._draw_parts.polygon(corners, fill=part)

    def line(self, points: Iterable[tuple[float, float]], color: Color, width: float) -> None:
        self._draw_image.line(
            [(x * self.size, y * self.size) for x, y in points],
            fill=_bytes(color),
            width=max(1, round(width * self.size)),
        )

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: Color, part: int | None = None) -> None:
        box = [(x - rx) * self.size, (y - ry) * self.size, (x + rx) * self.size, (y + ry) * self.size]
        self._draw_image.ellipse(box, fill=_bytes(color))
        if part is not None:
            self._draw_parts.ellipse(box, fill=part)

    def gradient(self, top: float, bottom: float, first: Color, last: Color) -> None:
        """Fill the rows from `top` to `bottom` with colours from `first` to `last`."""
        rows = slice(round(top * self.size), round(bottom * self.size))
        share = np.linspace(0, 1, rows.stop - rows.start)[:, None]
        colors = np.array(first) * (1 - share) + np.array(last) * share
        band = np.broadcast_to(
            (colors * 255).clip(0, 255).astype(np.uint8)[:, None], (rows.stop - rows.start, self.size, 3)
        )
        self._image.paste(Image.fromarray(np.ascontiguousarray(band)), (0, rows.start))

    def look_up(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Visibility of points [K, 2] (NaN: not to be seen from here): out of the frame, behind something, or free."""
        parts = np.asarray(self._parts)
        inside = ((points >= 0) & (points < 1)).all(axis=1)
        columns, rows = (np.where(inside[:, None], points, 0) * self.size).astype(int).T
        hidden = parts[rows, columns] == _OCCLUDER
        visibility = np.where(inside, np.where(hidden, OCCLUDED, VISIBLE), ABSENT)
        return np.where(inside[:, None], points, 0), visibility.astype(np.uint8)

    def finish(self, resolution: int, tint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image and mask at the wanted size: mean colours, times `tint`, and the part that covers most of a pixel."""
        image = self._image.filter(ImageFilter.GaussianBlur(BLUR * self.size))
        image = np.asarray(image.resize((resolution, resolution), Image.Resampling.BOX), dtype=np.float32)
        parts = np.asarray(self._parts)
        cells = np.arange(resolution * resolution).reshape(resolution, resolution)
        cells = cells.repeat(FINER, axis=0).repeat(FINER, axis=1)
        count = np.bincount((cells * (_OCCLUDER + 1) + parts).ravel(), minlength=resolution**2 * (_OCCLUDER + 1))
        mask = count.reshape(resolution, resolution, -1).argmax(axis=-1)
        mask[mask == _OCCLUDER] = 0
        return (image * tint).round().clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


class _Scene:
    """Everything but the car: light, sky, what stands behind, the road, and what stands in front."""

    def __init__(self, random: _Random) -> None:
        self._random = random
        self.horizon = random.between(0.40, 0.56)
        self.ground = random.between(max(0.75, self.horizon + 0.18), 0.83)
        warmth = random.between(-1, 1)
        self.brightness = random.between(0.75, 1.05)
        self.tint = self.brightness * np.array([1 + 0.08 * warmth, 1, 1 - 0.08 * warmth], dtype=np.float32)
        self.sun = random.between(-1, 1)  # where the light comes from: -1 left, 1 right
        self.asphalt = _hsv(random.between(0.05, 0.65), random.between(0, 0.15), random.between(0.3, 0.6))

    def paint_behind(self, canvas: _Canvas) -> None:
        random, horizon = self._random, self.horizon
        hue, cloudy = random.between(0.52, 0.62), random.between(0.1, 0.6)
        canvas.gradient(0, horizon, _hsv(hue, cloudy, random.between(0.7, 1)), _hsv(hue, cloudy * 0.25, 0.97))
        for _ in range(2):
            self._paint_building(canvas)
        self._paint_hills(canvas)
        for _ in range(2):
            self._paint_tree(canvas)
        verge = _hsv(random.between(0.08, 0.3), random.between(0.12, 0.45), random.between(0.5, 0.68))
        edge = horizon + random.between(0.03, 0.09)
        canvas.gradient(horizon, edge, _dim(verge, 0.9), verge)
        canvas.gradient(edge, 1, _dim(self.asphalt, 0.85), _dim(self.asphalt, 1.15))
        canvas.polygon([(0, edge), (1, edge), (1, edge + 0.012), (0, edge + 0.012)], _dim(self.asphalt, 1.5))
        self._paint_lane(canvas)
        self._paint_fence(canvas)

    def paint_in_front(self, canvas: _Canvas) -> None:
        """A pole in one of eight pictures, a bush in one of six."""
        random = self._random
        x, width = random.between(-3.5, 4.5), random.between(0.022, 0.035)
        color = random.blend(_hsv(0.08, 0.4, 0.35), _hsv(0.6, 0.05, 0.7))
        canvas.polygon(_box(x, 0, x + width, 0.97), color, _OCCLUDER)
        canvas.polygon(_box(x, 0, x + width * 0.3, 0.97), _dim(color, 1.3))
        x, height = random.between(0, 1), max(0.0, random.between(-0.9, 0.18))
        green = _hsv(random.between(0.22, 0.38), 0.5, random.between(0.25, 0.45))
        for step, share in ((-1, 0.8), (0, 1), (1, 0.7)):
            canvas.ellipse(x + 0.09 * step, 1.1, 0.09, 0.1 + height * share, _dim(green, 1 + 0.15 * step), _OCCLUDER)

    def _paint_building(self, canvas: _Canvas) -> None:
        random = self._random
        left, width, top = random.between(-0.6, 1.2), random.between(0.25, 0.5), random.between(0.05, self.horizon)
        wall = _hsv(random.between(0, 0.15), random.between(0.05, 0.4), random.between(0.45, 0.85))
        canvas.polygon(_box(left, top, left + width, self.horizon), wall)
        glass = random.blend(_hsv(0.58, 0.25, 0.35), _hsv(0.14, 0.4, 0.95))
        for column in range(3):
            for row in range(3):
                x, y = left + width * (column + 0.25) / 3, top + 0.04 + row * 0.15
                canvas.polygon(_box(x, y, x + width / 6, y + 0.08), glass)

    def _paint_hills(self, canvas: _Canvas) -> None:
        random = self._random
        high = random.between(0, 0.14)
        heights = [high * random.between(0.1, 1) for _ in range(6)]
        ridge = [(index / 5, self.horizon - height) for index, height in enumerate(heights)]
        canvas.polygon(
            [(0, self.horizon), *ridge, (1, self.horizon)],
            _hsv(random.between(0.25, 0.6), random.between(0.15, 0.4), random.between(0.4, 0.65)),
        )

    def _paint_tree(self, canvas: _Canvas) -> None:
        random = self._random
        x, radius = random.between(-0.4, 1.4), random.between(0.07, 0.14)
        y = self.horizon - radius * random.between(0.9, 1.6)
        leaves = _hsv(random.between(0.16, 0.4), random.between(0.4, 0.65), random.between(0.3, 0.55))
        canvas.polygon(_box(x - 0.014, y, x + 0.014, self.horizon + 0.02), _hsv(0.07, 0.5, 0.3))
        canvas.ellipse(x, y, radius, radius * 1.1, _dim(leaves, 0.85))
        canvas.ellipse(x + 0.25 * radius * self.sun, y - 0.25 * radius, radius * 0.65, radius * 0.65, leaves)

    def _paint_fence(self, canvas: _Canvas) -> None:
        height, phase = self._random.between(-0.2, 0.08), self._random.between(0, 0.2)
        color = self._random.blend(_hsv(0.08, 0.4, 0.3), _hsv(0.1, 0.05, 0.95))
        if height > 0:
            for share in (0.75, 0.3):
                top = self.horizon - share * height
                canvas.polygon(_box(0, top, 1, top + 0.01), color)
            for index in range(6):
                x = phase + 0.2 * index
                canvas.polygon(_box(x, self.horizon - height, x + 0.015, self.horizon), color)

    def _paint_lane(self, canvas: _Canvas) -> None:
        y, phase = self._random.between(0.9, 1.06), self._random.between(0, 0.3)
        for index in range(-1, 4):
            x = phase + 0.3 * index
            canvas.polygon([(x, y), (x + 0.16, y), (x + 0.15, y + 0.02), (x - 0.01, y + 0.02)], _hsv(0.13, 0.05, 0.9))


# bodies, between which there is any other: van, hatchback, saloon, pickup
_BODIES = {
    'length': (4.85, 4.0, 4.7, 5.1),
    'rise': (0.72, 0.62, 0.62, 0.68),  # from the sill to the belt
    'cabin': (0.88, 0.49, 0.49, 0.55),  # from the belt to the roof
    'rear_foot': (0.01, 0.025, 0.15, 0.43),  # where the cabin meets the body, as shares of the length
    'front_foot': (0.9, 0.74, 0.73, 0.75),
    'rear_lean': (0.012, 0.07, 0.13, 0.02),  # how much shorter the roof is there, likewise
    'front_lean': (0.1, 0.13, 0.13, 0.105),
    'drop': (0.02, 0.02, 0.07, 0.02),  # from the belt down to the end of the tail
    'bed': (0, 0, 0, 1),  # 1: an open one behind the cabin, 0: closed
    'tyres': (0.34, 0.33, 0.34, 0.38),
}


class _Car:
    """A car with a body from van (0) over hatchback (1) and saloon (2) to pickup (3)."""

    def __init__(self, random: _Random, scene: _Scene) -> None:
        self._random, self._scene = random, scene
        between = random.between
        kind = between(-0.15, 3.15)
        body = {name: float(np.interp(kind, range(4), values)) for name, values in _BODIES.items()}
        self.length = body['length'] + between(-0.3, 0.3)
        self.width = between(1.6, 1.85)
        self.wheel = body['tyres'] + between(-0.025, 0.025)
        self.sill = self.wheel * between(0.75, 0.95)
        self.belt = self.sill + body['rise'] + between(-0.06, 0.06)
        self.top = self.belt + body['cabin'] + between(-0.06, 0.06)
        self.nose = self.belt - between(0.08, 0.25)  # height of the bonnet at its front end
        self.tail = self.belt - body['drop'] * between(0.3, 1.7)
        self.bed = max(0.0, min(1.0, 2 * body['bed'] - 0.8))
        self.foot = (
            (body['rear_foot'] * between(0.8, 1.1)) * self.length,
            (body['front_foot'] + between(-0.025, 0.025)) * self.length,
        )
        self.roof = (
            self.foot[0] + body['rear_lean'] * between(0.7, 1.3) * self.length,
            self.foot[1] - body['front_lean'] * between(0.75, 1.25) * self.length,
        )
        self.taper = between(0.12, 0.2)  # the roof is this much narrower on each side
        self.axles = (between(0.16, 0.21) * self.length, between(0.79, 0.84) * self.length)
        self.paint_color = _hsv(between(0, 1), between(0.05, 0.9), between(0.35, 0.95))
        self.trim = random.blend(self.paint_color, _hsv(0.6, 0.03, 0.25))
        self.glass = _hsv(0.56, between(0.1, 0.35), between(0.15, 0.45))
        self.pillar = between(0.52, 0.6)  # between the doors, as a share of the cabin from its rear
        self.rim = _hsv(0.6, 0.03, between(0.55, 0.95))
        self.chrome = random.blend(_dim(self.paint_color, 0.5), _hsv(0.6, 0.02, 0.9))
        # the view
        self.turn = np.deg2rad(between(0, 32))
        self.pitch = np.deg2rad(between(5, 10))
        span = self.length * np.cos(self.turn) + self.width * np.sin(self.turn)
        self.scale = between(0.84, 1) / span
        self.center = between(0.46, 0.54)
        self.side_light, self.front_light, self.top_light = 1.0, 0.8 + 0.22 * scene.sun, 1.18

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Metres to shares of the picture."""
        x, z = x - self.length / 2, z - self.width / 2
        across = x * np.cos(self.turn) + z * np.sin(self.turn)
        depth = z * np.cos(self.turn) - x * np.sin(self.turn) + self.width / 2
        return (
            self.center + self.scale * across,
            self._scene.ground - self.scale * (y * np.cos(self.pitch) + depth * np.sin(self.pitch)),
        )

    def keypoints(self) -> np.ndarray:
        """float [len(KEYPOINTS), 2], shares of the picture; NaN where the part is not to be seen from here."""
        length, low = self.length, self.sill + 0.12
        pairs = [
            [(self.axles[0], self.wheel, 0), (self.axles[1], self.wheel, 0)],
            [(0.12, self._light_height(0), 0), (length - 0.14, self._light_height(1), 0)],
            [(-_PROUD, low, 0), (length + _PROUD, low, 0)],
            [(self.roof[0], self.top, self.taper), (self.roof[1], self.top, self.taper)],
            [self._on_cabin(0.05, 0.08), self._on_cabin(0.95, 0.08)],
        ]
        points = [self.project(*point) for pair in pairs for point in pair]
        plate = (np.nan, np.nan)
        if np.sin(self.turn) > _PLATE_TURN:
            plate = self.project(length + _PROUD, self._plate_height(), self.width / 2)
        return np.array([*points, self.project(*self._mirror()), plate])

    def paint(self, canvas: _Canvas) -> None:
        self._paint_shadow(canvas)
        for axle in self.axles:
            self._disc(canvas, axle, self.width - 0.1, self.wheel, _hsv(0.6, 0.05, 0.1), _ID['tire'])
        self._paint_body(canvas)
        self._paint_front(canvas)
        self._paint_cabin(canvas)
        self._paint_side(canvas)
        for axle in self.axles:
            self._paint_wheel(canvas, axle)
        mirror_x, mirror_y, mirror_z = self._mirror()
        self._quad(
            canvas,
            [
                (mirror_x - 0.12, mirror_y - 0.09, mirror_z),
                (mirror_x + 0.1, mirror_y - 0.09, mirror_z),
                (mirror_x + 0.14, mirror_y + 0.09, mirror_z),
                (mirror_x - 0.12, mirror_y + 0.09, mirror_z),
            ],
            _dim(self.trim, 0.8),
            'mirror',
        )

    def _quad(self, canvas: _Canvas, corners: Iterable[Point], color: Color, part: str | None) -> None:
        canvas.polygon([self.project(*corner) for corner in corners], color, None if part is None else _ID[part])

    def _disc(self, canvas: _Canvas, x: float, z: float, radius: float, color: Color, part: int | None) -> None:
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        canvas.polygon(
            [self.project(x + radius * np.cos(angle), self.wheel + radius * np.sin(angle), z) for angle in angles],
            color,
            part,
        )

    def _paint_shadow(self, canvas: _Canvas) -> None:
        grow, shift = 0.12, 0.25 * self._scene.sun
        corners = [
            (-grow - shift, 0, -grow),
            (self.length + grow - shift, 0, -grow),
            (self.length + grow - shift, 0, self.width),
            (-grow - shift, 0, self.width),
        ]
        canvas.polygon([self.project(*corner) for corner in corners], _dim(self._scene.asphalt, 0.5))

    def _paint_body(self, canvas: _Canvas) -> None:
        """Top, then side: the outline in x and y of the near side, shaded in bands from the belt down."""
        length, width, paint = self.length, self.width, self.paint_color
        deck = [
            (0, self.tail, 0),
            (self.foot[0], self.belt, 0),
            (self.foot[0], self.belt, width),
            (0, self.tail, width),
        ]
        self._quad(canvas, deck, _dim(paint, self.top_light), 'body')
        if self.bed > 0:
            bed = [
                (0.1, self.tail, 0.12),
                (self.foot[0] - 0.08, self.belt, 0.12),
                (self.foot[0] - 0.08, self.belt, width - 0.12),
                (0.1, self.tail, width - 0.12),
            ]
            self._quad(canvas, bed, _dim(paint, self.top_light + self.bed * (0.35 - self.top_light)), 'body')
        bonnet = [
            (self.foot[1], self.belt, 0),
            (length, self.nose, 0),
            (length, self.nose, width),
            (self.foot[1], self.belt, width),
        ]
        self._quad(canvas, bonnet, _dim(paint, self.top_light), 'body')
        for share, light in ((1, 1.04), (0.8, 1.0), (0.55, 0.88), (0.25, 0.72)):
            height = self.sill + share * (self.belt - self.sill)
            outline = [
                (0, self.sill, 0),
                (0, min(height, self.tail), 0),
                (self.foot[0], height, 0),
                (self.foot[1], height, 0),
                (length, min(height, self.nose), 0),
                (length, self.sill, 0),
            ]
            self._quad(canvas, outline, _dim(paint, light * self.side_light), 'body')

    def _paint_front(self, canvas: _Canvas) -> None:
        """The front end: panel, grille, lamps, bumper and plate."""
        width, light = self.width, self.front_light

        def face(y0: float, y1: float, z0: float, z1: float, proud: float = 0) -> list[Point]:
            x = self.length + proud
            return [(x, y0, z0 * width), (x, y0, z1 * width), (x, y1, z1 * width), (x, y1, z0 * width)]

        self._quad(canvas, face(self.sill, self.nose, 0, 1), _dim(self.paint_color, light), 'body')
        middle = self._light_height(1)
        self._quad(canvas, face(middle - 0.1, middle + 0.07, 0.25, 0.75), _hsv(0.6, 0.05, 0.12), 'grille')
        self._quad(canvas, face(middle - 0.03, middle - 0.005, 0.25, 0.75), _dim(self.rim, 0.8), 'grille')
        for z0, z1 in ((0, 0.2), (0.8, 1)):
            self._quad(canvas, face(middle - 0.08, middle + 0.08, z0, z1), _dim(_HEADLAMP, light), 'light')
        self._quad(canvas, face(self.sill, self.sill + 0.26, 0, 1, _PROUD), _dim(self.trim, light * 0.85), 'bumper')
        plate = self._plate_height()
        self._quad(canvas, face(plate - 0.1, plate + 0.1, 0.3, 0.7, _PROUD), _dim(_hsv(0.14, 0.1, 1), light), 'plate')
        self._quad(
            canvas, face(plate - 0.03, plate + 0.03, 0.36, 0.64, _PROUD), _dim(_hsv(0.6, 0.2, 0.3), light), 'plate'
        )

    def _paint_cabin(self, canvas: _Canvas) -> None:
        width, taper, paint = self.width, self.taper, self.paint_color
        (rear, front), (roof_rear, roof_front) = self.foot, self.roof

        def pane(inset: float, color: Color, part: str) -> None:
            low, high = 0.12 * inset, 1 - 0.16 * inset
            corners = []
            for share, side in ((low, 0), (low, 1), (high, 1), (high, 0)):
                z = taper * share + inset * 0.1
                corners.append(
                    (
                        front + (roof_front - front) * share,
                        self.belt + (self.top - self.belt) * share,
                        width - z if side else z,
                    )
                )
            self._quad(canvas, corners, color, part)

        pane(0, _dim(paint, self.front_light), 'body')
        pane(1, _dim(self.glass, 1.25 * self.front_light), 'screen')
        self._quad(
            canvas,
            [(rear, self.belt, 0), (front, self.belt, 0), (roof_front, self.top, taper), (roof_rear, self.top, taper)],
            _dim(paint, 0.95),
            'body',
        )
        self._quad(
            canvas,
            [self._on_cabin(0, 0.86), self._on_cabin(1, 0.86), self._on_cabin(1, 1), self._on_cabin(0, 1)],
            _dim(paint, 1.05),
            'roof',
        )
        self._quad(
            canvas,
            [
                (roof_rear, self.top, taper),
                (roof_front, self.top, taper),
                (roof_front, self.top, width - taper),
                (roof_rear, self.top, width - taper),
            ],
            _dim(paint, self.top_light),
            'roof',
        )
        panes = self._panes()
        for left, right in panes:
            self._quad(
                canvas,
                [
                    self._on_cabin(left, 0.08),
                    self._on_cabin(right, 0.08),
                    self._on_cabin(right, 0.82),
                    self._on_cabin(left, 0.82),
                ],
                self.glass,
                'window',
            )
            shine = left + 0.3 * (right - left)
            self._quad(
                canvas,
                [
                    self._on_cabin(shine, 0.08),
                    self._on_cabin(shine + 0.05, 0.08),
                    self._on_cabin(shine + 0.11, 0.82),
                    self._on_cabin(shine + 0.06, 0.82),
                ],
                _dim(self.glass, 1.5),
                'window',
            )

    def _paint_side(self, canvas: _Canvas) -> None:
        """Doors with handles, and what wraps round from the ends: lamps and bumpers."""
        length, seam = self.length, _dim(self.paint_color, 0.45)
        for left, right in self._door_spans():
            low, high = self.sill + 0.08, self.belt - 0.02
            for share, light in ((1, 1.04), (0.8, 1.0), (0.55, 0.88), (0.25, 0.72)):
                height = min(high, self.sill + share * (self.belt - self.sill))
                self._quad(
                    canvas,
                    [(left, low, 0), (right, low, 0), (right, height, 0), (left, height, 0)],
                    _dim(self.paint_color, light),
                    'door',
                )
            canvas.line(
                [
                    self.project(*corner)
                    for corner in ((left, high, 0), (left, low, 0), (right, low, 0), (right, high, 0))
                ],
                seam,
                0.018 * self.scale,
            )
            handle, tall, end = self.belt - 0.16, 0.055, left + min(0.38, 0.7 * (right - left))
            self._quad(
                canvas,
                [
                    (left + 0.07, handle - tall, -0.02),
                    (end, handle - tall, -0.02),
                    (end, handle + tall, -0.02),
                    (left + 0.07, handle + tall, -0.02),
                ],
                self.chrome,
                'handle',
            )
        for front in (False, True):
            height, x0, x1 = self._light_height(int(front)), *((length - 0.3, length) if front else (0, 0.24))
            self._quad(
                canvas,
                [(x0, height - 0.08, 0), (x1, height - 0.08, 0), (x1, height + 0.08, 0), (x0, height + 0.06, 0)],
                _HEADLAMP if front else _TAIL_LAMP,
                'light',
            )
            x0, x1 = (length - 0.42, length + _PROUD) if front else (-_PROUD, 0.38)
            self._quad(
                canvas,
                [(x0, self.sill, 0), (x1, self.sill, 0), (x1, self.sill + 0.24, 0), (x0, self.sill + 0.24, 0)],
                _dim(self.trim, 0.85),
                'bumper',
            )

    def _paint_wheel(self, canvas: _Canvas, axle: float) -> None:
        self._disc(canvas, axle, 0, self.wheel * 1.16, _dim(self.paint_color, 0.25), _ID['body'])
        self._disc(canvas, axle, -0.02, self.wheel, _hsv(0.6, 0.05, 0.13), _ID['tire'])
        self._disc(canvas, axle, -0.02, self.wheel * 0.64, _dim(self.rim, 0.4), _ID['hub'])
        for spoke in range(_SPOKES):
            angle = 2 * np.pi * (spoke / _SPOKES + 0.05 * axle)
            tip = (axle + 0.6 * self.wheel * np.cos(angle), self.wheel * (1 + 0.6 * np.sin(angle)), -0.02)
            canvas.line([self.project(axle, self.wheel, -0.02), self.project(*tip)], self.rim, 0.085 * self.scale)
        self._disc(canvas, axle, -0.02, self.wheel * 0.18, self.rim, _ID['hub'])

    def _on_cabin(self, along: float, up: float) -> Point:
        """A point of the cabin's near side: along its foot from rear (0) to front (1), up to the roof (1)."""
        foot = self.foot[0] + along * (self.foot[1] - self.foot[0])
        roof = self.roof[0] + along * (self.roof[1] - self.roof[0])
        return (foot + up * (roof - foot), self.belt + up * (self.top - self.belt), self.taper * up)

    def _panes(self) -> list[tuple[float, float]]:
        """Side windows, as spans along the cabin: one a door, the rear one parted by a pillar in long cabins."""
        low, high = 0.05, 0.95
        pillar = 0.07 / (self.foot[1] - self.foot[0])
        rear, third = self.pillar - pillar, max(0.0, min(1.0, (self.foot[1] - self.foot[0] - 2.9) / 0.8)) * pillar / 2
        panes = [(low, rear), (self.pillar, high)]
        if third > 0:
            middle = (low + rear) / 2
            panes[:1] = [(low, middle - third), (middle + third, rear)]
        return panes

    def _door_spans(self) -> list[tuple[float, float]]:
        """Doors, as spans in x: under the front pane, and under what is behind it."""
        foot, cabin = self.foot[0], self.foot[1] - self.foot[0]
        spans = [
            (foot + 0.05 * cabin - 0.03, foot + self.pillar * cabin - 0.03),
            (foot + self.pillar * cabin - 0.03, foot + 0.95 * cabin),
        ]
        return [
            (max(left, self.axles[0] + 0.7 * self.wheel), min(right, self.axles[1] - 1.16 * self.wheel))
            for left, right in spans
        ]

    def _mirror(self) -> Point:
        x, y, _ = self._on_cabin(0.9, 0.16)
        return x, y, -0.12

    def _light_height(self, end: int) -> float:
        """Middle of the lamps: 0 rear, 1 front."""
        return (self.nose if end else self.tail) - 0.16

    def _plate_height(self) -> float:
        return self.sill + 0.13


def _box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _hsv(hue: float, saturation: float, value: float) -> Color:
    return colorsys.hsv_to_rgb(hue, saturation, value)


def _dim(color: Color, factor: float) -> Color:
    return tuple(min(1.0, channel * factor) for channel in color)


def _bytes(color: Color) -> tuple[int, int, int]:
    return tuple(int(255 * channel) for channel in color)

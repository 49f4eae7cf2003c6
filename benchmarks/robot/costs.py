"""What a person's operations take, in seconds.

The times are those of the Keystroke-Level Model (Card, Moran and Newell, "The Keystroke-Level Model for User
Performance Time with Interactive Systems", Communications of the ACM 23, 1980), and for a glance those of the Model
Human Processor (the same, "The Psychology of Human-Computer Interaction", 1983). They make polygons rather cheap: a
corner takes 1.3 s here, where an extreme click takes 1.75 s (7 s for four, Papadopoulos et al., "Extreme clicking for
efficient object annotation", 2017), and a part of 20 corners 28 s, where the polygon of an object takes up to 40 s in
Cityscapes (Ling et al., "Fast Interactive Object Annotation with Curve-GCN", 2019) and 79 s in COCO (Lin et al., 2014).
"""

from __future__ import annotations

from collections import Counter

KEY = 0.28
"""K: pressing a key, by an average typist who is no secretary."""
POINT = 1.1
"""P: pointing with the mouse at a place."""
BUTTON = 0.1
"""B: pressing the mouse's button, or letting it go."""
THINK = 1.35
"""M: preparing an action, finding what to do among it."""
SEGMENT, CENTIMETER = 0.9, 0.16
"""D: drawing, for each straight piece and each centimetre."""
GLANCE = 0.23 + 0.1 + 0.07
"""Moving the eye to a thing, perceiving it, and one cycle of thought: whether it is right."""
CLICK = POINT + 2 * BUTTON
CENTIMETERS_OF_A_PIXEL = 614 / 128 / 96 * 2.54
"""Of the demo's images on the screen: the page shows one 614 CSS pixels high in a window of 1280 x 720."""

KINDS = {
    'deciding': 'finding the next fault or part (M)',
    'looking': 'looking whether a suggestion is right',
    'keys': 'keys for tools, classes and sizes; accepting, going on',
    'corners': 'corners of polygons',
    'strokes': 'strokes of the brush',
    'clicks': 'clicks on regions and buttons',
    'keypoints': 'placing and mending keypoints',
    'waiting': 'waiting for a suggestion',
}


class Clock:
    """Seconds that have been spent, by kind."""

    def __init__(self):
        self.seconds = Counter(dict.fromkeys(KINDS, 0.0))
        self.operations = Counter()

    def spend(self, times: dict[str, float], operation: str = '') -> None:
        """Add times to their kinds, for one operation of a name."""
        self.seconds.update(times)
        if operation:
            self.operations[operation] += 1


def class_keys(class_id: int) -> float:
    """Typing a class's number."""
    return KEY * len(str(class_id))


def stroke_seconds(pixels: float, segments: int) -> float:
    """Drawing a stroke of so many straight pieces, from pressing the button to letting it go."""
    return 2 * BUTTON + SEGMENT * segments + CENTIMETER * CENTIMETERS_OF_A_PIXEL * pixels

"""Files of CVAT, "CVAT for images 1.1", by its documentation (docs.cvat.ai, "XML annotation format")."""

from __future__ import annotations

CAR = (
    '<polygon label="car" source="manual" occluded="0" points="1.00,2.00;4.00,2.00;4.00,4.00;1.00,4.00" '
    'z_order="0"><attribute name="colour">red</attribute></polygon>'
)


def image(*shapes, name='seed0000003.png', width='6', height='5') -> str:
    return f'<image id="0" name="{name}" width="{width}" height="{height}">{"".join(shapes)}</image>'


def cvat(*images) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><id>4</id>'
        '<name>cars</name><mode>annotation</mode><labels><label><name>car</name></label></labels></task></meta>'
        f'{"".join(images)}</annotations>'
    )

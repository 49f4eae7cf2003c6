"""Pixels of which the ensemble is too unsure for a label."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from datasetgan_ext.core.errors import UserError

ABOVE = 'above:'


@dataclass(frozen=True)
class Doubtful:
    """Which pixels are doubtful: a share of each image, or those above a level.

    Attributes:
        share: of an image's pixels, in (0, 1), the most doubtful ones; None = by the level.
        level: of `uncertainty.pixel_doubt`, from which on pixels are doubtful; above 0.
    """

    share: float | None = None
    level: float | None = None

    @classmethod
    def parse(cls, text: str) -> Doubtful:
        """'0.05', a share; or 'above:0.8', a level.

        Raises:
            UserError: it is neither.
        """
        number = text.removeprefix(ABOVE)
        value = float(number) if re.fullmatch(r'\d{1,9}(\.\d{0,9})?|\.\d{1,9}', number, flags=re.ASCII) else 0.0
        if text.startswith(ABOVE) and value > 0:
            return cls(level=value)
        if number == text and 0 < value < 1:
            return cls(share=value)
        raise UserError(
            f"`ignore_pixels`={text} is neither a share of each image's pixels, above 0 and below 1, nor a level: "
            f'write for example 0.05 or {ABOVE}0.8'
        )

    def __str__(self) -> str:
        """What `parse` reads back."""
        return f'{self.share:g}' if self.share is not None else f'{ABOVE}{self.level:g}'

    def of(self, doubt: np.ndarray) -> np.ndarray:
        """bool [H, W]: the doubtful pixels. Those without any doubt never are; of equally doubtful ones, all or none.

        Args:
            doubt: float32 [H, W], see `uncertainty.pixel_doubt`.
        """
        level = self.level
        if level is None:
            count = math.ceil(self.share * doubt.size - 1e-9)
            level = np.partition(doubt, doubt.size - count, axis=None)[doubt.size - count]
        return (doubt >= level) & (doubt > 0)

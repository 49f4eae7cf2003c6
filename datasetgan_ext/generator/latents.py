"""Where the w vectors of an image come from: a seed, or a row of what upstream's projector.py found."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.seeds import MAX_SEED, PROJECTION, SEED, projected_name, sample_name
from datasetgan_ext.generator.directions import Direction, Step, described, direction_of
from datasetgan_ext.generator.sampling import Mixing, SamplingOptions, mixing_of

if TYPE_CHECKING:
    from datasetgan_ext.generator.generator import Generator


class Latents(Protocol):
    """Numbered latents.

    Attributes:
        ids: the number of each one that there is.
        id_name: what such a number is called in a manifest, `SEED` or `PROJECTION`.
    """

    id_name: str

    @property
    def ids(self) -> Sequence[int]: ...

    def ws(self, ids: Sequence[int]) -> torch.Tensor:
        """The w vectors that the images are made from: float32 [N, num_ws, w_dim]."""

    def name(self, id: int) -> str:
        """Name of an image's files, without the suffix."""

    def mixing(self, id: int) -> Mixing | None:
        """The second seed that gives the styles of an image's later layers, if there is one."""

    def step(self, id: int) -> Step | None:
        """What an image's w vectors were moved by, towards a class, if they were."""

    def to_json(self) -> dict:
        """All that decides the w vectors, by the name of the flag; None for what has no part in it."""


@dataclass(frozen=True)
class SeedLatents:
    """Latents that are drawn from seeds, as upstream's generate.py draws them.

    Attributes:
        generator: maps them.
        options: truncation, class and style mixing; checked by `Generator.check_options` beforehand.
        directions: in which some of the images go.
    """

    generator: Generator
    options: SamplingOptions
    directions: tuple[Direction, ...] = ()
    ids = range(MAX_SEED + 1)
    id_name = SEED

    def ws(self, ids: Sequence[int]) -> torch.Tensor:
        """See `Generator.ws`; those of some images are moved along `directions`, truncated as they are."""
        ws = self.generator.ws(ids, self.options)
        if not self.directions:
            return ws
        moves = np.zeros([len(ids), self.generator.num_ws, self.generator.w_dim])
        truncated = self.options.trunc_cutoff
        for move, id in zip(moves, ids):
            direction, length = self._move(id)
            if direction is not None:
                move += length * np.array(direction.vector)
                move[:truncated] *= self.options.trunc
        return ws + torch.from_numpy(moves.astype(np.float32)).to(ws.device)

    def name(self, id: int) -> str:
        """See `Latents.name`."""
        return sample_name(id)

    def mixing(self, id: int) -> Mixing | None:
        """See `mixing_of`."""
        return mixing_of(id, self.options.mix_styles, self.generator.num_ws)

    def step(self, id: int) -> Step | None:
        """See `Latents.step`; how far it goes depends on the seed's own w, computed alone; who is there already takes
        none."""
        direction, length = self._move(id)
        return Step(direction.name, length) if direction is not None and length else None

    def _move(self, id: int) -> tuple[Direction | None, float]:
        """In which direction an image goes, and how far."""
        direction = direction_of(id, self.directions)
        if direction is None:
            return None, 0.0
        w = self.generator.untruncated_w(id, self.options).cpu().numpy().astype(np.float64)
        return direction, direction.length(w)

    def to_json(self) -> dict:
        """See `Latents.to_json`."""
        return {
            'trunc': self.options.trunc,
            'trunc-cutoff': self.options.trunc_cutoff,
            'class': self.options.class_idx,
            'mix-styles': self.options.mix_styles or None,
            'more-of': described(self.directions),
            'projected-w': None,
        }


class ProjectedLatents:
    """Latents that are given as w vectors. They hold for one network alone.

    Attributes:
        ids: 0, 1, ..., the rows of the array.
    """

    id_name = PROJECTION

    def __init__(self, ws: np.ndarray):
        """
        Args:
            ws: float32 [N, num_ws, w_dim].
        """
        self.ids = range(len(ws))
        self._ws = ws

    @classmethod
    def read(cls, path: str | Path, num_ws: int, w_dim: int) -> ProjectedLatents:
        """The `projected_w.npz` that upstream's projector.py writes.

        Raises:
            UserError: it is no such file, or of another network's shape.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                ws = file['w']
        except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            # NumPy takes a file of another kind for a pickle, and advises to load it
            reason = 'it is no .npz file of numbers' if 'allow_pickle' in str(error) else error
            raise UserError(
                f"`projected_w`={path} cannot be read ({reason}); give the projected_w.npz of upstream's "
                'projector.py, which holds an array named "w"'
            ) from error
        if ws.ndim != 3 or len(ws) == 0 or ws.shape[1:] != (num_ws, w_dim) or ws.dtype.kind != 'f':
            raise UserError(
                f'`projected_w`={path} holds a {ws.dtype} array of shape {list(ws.shape)}; this network takes '
                f'floats [N, {num_ws}, {w_dim}]. Was it projected with another network?'
            )
        if not np.isfinite(ws).all():
            raise UserError(f'`projected_w`={path} holds values that are not finite numbers; project the image again')
        return cls(ws.astype(np.float32))

    def ws(self, ids: Sequence[int]) -> torch.Tensor:
        """See `Latents.ws`."""
        return torch.from_numpy(self._ws[list(ids)])

    def name(self, id: int) -> str:
        """See `Latents.name`."""
        return projected_name(id)

    def mixing(self, id: int) -> None:
        """No styles of another image are mixed in."""
        return

    def step(self, id: int) -> None:
        """They are taken as they are."""
        return

    def to_json(self) -> dict:
        """See `Latents.to_json`."""
        return {
            'trunc': None,
            'trunc-cutoff': None,
            'class': None,
            'mix-styles': None,
            'more-of': None,
            'projected-w': hashlib.sha256(self._ws.tobytes()).hexdigest(),
        }

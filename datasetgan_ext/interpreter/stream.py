"""Labelled images without end, for training straight from the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from datasetgan_ext.interpreter.labeler import Labeler


class LabeledImages(torch.utils.data.IterableDataset):
    """An endless stream (four billion seeds) of images and labels for a DataLoader, with no disk in between.

    The workers of a DataLoader share the seeds out, none comes twice; in distributed training give each rank a
    `first_seed` of its own. Workers compute on the labeler's device: with a CUDA device use num_workers=0, or
    multiprocessing_context='spawn'.

    Example:
        >>> dataset = LabeledImages(Labeler(load_generator('demo'), load_interpreter('demo')))
        >>> images, masks = next(iter(torch.utils.data.DataLoader(dataset, batch_size=4)))
    """

    def __init__(
        self,
        labeler: Labeler,
        first_seed: int = 0,
        max_uncertainty: float | None = None,
        transform: Callable[..., object] | None = None,
    ):
        """
        Args:
            labeler: makes the samples.
            first_seed: seeds rise from here.
            max_uncertainty: samples above it are left out, but no hand-labelled ones; `uncertainty_cut` in a
                dataset.json is a good value.
            transform: called with what would be yielded; its result is yielded instead.
        """
        super().__init__()
        self.labeler = labeler
        self.first_seed = first_seed
        self.max_uncertainty = max_uncertainty
        self.transform = transform

    def __iter__(self) -> Iterator:
        """Yields (image, mask), (image, mask, keypoints) or (image, keypoints), after what the interpreter has: uint8
        [C, H, W]; int64 [H, W], class ids; float32 [J, 3], x and y in pixels and visibility."""
        worker = torch.utils.data.get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for sample in self.labeler(self.labeler.latents.ids[self.first_seed + number :: step]):
            if None in (self.max_uncertainty, sample.uncertainty) or sample.uncertainty <= self.max_uncertainty:
                image = torch.from_numpy(sample.image).permute(2, 0, 1).contiguous()
                item = [image]
                if sample.mask is not None:
                    item.append(torch.from_numpy(sample.mask).to(torch.int64))
                if sample.keypoints is not None:
                    item.append(
                        torch.from_numpy(
                            np.column_stack([sample.keypoints.points, sample.keypoints.visibility]).astype(np.float32)
                        )
                    )
                yield self.transform(*item) if self.transform else tuple(item)

"""Feature maps of the samples, kept between calls: to make them takes longest, and they never change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from datasetgan_ext.generator.generator import Generator
from datasetgan_ext.generator.samples import Sample
from datasetgan_ext.generator.sampling import SamplingOptions
from datasetgan_ext.interpreter.pixels import HALF

SIDE = 256
"""Maps are kept at this height and width at most, about that of the picture on a screen: those of a 1024 x 1024 network
take 90 MB an image so, in place of 500, and a prediction a tenth of the time."""
MOST_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Maps:
    """What one sample is made of.

    Attributes:
        image: uint8 [H, W, C], the picture, cropped.
        features: one float16 [1, C_l, h_l, w_l] map per layer, of the whole image.
    """

    image: np.ndarray
    features: list[torch.Tensor]

    @property
    def bytes(self) -> int:
        return self.image.nbytes + sum(maps.nbytes for maps in self.features)


class MapCache:
    """Maps of the samples used last, up to some memory. One thread makes them, others may look at what is there.

    Attributes:
        layers: of the generator, with the sizes in which their maps are kept.
        small_hw: height and width of the whole image, up to `SIDE`.
    """

    def __init__(self, generator: Generator, options: SamplingOptions, most_bytes: int = MOST_BYTES):
        """
        Args:
            generator: the network that made the samples.
            options: of the samples, checked.
            most_bytes: that all maps take together, but for those of one image, which are kept in any case.
        """
        share = min(1, SIDE / max(generator.image_hw))
        self.small_hw = tuple(round(side * share) for side in generator.image_hw)
        self.layers = [
            replace(layer, hw=tuple(map(min, layer.hw, self.small_hw))) if share < 1 else layer
            for layer in generator.layers
        ]
        self._generator = generator
        self._options = options
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, Maps] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, name: str) -> bool:
        """Whether the maps of a sample are there."""
        return name in self._kept

    def peek(self, name: str) -> Maps | None:
        """The maps of a sample, if they are there."""
        return self._kept.get(name)

    def some(self, number: int) -> list[Maps]:
        """At most so many of those that are there."""
        with self._lock:
            return list(self._kept.values())[:number]

    @property
    def has_room(self) -> bool:
        """Whether those of another sample can be kept without giving any up."""
        sizes = [maps.bytes for maps in self.some(len(self._kept))]
        return sum(sizes) + max(sizes, default=0) <= self._most_bytes

    def __call__(self, sample: Sample) -> Maps:
        """Maps of a sample, made if need be."""
        found = self.peek(sample.name) or self._made(sample)
        with self._lock:
            self._kept[sample.name] = found
            self._kept.move_to_end(sample.name)
            while len(self._kept) > 1 and sum(maps.bytes for maps in self._kept.values()) > self._most_bytes:
                self._kept.popitem(last=False)
        return found

    def once(self, sample: Sample) -> Maps:
        """Maps of a sample, made if need be; they are kept only where there is room."""
        return self(sample) if self.has(sample.name) or self.has_room else self._made(sample)

    @torch.inference_mode()
    def _made(self, sample: Sample) -> Maps:
        synthesis = self._generator.synthesize([sample.seed], self._options, sample.ws_of)
        features = []
        for maps, layer in zip(synthesis.features, self.layers):
            if tuple(maps.shape[2:]) != layer.hw:
                maps = F.interpolate(maps.float(), size=layer.hw, mode='bilinear', align_corners=False)
            features.append(maps.clamp(HALF.min, HALF.max).half())
        return Maps(synthesis.images[0].cpu().numpy(), features)

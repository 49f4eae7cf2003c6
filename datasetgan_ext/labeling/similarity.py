"""Which pixels are like one that a person has pointed at, by the features of a generator."""

from __future__ import annotations

import threading

import numpy as np
import torch
import torch.nn.functional as F

from datasetgan_ext.interpreter.upsampling import gather_points
from datasetgan_ext.labeling.maps import MapCache, Maps

SHARE = 4
"""Maps of the kept height divided by this are compared: larger ones see colours, smaller ones the whole picture."""
STATISTICS_IMAGES = 8
SMALLEST_DEVIATION = 1e-6


class Similarity:
    """Distances of standardised features. May be used beside the thread that makes maps; it makes none."""

    def __init__(self, maps: MapCache, places: tuple[np.ndarray, np.ndarray]):
        """
        Args:
            maps: of the samples.
            places: for each row and for each column of the picture, in which of those of a small map it is.
        """
        self._maps = maps
        self._places = places
        wanted = maps.small_hw[0] / SHARE
        nearest = min((layer.hw for layer in maps.layers), key=lambda hw: abs(hw[0] - wanted))
        self._layers = [index for index, layer in enumerate(maps.layers) if layer.hw == nearest]
        self._lock = threading.Lock()
        self._deviations: list[torch.Tensor] | None = None
        self._images = 0

    def distances(self, name: str, place: tuple[float, float], other: str) -> np.ndarray | None:
        """How far the pixels of an image are from one of another image, or of the same.

        Args:
            name: of the image that the pixel is in.
            place: x and y of the pixel in the picture.
            other: name of the image whose pixels are compared.

        Returns:
            float32 [h, w], of the picture at the size at which maps are kept: the mean square of the differences of
            standardised features, halved: 0 = equal, about 1 = as two pixels drawn at random. None if the maps of one
            of the images are not there.
        """
        source, target = self._maps.peek(name), self._maps.peek(other)
        if source is None or target is None:
            return None
        deviations = self._standard(source)
        rows, columns = self._places
        height, width = self._maps.small_hw
        y = torch.tensor([rows[min(len(rows) - 1, int(place[1]))]])
        x = torch.tensor([columns[min(len(columns) - 1, int(place[0]))]])
        total = torch.zeros(height, width)
        for index, deviation in zip(self._layers, deviations):
            here = gather_points(source.features[index][0], y, x, (height, width))[0]
            difference = (target.features[index][0].float() - here[:, None, None]) / deviation[:, None, None]
            squares = difference.square_().mean(dim=0)[None, None].cpu()
            total += F.interpolate(squares, size=(height, width), mode='bilinear', align_corners=False)[0, 0]
        total /= 2 * len(self._layers)
        return total.numpy()[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    def _standard(self, source: Maps) -> list[torch.Tensor]:
        """Deviation of each channel of the layers, over some images; of more as soon as they are there."""
        with self._lock:
            images = self._maps.some(STATISTICS_IMAGES) or [source]
            if self._deviations is None or len(images) > self._images:
                self._images = len(images)
                self._deviations = [
                    torch.cat([maps.features[index][0].float().flatten(1) for maps in images], dim=1)
                    .std(dim=1)
                    .clamp_(min=SMALLEST_DEVIATION)
                    for index in self._layers
                ]
            return self._deviations

"""Exact fused inference: the hypercolumns are never built.

An MLP's first layer is linear and bilinear upsampling is linear, so W concat(up(f_l)) = sum_l up(W_l f_l). Each layer's
map is multiplied at its own small size, for all members at once, and the products are upsampled and added, a tile of
rows at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from datasetgan_ext.core.annotation import ABSENT, VISIBLE, Keypoints
from datasetgan_ext.core.errors import tell_once
from datasetgan_ext.generator.features import Layer
from datasetgan_ext.interpreter.differences import by_size, neighbor_differences
from datasetgan_ext.interpreter.ensemble import Ensemble
from datasetgan_ext.interpreter.gpu import GpuEnsemble
from datasetgan_ext.interpreter.keypoints import DEFAULT_THRESHOLD, PredictedKeypoints, find_keypoints
from datasetgan_ext.interpreter.uncertainty import SCORES, divergence_and_entropy, majority_vote
from datasetgan_ext.interpreter.upsampling import add_stretched, bilinear_weights, mixed_rows

# first-layer activations of all members that are held at once; 16 MB stay near the CPU's caches
TILE_FLOATS = {'cpu': 4 * 2**20, 'cuda': 256 * 2**20}
# a small map's product is made once per image up to this size, else anew for the rows that each tile needs
WHOLE_FLOATS = 8 * 2**20
# the GPU kernel is used if it gives at least this share of the first image's pixels the plain way's labels
EQUAL_LABELS = 0.99

log = logging.getLogger(__name__)


def has_bfloat16() -> bool:
    """Whether this processor multiplies matrices of type bfloat16 much faster than float32. The demo's labels differ in
    6 of 100,000 pixels then."""
    tells = (getattr(torch.cpu, name, None) for name in ('_is_avx512_bf16_supported', '_is_amx_tile_supported'))
    return any(tell is not None and tell() for tell in tells)


@dataclass
class Prediction:
    """Labels of a batch of images.

    Attributes:
        uncertainty: float32 [N]: that of the classes, one of `uncertainty.SCORES`, plus the mean uncertainty of the
            keypoints.
        masks: uint8 [N, H, W], class ids; None without classes.
        pixel_uncertainty: float32 [N, H, W], Jensen-Shannon divergence in nats; None without classes.
        pixel_entropy: float32 [N, H, W], of the mean class probabilities, in nats; None without classes.
        keypoints: where the ensemble finds them; None without keypoints.
        threshold: confidence from which a keypoint counts as present.
        score: a name in `uncertainty.SCORES`.
    """

    uncertainty: torch.Tensor
    masks: torch.Tensor | None
    pixel_uncertainty: torch.Tensor | None
    pixel_entropy: torch.Tensor | None
    keypoints: PredictedKeypoints | None
    threshold: float
    score: str

    def uncertainty_beside(self, index: int, labeled: np.ndarray | None, with_keypoints: bool) -> float:
        """The uncertainty of what is left of an image to the ensemble.

        Args:
            index: of the image.
            labeled: bool [H, W], pixels that a person labelled; None = not one.
            with_keypoints: whether a person labelled its keypoints.
        """
        total = 0.0
        if self.masks is not None:
            maps = [maps[index, None] for maps in (self.pixel_uncertainty, self.pixel_entropy)]
            if labeled is not None:
                known = torch.from_numpy(labeled).to(self.masks.device)
                maps = [one.masked_fill(known, 0) for one in maps]
            total += float(SCORES[self.score](self.masks[index, None], *maps))
        if self.keypoints is not None and not with_keypoints:
            total += float(self.keypoints.uncertainty[index].mean())
        return total

    def keypoint_labels(self, index: int) -> Keypoints:
        """The keypoints of an image as labels, on the CPU: visible where present, else absent."""
        present = (self.keypoints.confidence[index] >= self.threshold).cpu().numpy()
        points = self.keypoints.points[index].cpu().numpy() * present[:, None]
        return Keypoints(points, np.where(present, VISIBLE, ABSENT).astype(np.uint8))


@dataclass(frozen=True)
class HeadLayout:
    """What the outputs of an ensemble mean, in their order: logits of classes, then the heights of keypoints' heatmaps.

    Attributes:
        classes, keypoints: how many of each.
        sigma: width of the heatmaps' Gaussians in pixels.
        threshold: confidence from which a keypoint counts as present.
    """

    classes: int
    keypoints: int = 0
    sigma: float = 1.5
    threshold: float = DEFAULT_THRESHOLD


class FusedEnsemble:
    """An `Ensemble` made ready for whole images of one size."""

    def __init__(
        self,
        ensemble: Ensemble,
        layers: Sequence[Layer],
        full_hw: tuple[int, int],
        rows: slice,
        columns: slice,
        device: torch.device | str = 'cpu',
        heads: HeadLayout | None = None,
        difference_layers: Sequence[int] = (),
        score: str = 'labels',
    ):
        """
        Args:
            ensemble: trained members.
            layers: of the feature maps, in the order in which they make a hypercolumn.
            full_hw: height and width of the generator's whole image, to which all maps are upsampled.
            rows, columns: the part of it that is labelled (the crop).
            device: where to compute.
            heads: what the outputs mean; None = all are classes.
            difference_layers: indices of the layers whose differences end the hypercolumn, in that order.
            score: what an image's uncertainty is, a name in `uncertainty.SCORES`.
        """
        self._score = score
        self._heads = heads or HeadLayout(ensemble.outputs)
        layers_of_members = [(weight.to(device), bias.to(device)) for weight, bias in ensemble.folded()]
        first, first_bias = layers_of_members[0]
        first = first.flatten(0, 1)
        mean = ensemble.input_mean.to(device)
        in_half = torch.device(device).type == 'cpu' and has_bfloat16()
        dtype = torch.bfloat16 if in_half else torch.float32
        self._first_bias = first_bias.flatten()[:, None]
        if in_half:  # channels less their means are multiplied, which keep more of their digits
            self._first_bias = self._first_bias + (first @ mean)[:, None]
        self._rest = [(weight, bias[..., None]) for weight, bias in layers_of_members[1:]]
        self._rest[0] = (self._rest[0][0].to(dtype), self._rest[0][1])
        self._members = ensemble.members
        # one [M*h1, C] matrix per size of map, and the means of its channels [C, 1]
        self._sizes = []
        for size in by_size(layers, difference_layers):
            channels = size.channels.to(device)
            weight, center = first.index_select(1, channels), mean.index_select(0, channels)[:, None]
            self._sizes.append((size, weight.to(dtype), center))
        self._full_hw = full_hw
        self._rows = rows
        self._columns = columns
        budget = TILE_FLOATS.get(torch.device(device).type, TILE_FLOATS['cpu'])
        self._tile_rows = max(1, budget // (len(self._first_bias) * full_hw[1]))
        self._gpu: GpuEnsemble | None = None
        self._gpu_is_checked = False
        if torch.device(device).type == 'cuda' and GpuEnsemble.works_for(ensemble, layers, full_hw):
            self._gpu = GpuEnsemble(
                ensemble=ensemble,
                layers=layers,
                image_hw=full_hw,
                rows=rows,
                columns=columns,
                device=device,
                classes=self._heads.classes,
                keypoints=self._heads.keypoints,
                difference_layers=difference_layers,
            )

    @torch.inference_mode()
    def __call__(self, features: list[torch.Tensor]) -> Prediction:
        """Label images from their feature maps.

        Args:
            features: one [N, C_l, h_l, w_l] map per layer.
        """
        if self._gpu and not self._gpu_is_checked:
            self._check_gpu([maps[:1] for maps in features])
        together = self._gpu.images_at_once if self._gpu else 1
        parts = [
            self._label([maps[start : start + together] for maps in features])
            for start in range(0, len(features[0]), together)
        ]
        masks = pixel_uncertainty = pixel_entropy = keypoints = None
        uncertainty = 0
        if self._heads.classes:
            masks, pixel_uncertainty, pixel_entropy = (torch.cat([part[kind] for part in parts]) for kind in range(3))
            uncertainty = SCORES[self._score](masks, pixel_uncertainty, pixel_entropy)
        if self._heads.keypoints:
            keypoints = PredictedKeypoints.concatenated([part[3] for part in parts])
            uncertainty = uncertainty + keypoints.uncertainty.mean(dim=1)
        return Prediction(
            uncertainty=uncertainty,
            masks=masks,
            pixel_uncertainty=pixel_uncertainty,
            pixel_entropy=pixel_entropy,
            keypoints=keypoints,
            threshold=self._heads.threshold,
            score=self._score,
        )

    def _check_gpu(self, features: list[torch.Tensor]) -> None:
        """Label one image in both ways, and go on without the GPU kernel if it fails or its labels differ."""
        self._gpu_is_checked = True
        try:
            masks, _, _, heat = self._gpu(features)
            plain_masks, _, _, plain_heat = self._label_by_tiles(features)
            equal_masks = masks is None or (masks == plain_masks).float().mean() >= EQUAL_LABELS
            equal_heat = heat is None or (heat - plain_heat).abs().mean() <= 1 - EQUAL_LABELS
            reason = ''
            if not (equal_masks and equal_heat):
                reason = 'Its labels differ from those of the plain way'
        except torch.cuda.OutOfMemoryError:
            self._gpu_is_checked = False
            raise
        except Exception as error:  # no compiler, an old GPU: Triton raises anything
            reason = f'{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}'
        if reason:
            self._gpu = None
            tell_once(log, f'The Triton kernel does not work here, so labelling takes several times as long. {reason}')

    def _label(self, features: list[torch.Tensor]) -> tuple:
        """Masks, pixel uncertainty and entropy, and keypoints of some images; None for what there is no head for."""
        masks, uncertainties, entropies, heat = (self._gpu or self._label_by_tiles)(features)
        found = None
        if heat is not None:
            found = find_keypoints(heat, self._heads.sigma, self._heads.threshold)
        return masks, uncertainties, entropies, found

    def _label_by_tiles(self, features: list[torch.Tensor]) -> tuple:
        """Mask, pixel uncertainty and entropy, and heatmaps of one image; None for what there is no head for."""
        masks: list[torch.Tensor] = []
        uncertainties: list[torch.Tensor] = []
        entropies: list[torch.Tensor] = []
        heat: list[torch.Tensor] = []
        for outputs in self.logit_tiles([maps[0] for maps in features]):
            if self._heads.classes:
                probabilities = outputs[:, : self._heads.classes].softmax(dim=1)
                masks.append(majority_vote(probabilities).to(torch.uint8))
                divergence, entropy = divergence_and_entropy(probabilities)
                uncertainties.append(divergence)
                entropies.append(entropy)
            if self._heads.keypoints:
                heat.append(outputs[:, self._heads.classes :].clamp(0, 1))
        return (
            torch.cat(masks).reshape(1, *self.out_hw) if masks else None,
            torch.cat(uncertainties).reshape(1, *self.out_hw) if masks else None,
            torch.cat(entropies).reshape(1, *self.out_hw) if masks else None,
            torch.cat(heat, dim=2).unflatten(2, self.out_hw)[None] if heat else None,
        )

    @property
    def out_hw(self) -> tuple[int, int]:
        """Height and width of the masks."""
        return self._rows.stop - self._rows.start, self._columns.stop - self._columns.start

    def logit_tiles(self, image: list[torch.Tensor]):
        """Outputs for one image, some rows at a time from the top.

        Args:
            image: one [C_l, h_l, w_l] map per layer.

        Yields:
            float32 [M, K, P], P = pixels of the tile in row-major order.
        """
        groups = self._groups(image)
        for start in range(self._rows.start, self._rows.stop, self._tile_rows):
            stop = min(start + self._tile_rows, self._rows.stop)
            hidden = self._first_layer(groups, torch.arange(start, stop, device=image[0].device))
            hidden = hidden.reshape(self._members, -1, hidden.shape[-1])
            for weight, bias in self._rest:
                if weight.dtype == torch.bfloat16:
                    hidden = torch.bmm(weight, hidden.relu_()).float().add_(bias)
                else:
                    hidden = torch.baddbmm(bias, weight, hidden.relu_())
            yield hidden

    def _first_layer(self, groups: list[_Group], y: torch.Tensor) -> torch.Tensor:
        """First layer's output of all members at image rows `y`: float32 or bfloat16 [M*h1, len(y) * width]."""
        columns = self._columns.stop - self._columns.start
        whole = [group for group in groups if group.hw == self._full_hw]
        if whole:
            total = whole[0].product(slice(int(y[0]), int(y[-1]) + 1), self._columns)
        else:
            total = groups[0].weight.new_zeros(len(self._first_bias), len(y) * columns)
        mixed = []
        for group in groups:
            if group.hw != self._full_hw:
                low, high, weight = bilinear_weights(y, group.hw[0], self._full_hw[0])
                top, bottom = int(low[0]), int(high[-1]) + 1
                mixed.append(mixed_rows(group.rows(top, bottom), low - top, high - top, weight))
        add_stretched(total.view(-1, len(y), columns), mixed, self._full_hw[1], self._columns)
        return total

    def _groups(self, image: list[torch.Tensor]) -> list[_Group]:
        """The maps of each size, with their weights."""
        return [
            _Group(
                maps=[image[index] for index in size.layers],
                difference_maps=[image[index] for index in size.difference_layers],
                weight=weight,
                center=center,
                bias=None if number else self._first_bias,  # upsampled, it is what it was
            )
            for number, (size, weight, center) in enumerate(self._sizes)
        ]


@dataclass
class _Group:
    """The maps of one size ([C_l, h, w] each), those of them that have differences, and their part of the first layer
    ([M*h1, C]); with the layer's bias ([M*h1, 1]) in one of the groups. Where the weights are of type bfloat16, the
    channels less `center` ([C, 1]) are multiplied."""

    maps: list[torch.Tensor]
    difference_maps: list[torch.Tensor]
    weight: torch.Tensor
    center: torch.Tensor
    bias: torch.Tensor | None

    @property
    def hw(self) -> tuple[int, int]:
        return tuple(self.maps[0].shape[1:])

    def rows(self, top: int, bottom: int) -> torch.Tensor:
        """The product for some rows of the maps: [M*h1, bottom - top, w], of the weights' type."""
        if len(self.weight) * self.maps[0][0].numel() <= WHOLE_FLOATS:
            return self._whole[:, top:bottom]
        return self.product(slice(top, bottom), slice(None)).unflatten(1, (bottom - top, -1))

    @cached_property
    def _whole(self) -> torch.Tensor:
        return self.product(slice(None), slice(None)).unflatten(1, self.hw)

    def product(self, rows: slice, columns: slice) -> torch.Tensor:
        """The product for a part of the maps: [M*h1, rows * columns], of the weights' type."""
        values = self._values(rows, columns)
        if self.weight.dtype == torch.bfloat16:
            product = torch.mm(self.weight, values.sub_(self.center).bfloat16())
            return product if self.bias is None else (product + self.bias).bfloat16()
        if self.bias is None:
            return torch.mm(self.weight, values)
        return torch.addmm(self.bias, self.weight, values)

    def _values(self, rows: slice, columns: slice) -> torch.Tensor:
        """All channels of a part of the maps: float32 [C, rows * columns]."""
        parts = [maps[:, rows, columns].to(torch.float32) for maps in self.maps]
        parts += [neighbor_differences(maps, rows, columns) for maps in self.difference_maps]
        return torch.cat(parts).flatten(1)

"""The ensemble of pixel classifiers (DatasetGAN, arXiv 2104.06490, sec. 3.1), all members in one batched product."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch


class Ensemble(torch.nn.Module):
    """M small MLPs, C -> h1 -> h2 -> K: Linear, ReLU, BatchNorm, Linear, ReLU, BatchNorm, Linear.

    Members share nothing but the standardisation of their input. Weights carry the member axis first.
    """

    def __init__(self, members: int, in_channels: int, hidden: Sequence[int], outputs: int):
        """
        Args:
            members: M, number of MLPs.
            in_channels: C, length of a hypercolumn.
            hidden: widths (h1, h2) of the hidden layers.
            outputs: K, number of classes.
        """
        super().__init__()
        sizes = [in_channels, *hidden, outputs]
        self.members = members
        self.register_buffer('input_mean', torch.zeros(in_channels))
        self.register_buffer('input_std', torch.ones(in_channels))
        self.weights = torch.nn.ParameterList(
            torch.nn.Parameter(torch.randn(members, size_out, size_in) * 0.02)
            for size_in, size_out in zip(sizes, sizes[1:])
        )
        self.biases = torch.nn.ParameterList(
            torch.nn.Parameter(torch.zeros(members, size_out)) for size_out in sizes[1:]
        )
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm1d(members * size) for size in hidden)

    @property
    def hidden(self) -> tuple[int, ...]:
        return tuple(weight.shape[1] for weight in list(self.weights)[:-1])

    @property
    def outputs(self) -> int:
        return self.weights[-1].shape[1]

    @torch.no_grad()
    def restandardize(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        """Standardise the input by other figures, float32 [C] each, and go on computing the same function."""
        self.biases[0] += (self.weights[0] * ((mean - self.input_mean) / self.input_std)).sum(-1)
        self.weights[0] *= std / self.input_std
        self.input_mean.copy_(mean)
        self.input_std.copy_(std)

    def sharpened(self, temperature: float, count: int) -> Ensemble:
        """A copy whose first `count` outputs, the logits of classes, are divided by a temperature."""
        found = copy.deepcopy(self)
        with torch.no_grad():
            found.weights[-1][:, :count] /= temperature
            found.biases[-1][:, :count] /= temperature
        return found

    def member_tensors(self) -> list[torch.Tensor]:
        """Views of all that belongs to single members, each [M, ...]: weights, biases, BatchNorm and its statistics."""
        tensors = list(self.weights) + list(self.biases)
        for norm in self.norms:
            for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                tensors.append(tensor.view(self.members, -1))
        return tensors

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of every member.

        Args:
            x: float32 [M, B, C], hypercolumns, a batch of its own for each member.

        Returns:
            float32 [M, B, K].
        """
        scale = 1 / self.input_std
        x = torch.addcmul(-self.input_mean * scale, x, scale)  # one pass over the largest tensor of a step
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = torch.baddbmm(bias[:, None], x, weight.mT)
            if depth < len(self.norms):
                x = self._normalized(torch.relu(x), self.norms[depth])
        return x

    def _normalized(self, x: torch.Tensor, norm: torch.nn.BatchNorm1d) -> torch.Tensor:
        """BatchNorm of [M, B, h] over B: members and channels joined to M*h independent channels."""
        members, batch, channels = x.shape
        joined = norm(x.transpose(0, 1).reshape(batch, members * channels))
        return joined.reshape(batch, members, channels).transpose(0, 1)

    @torch.no_grad()
    def folded(self, with_input: bool = True) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The same function as plain linear layers with ReLU between them, for inference.

        The standardisation of the input goes into the first layer, each BatchNorm (with its running statistics) into
        the linear layer after it.

        Args:
            with_input: else the first layer is left as it is, for input that is standardised already.

        Returns:
            (weight [M, out, in], bias [M, out]) per layer, float32.
        """
        scale = torch.ones_like(self.input_std)
        shift = torch.zeros_like(self.input_mean)
        if with_input:
            scale = 1 / self.input_std
            shift = -self.input_mean / self.input_std
        layers = []
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            bias = bias + (weight * shift[..., None, :]).sum(-1)
            layers.append((weight * scale[..., None, :], bias))
            if depth < len(self.norms):
                norm = self.norms[depth]
                scale = norm.weight / (norm.running_var + norm.eps).sqrt()
                shift = (norm.bias - scale * norm.running_mean).reshape(self.members, -1)
                scale = scale.reshape(self.members, -1)
        return layers

"""k linear layers of one shape as one matrix product.

Dimensions: k members, N rows, i inputs, out outputs.
"""

import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """k linear layers side by side, each started as torch starts `nn.Linear`.

    Args:
        inputs: i.
        outputs: out.
        members: k.
    """

    def __init__(self, inputs: int, outputs: int, members: int = 1) -> None:
        super().__init__()
        layers = [nn.Linear(inputs, outputs) for _ in range(members)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]).contiguous())
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers])[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """(k, N, out) of rows (N, i), which all members see, or (k, N, i), of each member its own."""
        return _product(x, self.weight, self.bias)


class LinearParts(nn.Module):
    """k linear layers whose outputs are used in parts: the parts have weights of their own.

    Parts of one output, or of one weight, would have their gradients joined into one tensor in each backward pass.

    Args:
        layer: the layers, whose weights these start with.
        sizes: how many of the outputs are in each part.
    """

    def __init__(self, layer: StackedLinear, sizes: list[int]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(part.contiguous() for part in torch.split(layer.weight.detach(), sizes, dim=-1))
        self.biases = nn.ParameterList(part.contiguous() for part in torch.split(layer.bias.detach(), sizes, dim=-1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """The parts (k, N, sizes[0]), (k, N, sizes[1]), ... of rows (N, i) or (k, N, i)."""
        return [_product(x, weight, bias) for weight, bias in zip(self.weights, self.biases, strict=True)]


def _product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.baddbmm(bias, x.expand(len(weight), *x.shape[-2:]), weight)

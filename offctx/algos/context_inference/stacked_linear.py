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
        return torch.baddbmm(self.bias, x.expand(len(self.weight), *x.shape[-2:]), self.weight)

    def in_parts(self, x: Tensor, sizes: list[int]) -> list[Tensor]:
        """The same outputs as parts (k, N, sizes[0]), (k, N, sizes[1]), ... of their own memory.

        Parts of one output would have their gradients joined into one tensor, of N rows; here only those of the weights are.
        """
        x = x.expand(len(self.weight), *x.shape[-2:])
        weights, biases = torch.split(self.weight, sizes, dim=-1), torch.split(self.bias, sizes, dim=-1)
        return [torch.baddbmm(bias, x, weight) for weight, bias in zip(weights, biases, strict=True)]

"""A fitted quantifier as a module, so that a learner's state_dict saves and restores what it was fitted to."""

from typing import Any

import torch
from torch import Tensor, nn

from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import UncertaintyQuantifier


class FittedQuantifier(nn.Module):
    """Holds the tensors of a fitted quantifier as buffers, whose sizes may differ from fit to fit and from file to file.

    Args:
        prototype: the quantifier before it is fitted; its settings are saved with the learner's config.
    """

    _like: Tensor  # has the precision and the device of this module

    def __init__(self, prototype: UncertaintyQuantifier) -> None:
        super().__init__()
        self.prototype = prototype
        self.register_buffer("_like", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the buffers are."""
        return self._like.device

    @property
    def quantifier(self) -> UncertaintyQuantifier:
        """The fitted quantifier; the prototype where nothing was fitted."""
        tensors = {name: buffer for name, buffer in self._buffers.items() if buffer is not None and name != "_like"}
        return self.prototype.with_tensors(tensors) if tensors else self.prototype

    def fit_groups(self, data: GroupedFeatures) -> None:
        """Fits the prototype to grouped data, and holds the result."""
        self.put(self.prototype.fit_groups(data))

    def put(self, fitted: UncertaintyQuantifier) -> None:
        """Holds a fitted quantifier, its real numbers in this module's precision; in place where the sizes are the same."""
        for name, tensor in fitted.tensors().items():
            buffer = self._buffers.get(name)
            if buffer is not None and buffer.shape == tensor.shape:
                buffer.copy_(tensor)
            else:
                dtype = self._like.dtype if tensor.is_floating_point() else tensor.dtype
                self.register_buffer(name, tensor.detach().to(self._like.device, dtype, copy=True))

    def forward(self) -> None:
        """Not a network."""
        raise NotImplementedError("FittedQuantifier holds a quantifier: call `quantifier.bonus`")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **options: Any) -> None:
        for key, tensor in state_dict.items():
            if key.startswith(prefix):
                name = key.removeprefix(prefix)
                buffer = self._buffers.get(name)
                if buffer is None or buffer.shape != tensor.shape:
                    self.register_buffer(name, torch.empty_like(tensor, device=self._like.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **options)


class HoldsFittedQuantifier(nn.Module):
    """A module whose `FittedQuantifier`, where it has one, is named "fitted"; loads files of earlier versions too."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **options: Any) -> None:
        if f"{prefix}whitening" in state_dict:  # the name in files of offctx before `FittedQuantifier`
            state_dict[f"{prefix}fitted.whitening"] = state_dict.pop(f"{prefix}whitening")
        super()._load_from_state_dict(state_dict, prefix, *args, **options)

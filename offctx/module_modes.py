"""Torch modules in evaluation mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluation_mode(*modules: nn.Module | None) -> Iterator[None]:
    """Puts modules into evaluation mode in the block; afterwards each part of them is in the mode that it had.

    Parts that stay in evaluation mode while the rest is trained, such as a frozen encoder, so remain as they are, also where
    the block raises.

    Args:
        modules: modules; None is passed over.

    Example::

        with evaluation_mode(encoder), torch.no_grad():
            z = encoder(windows)
    """
    present = [module for module in modules if module is not None]
    trained = [part for module in present for part in module.modules() if part.training]
    for module in present:
        module.eval()
    try:
        yield
    finally:
        for part in trained:
            part.training = True

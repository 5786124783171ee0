"""A learner that infers its context as files that work without offctx: TorchScript and ONNX.

A file keeps no memory. Whoever runs it keeps the transitions that were seen, and gives them as a window with a mask:

    observations              (B, o)
    window_observations       (B, K, o)     in the environment's units, in order of time, the newest last
    window_actions            (B, K, a)     (B, K, 1), indices, where actions are discrete
    window_rewards            (B, K, 1)     only where the encoder reads rewards
    window_next_observations  (B, K, o)
    window_mask               (B, K)        True where a slot is filled; empty slots come first

The policy's file takes all of them and gives `actions` (B, a); the encoder's takes the windows and gives `z` (B, d). K is the
setting `window`; for a set encoder, which forgets nothing, K may be any number. All slots empty is a cold start.

Dimensions: B rows, K slots, o observation, a action, d latent.
"""

import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from offctx.algos.backbones.backbone import Backbone
from offctx.algos.context_inference.features import evenly_spaced, transition_features
from offctx.algos.context_inference.inference import ContextInference
from offctx.algos.context_inference.trunks import SetTrunk
from offctx.algos.shared.export import write_onnx
from offctx.data.history.windows import HistoryWindows
from offctx.errors import AlgorithmError
from offctx.files import write_file

if TYPE_CHECKING:
    from offctx.algos.dmash.encoder import TrainedEncoder

_ROWS = 3  # of the example that is traced


class WindowEncoder(nn.Module):
    """z of windows, as a policy with memory computes it: (windows...) -> (B, d).

    Args:
        encoder: whose weights it shares.
    """

    def __init__(self, encoder: "TrainedEncoder") -> None:
        super().__init__()
        self._encoder, self._module = encoder, encoder.module

    @property
    def names(self) -> list[str]:
        """The inputs, in order."""
        rewards = ["window_rewards"] if self._module.rewards else []
        return ["window_observations", "window_actions", *rewards, "window_next_observations", "window_mask"]

    @property
    def any_length(self) -> bool:
        """Whether K may be any number."""
        return isinstance(self._module.trunk, SetTrunk)

    def forward(self, *columns: Tensor) -> Tensor:
        """z of the windows, whose columns are in the order of `names`."""
        arrays = dict(zip(self.names, columns, strict=True))
        mask = arrays["window_mask"]
        rewards = arrays.get("window_rewards", mask[..., None].to(columns[0].dtype))
        windows = HistoryWindows(
            arrays["window_observations"], arrays["window_actions"], rewards, arrays["window_next_observations"], mask, None
        )
        features = transition_features(self._encoder.scaled(windows), self._module.blocks[1], rewards=self._module.rewards)
        if not self.any_length:
            chosen = evenly_spaced(mask, self._encoder.config.kept)
            features = features.gather(1, chosen[..., None].expand(-1, -1, features.shape[-1]))
            mask = mask.gather(1, chosen)
        z: Tensor = self._module.of_features(features, mask).z
        return z

    def example(self) -> tuple[Tensor, ...]:
        """Windows of which some slots are empty."""
        slots, generator = self._encoder.config.window, torch.Generator().manual_seed(0)
        sizes = {"window_actions": self._encoder.action_width, "window_rewards": 1}
        columns = [
            torch.rand(_ROWS, slots, sizes.get(name, self._encoder.observation_size), generator=generator)
            for name in self.names[:-1]
        ]
        filled = torch.arange(_ROWS)[:, None] * slots // (_ROWS - 1)
        return (*columns, torch.arange(slots)[None] >= slots - filled)


class WindowPolicy(nn.Module):
    """The policy's mode, told z of windows: (observations, windows...) -> (B, a).

    Args:
        encoder: of the policy.
        inference: makes of z what the policy is told.
        backbone: of the policy.
    """

    def __init__(self, encoder: "TrainedEncoder", inference: ContextInference, backbone: Backbone) -> None:
        super().__init__()
        self.encoder, self._inference, self._backbone = WindowEncoder(encoder), inference, backbone
        self._observation_scaler, self._action_scaler = encoder.config.observation_scaler, encoder.config.action_scaler
        self._size = encoder.observation_size

    @property
    def names(self) -> list[str]:
        """The inputs, in order."""
        return ["observations", *self.encoder.names]

    def forward(self, observations: Tensor, *columns: Tensor) -> Tensor:
        """Actions in the environment's units."""
        condition = self._inference.of_latent(self.encoder(*columns))
        inputs = observations if self._observation_scaler is None else self._observation_scaler.transform(observations)
        actions = self._backbone.mode(inputs, condition)
        return actions if self._action_scaler is None else self._action_scaler.reverse_transform(actions)

    def example(self) -> tuple[Tensor, ...]:
        """Observations, and windows of which some slots are empty."""
        return (torch.rand(_ROWS, self._size), *self.encoder.example())


def write_windowed(module: WindowEncoder | WindowPolicy, output: str, path: str | os.PathLike[str]) -> None:
    """Write such a module to a file that works without offctx.

    Args:
        module: on the CPU, or where its example is.
        output: the name of what it gives.
        path: ends in .pt for TorchScript, or .onnx for ONNX.

    Raises:
        AlgorithmError: another ending; or the package onnx, which torch needs, is not installed.
    """
    name = os.fspath(path)
    if not name.endswith((".pt", ".onnx")):
        raise AlgorithmError(f"expected a name that ends in .pt (TorchScript) or .onnx (ONNX); found {name!r}")
    example = module.example()
    module.eval()
    with torch.no_grad(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # of the tracer: shapes that are fixed on purpose
        traced: Any = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]  # torch's
        written = Path(folder) / "module.pt"
        traced.save(str(written))
        if name.endswith(".onnx"):
            loaded = torch.jit.load(str(written), map_location="cpu")  # type: ignore[no-untyped-call]  # torch's
            encoder = module if isinstance(module, WindowEncoder) else module.encoder
            written = written.with_suffix(".onnx")
            write_onnx(loaded, example, str(written), module.names, output, encoder.names if encoder.any_length else ())
        write_file(Path(name), written.read_bytes())

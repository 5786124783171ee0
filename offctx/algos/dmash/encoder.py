"""A trained encoder apart from its learner: from transitions in the environment's units to z.

Dimensions: G windows, K slots, E rows of a batch of episodes, N rows that play, o observation, a action, d latent.
"""

import copy
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from d3rlpy.base import LearnableConfigWithShape
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from offctx.algos.context_inference.encoder import ContextEncoder
from offctx.algos.context_inference.features import action_vectors
from offctx.algos.context_inference.memory import Memory, make_memory
from offctx.algos.dmash.export import WindowEncoder, write_windowed
from offctx.algos.dmash.settings import DMASHSettings
from offctx.data.history.settings import History
from offctx.data.history.windows import HistoryWindows
from offctx.envs.base import Array
from offctx.errors import PolicyError
from offctx.files import check_regular_file, write_file
from offctx.module_modes import evaluation_mode

FORMAT = "offctx context encoder 1"
_UNREADABLE = (AssertionError, AttributeError, KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError)


class TrainedEncoder:
    """From history windows to z, with the scalers and the windows that the encoder was trained with.

    `DMASH.encoder` and `offctx.train_encoder` make it. It is an encoder for `offctx.InferredContext` and
    `offctx.leakage_report`.

    Args:
        module: the networks.
        config: the settings of the learner that trained it, scalers included.

    Attributes:
        module: as given.
        config: as given.

    Example::

        encoder = offctx.train_encoder(dataset.replay_buffer(context="anonymous"), steps=5_000, seed=0)
        encoder.save("encoder.safetensors")
        z = encoder(batch.history)  # (G, 8)
    """

    def __init__(self, module: ContextEncoder, config: DMASHSettings) -> None:
        self.module, self.config = module, config

    @property
    def observation_size(self) -> int:
        """o."""
        return self.module.blocks[0]

    @property
    def action_size(self) -> int:
        """a."""
        return self.module.blocks[1]

    @property
    def action_width(self) -> int:
        """The numbers of an action in a window: a, or 1, the index, where actions are discrete."""
        return 1 if self.config.discrete_actions else self.action_size

    @property
    def size(self) -> int:
        """d, the numbers of z."""
        return self.module.size

    @property
    def history(self) -> History:
        """The windows that it was trained on; each row with one of its own, and never in it."""
        history = self.config.history()
        assert history is not None
        return replace(history, rows_per_window=1, include_row=False)

    def __call__(self, windows: HistoryWindows) -> Array:
        """z of windows (G, K, ...) as NumPy arrays: float32 (G, d); of a Gaussian encoder the mean.

        Raises:
            PolicyError: the windows are those of other observations or actions.
        """
        for name, size in (("observations", self.observation_size), ("actions", self.action_width)):
            width = getattr(windows, name).shape[-1]
            if width != size:
                raise PolicyError(f"expected windows with {name} of {size} numbers, as the encoder was trained; found {width}")
        with torch.no_grad(), evaluation_mode(self.module):
            z: Array = self.module(self.scaled(windows.to_torch(self._device))).z.cpu().numpy()
        return z

    def scaled(self, windows: HistoryWindows) -> HistoryWindows:
        """Windows of tensors as the networks see transitions."""
        return scaled_windows(self.config, windows)

    def features(self, observations: Any, actions: Any, rewards: Any, next_observations: Any) -> Tensor:
        """What the encoder reads of N transitions in the environment's units (N, f)."""
        config = self.config
        before, after = (self._tensor(x) for x in (observations, next_observations))
        if config.observation_scaler is not None:
            before, after = config.observation_scaler.transform(before), config.observation_scaler.transform(after)
        acted = self._tensor(actions).reshape(len(before), -1)
        acted = acted if config.action_scaler is None else config.action_scaler.transform(acted)
        parts = [before, action_vectors(acted, self.action_size), after - before]
        if self.module.rewards:
            column = self._tensor(rewards)[:, None]
            parts.append(column if config.reward_scaler is None else config.reward_scaler.transform(column))
        return torch.cat(parts, dim=-1)

    def memory(self, size: int) -> Memory:
        """An empty memory of a batch of E rows."""
        return make_memory(self.module, size, self.config.window, self.config.kept, str(self._device))

    def copy(self) -> "TrainedEncoder":
        """The same encoder with weights of its own, on the CPU, for evaluation."""
        module = copy.deepcopy(self.module).cpu().eval().requires_grad_(False)
        return TrainedEncoder(module, self.config)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the encoder as a safetensors file, which appears when it is complete.

        Args:
            path: ends in .safetensors.

        Raises:
            PolicyError: it ends otherwise.
        """
        if not os.fspath(path).endswith(".safetensors"):
            raise PolicyError(f"an encoder is saved as .safetensors; found the name {os.fspath(path)!r}")
        shapes = LearnableConfigWithShape((self.observation_size,), self.action_size, self.config)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.module.state_dict().items()}
        write_file(Path(path), save(tensors, metadata={"format": FORMAT, "config": shapes.serialize()}))

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the encoder, scalers included, to a file that works without offctx: from a window and its mask to z.

        Args:
            path: ends in .pt for TorchScript, or .onnx for ONNX; `offctx.algos.dmash.export` says which inputs.

        Raises:
            AlgorithmError: the name ends otherwise, or the package onnx is not installed.
        """
        write_windowed(WindowEncoder(self.copy()), "z", path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "TrainedEncoder":
        """The encoder in a file that `save` wrote. Loading runs nothing that the file holds.

        Raises:
            PolicyError: there is no such file, or it holds no encoder.
        """
        try:
            check_regular_file(path)
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ValueError(f"expected the format {FORMAT!r}; found {metadata.get('format')!r:.120}")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # a handle, not a dict
            shapes = LearnableConfigWithShape.deserialize(metadata["config"])
            module = make_encoder(int(shapes.observation_shape[0]), shapes.action_size, shapes.config)
            module.load_state_dict(tensors)
        except FileNotFoundError as error:
            raise PolicyError(f"no encoder at {os.fspath(path)}") from error
        except _UNREADABLE as error:
            raise PolicyError(f"{os.fspath(path)} is not an encoder saved by offctx: {error}"[:600]) from error
        return cls(module.eval().requires_grad_(False), shapes.config)

    def __repr__(self) -> str:
        return f"TrainedEncoder({self.config.encoder}, {self.observation_size} observations -> {self.size}, {self._checksum()})"

    def _checksum(self) -> str:
        weights = (tensor.detach().cpu().numpy().tobytes() for tensor in self.module.state_dict().values())
        return hashlib.sha256(b"".join(weights)).hexdigest()[:12]

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float32), device=self._device)


def make_encoder(observation_size: int, action_size: int, config: DMASHSettings) -> ContextEncoder:
    """The encoder of these settings, untrained."""
    normed = config.head == "gaussian" and config.follows_paper("gaussian-layer-norm")
    head = "gaussian-layer-norm" if normed else config.head
    return ContextEncoder(
        observation_size, action_size, trunk=config.encoder, head=head, size=config.latent_size, masking=config.masking,
        rewards=config.encode_rewards, scaled=config.standardise and not config.follows_paper("raw-features"),
    )  # fmt: skip


def scaled_windows(config: DMASHSettings, windows: HistoryWindows) -> HistoryWindows:
    """Windows of tensors as the networks of these settings see transitions."""
    scalers = {
        "observations": config.observation_scaler,
        "next_observations": config.observation_scaler,
        "simulated_next_observations": config.observation_scaler,
        "actions": config.action_scaler,
        "rewards": config.reward_scaler,
        "simulated_rewards": config.reward_scaler,
    }
    columns = {
        name: scaler.transform(getattr(windows, name))
        for name, scaler in scalers.items()
        if scaler is not None and getattr(windows, name) is not None
    }
    return replace(windows, **columns)

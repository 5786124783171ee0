"""Plain recurrent networks of PyTorch as policies with memory.

Dimensions: N rows, o observation, a action.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch

from offctx.checks import whole_number
from offctx.envs.base import Array
from offctx.envs.policies_with_memory import MemorySpan, Transitions, check_span
from offctx.envs.row_states import RowStates
from offctx.errors import PolicyError
from offctx.module_modes import evaluation_mode

RecurrentInput = Literal["observations", "last_actions", "last_rewards", "episode_starts"]


class RecurrentModule:
    """A policy with memory from a module(inputs, hidden) -> (actions, hidden), such as one around a GRU or an LSTM.

    In every time step the module gets `inputs`, float32 (N, size): the parts that `inputs` names, side by side in the order in
    which they are named.

        observations    (N, o), or (N, o + p) where the context is appended
        last_actions    the action that was played before, (N, a), or its number (N, 1) where Discrete; 0 before the first
        last_rewards    the reward that followed, (N, 1); 0 before the first
        episode_starts  1 in the first step of an episode, else 0, (N, 1)

    Where the memory outlasts an episode, the last action and reward are those of the end of the episode before. `hidden` is
    None in the first step of a memory, then what the module returned last for these rows: a tensor, or a tuple of tensors
    (LSTM). The module returns actions (N, a), or whole numbers (N,) where Discrete. It is called in evaluation mode and without
    gradients.

    Args:
        module: the network.
        inputs: the parts of its inputs, at least one.
        action_size: a, where the last actions are among them; 1 where actions are Discrete.
        memory_span: "context" keeps the hidden state from episode to episode of the same context; "episode" forgets it.
        rows_axis: the axis of the hidden tensors that counts the rows: 1 as in (layers, N, hidden) of `torch.nn.GRU` and
            `torch.nn.LSTM`, 0 as in (N, hidden) of their cells.

    Raises:
        PolicyError: not a module, an unknown part, or a span that is not valid.

    Example::

        class Policy(torch.nn.Module):
            def __init__(self, size, actions):
                super().__init__()
                self.memory, self.head = torch.nn.GRU(size, 64), torch.nn.Linear(64, actions)

            def forward(self, inputs, hidden):
                features, hidden = self.memory(inputs[None], hidden)  # one time step
                return torch.tanh(self.head(features[0])), hidden

        inputs = ("observations", "last_actions", "last_rewards")
        policy = offctx.envs.RecurrentModule(Policy(5, 1), inputs=inputs, action_size=1)
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        inputs: Sequence[RecurrentInput] = ("observations",),
        action_size: int | None = None,
        memory_span: MemorySpan = "context",
        rows_axis: int = 1,
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            raise PolicyError(f"expected a torch.nn.Module; found {type(module).__name__}")
        unknown = [part for part in inputs if part not in get_args(RecurrentInput)]
        if isinstance(inputs, str) or unknown or not inputs:
            raise PolicyError(f"inputs are one or several of {get_args(RecurrentInput)}; found {inputs!r}")
        if ("last_actions" in inputs) != (action_size is not None):
            raise PolicyError(
                f"action_size is the width of last_actions, and goes with it; found {action_size} beside {inputs!r}"
            )
        width = 0 if action_size is None else whole_number(action_size, "action_size", 1, PolicyError)
        self._module, self._parts, self.memory_span = module, tuple(inputs), check_span(memory_span)
        self._states = RowStates(rows_axis, "rows_axis says which axis counts the rows")
        self._starts = self._rewards = np.zeros((0, 1), np.float32)
        self._actions = np.zeros((0, width), np.float32)
        self.__name__ = type(module).__name__

    def begin(self, rows: Array, same_context: Array, size: int) -> None:
        """Episodes begin in these rows."""
        forgotten = rows if self.memory_span == "episode" else rows[~same_context]
        self._states.begin(forgotten, size)
        if len(self._starts) != size:
            self._starts, self._rewards = np.ones((size, 1), np.float32), np.zeros((size, 1), np.float32)
            self._actions = np.zeros((size, self._actions.shape[1]), np.float32)
        self._starts[rows] = 1
        self._actions[forgotten], self._rewards[forgotten] = 0, 0

    def act(self, rows: Array, observations: Array, rng: np.random.Generator) -> Array:
        """The actions in these rows, and a step of their hidden states."""
        inputs = torch.as_tensor(self._inputs(rows, observations), device=self._device())
        with evaluation_mode(self._module):
            actions = self._states.step(rows, lambda mask, hidden: self._forward(inputs[mask], hidden))
        self._starts[rows] = 0
        return actions

    def observe(self, transitions: Transitions) -> None:
        """Keeps the last action and reward of these rows."""
        if "last_actions" in self._parts:
            actions = transitions.actions.reshape(len(transitions.rows), -1)
            if actions.shape[1] != self._actions.shape[1]:
                raise PolicyError(f"expected actions of size {self._actions.shape[1]} (action_size); found {actions.shape[1]}")
            self._actions[transitions.rows] = actions
        self._rewards[transitions.rows, 0] = transitions.rewards

    def _inputs(self, rows: Array, observations: Array) -> Array:
        parts = {
            "observations": observations,
            "last_actions": self._actions[rows],
            "last_rewards": self._rewards[rows],
            "episode_starts": self._starts[rows],
        }
        return np.concatenate([parts[name] for name in self._parts], axis=1, dtype=np.float32)

    @torch.no_grad()
    def _forward(self, inputs: torch.Tensor, hidden: Any) -> tuple[Array, Any]:
        result = self._module(inputs, hidden)
        if not isinstance(result, tuple) or len(result) != 2:
            raise PolicyError(f"expected the module to return (actions, hidden); found {type(result).__name__}")
        return result[0].cpu().numpy(), result[1]

    def _device(self) -> torch.device | None:
        first = next(self._module.parameters(), None)
        return None if first is None else first.device

"""d3rlpy's Decision Transformers as policies with memory, batched over rows.

They act as d3rlpy's own `StatefulTransformerWrapper` does, one forward pass for all rows: to reach a return, from the last
`context_size` observations, actions and returns-to-go.

Source: Chen et al., Decision Transformer: Reinforcement Learning via Sequence Modeling (2021); d3rlpy 2.8.1,
`d3rlpy/algos/transformer/base.py`.

Dimensions: N rows, E rows of the whole batch, L context size, o observation, a action.
"""

from typing import Any

import numpy as np
import torch
from d3rlpy.algos import TACR, DecisionTransformer, DiscreteDecisionTransformer

from offctx.checks import check_number
from offctx.envs.base import Array
from offctx.envs.policies_with_memory import MemorySpan, Transitions, check_span
from offctx.errors import PolicyError

_ROWS = 512  # of one forward pass, to bound memory


class TransformerPolicy:
    """A policy with memory from a `DecisionTransformer`, `DiscreteDecisionTransformer` or `TACR` of d3rlpy.

    In a new episode the return to go and the time step start anew. With `memory_span="context"` the window still holds the last
    steps of the episode before, where the context is the same; with "episode" it is emptied, as d3rlpy's wrapper does by
    `reset`. Without a warm-up both are the same, and the same as d3rlpy's wrapper. Where the environment clips an action, the
    window holds the action that was played.

    Args:
        algo: the trained transformer.
        target_return: that it is asked to reach in each episode, undiscounted, in units of the reward.
        memory_span: "context" or "episode".
        temperature: of a softmax from which Discrete actions are drawn, each row from its own stream; None for the action with
            the largest logit. d3rlpy's wrapper draws with temperature 1 by default. Only for a `DiscreteDecisionTransformer`.

    Raises:
        PolicyError: another kind of agent, one without networks, or numbers that are not valid.

    Example::

        policy = offctx.TransformerPolicy(transformer, target_return=150.0)
        offctx.evaluate(policy, env, contexts, episodes=20, seed=0, context="hidden", warmup=128)
    """

    def __init__(
        self,
        algo: DecisionTransformer | DiscreteDecisionTransformer | TACR,
        target_return: float,
        *,
        memory_span: MemorySpan = "context",
        temperature: float | None = None,
    ) -> None:
        if not isinstance(algo, (DecisionTransformer, DiscreteDecisionTransformer, TACR)):
            raise PolicyError(
                f"expected a DecisionTransformer, DiscreteDecisionTransformer or TACR of d3rlpy; found {type(algo).__name__}"
            )
        if algo.impl is None:
            raise PolicyError(f"{type(algo).__name__} has no networks yet: fit or load it first")
        self._discrete = isinstance(algo, DiscreteDecisionTransformer)
        if temperature is not None:
            if not self._discrete:
                raise PolicyError(
                    "temperature is for Discrete actions; a DecisionTransformer gives one action, no distribution"
                )
            check_number(temperature, "temperature", 1e-6, error=PolicyError)
        self._target = check_number(target_return, "target_return", -np.inf, error=PolicyError)
        self._algo, self._temperature = algo, temperature
        self.memory_span = check_span(memory_span)
        self.observation_shape = algo.observation_shape
        self.__name__ = type(algo).__name__
        self._size = -1

    def begin(self, rows: Array, same_context: Array, size: int) -> None:
        """Episodes begin in these rows."""
        if size != self._size:
            self._allocate(size)
        self._remaining_returns[rows], self._timestep[rows] = self._target, 0
        self._masks[rows if self.memory_span == "episode" else rows[~same_context]] = 0

    def act(self, rows: Array, observations: Array, rng: np.random.Generator) -> Array:
        """The actions in these rows: (N, a), or the first action is 0 and (N,) where Discrete."""
        self._timestep[rows] = np.minimum(self._timestep[rows] + 1, self._algo.config.max_timestep)
        for window, newest in (
            (self._observations, observations),
            (self._actions, 0),  # not chosen yet
            (self._returns_to_go, self._remaining_returns[rows, None]),
            (self._timesteps, self._timestep[rows]),
            (self._masks, 1),
        ):
            window[rows, :-1] = window[rows, 1:]
            window[rows, -1] = newest
        outputs = np.concatenate([self._forward(part) for part in np.array_split(rows, -(-len(rows) // _ROWS))])
        if not self._discrete:
            return outputs
        if self._temperature is None:
            return np.asarray(outputs.argmax(axis=1))
        logits = outputs / self._temperature
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        bounds = np.cumsum(probabilities / probabilities.sum(axis=1, keepdims=True), axis=1)
        return np.asarray((rng.random(len(rows))[:, None] >= bounds[:, :-1]).sum(axis=1))

    def observe(self, transitions: Transitions) -> None:
        """Puts the played action in the window, and takes the reward off the return to go."""
        self._actions[transitions.rows, -1] = transitions.actions.reshape(len(transitions.rows), -1)
        self._remaining_returns[transitions.rows] -= transitions.rewards

    def _allocate(self, size: int) -> None:
        """Empty windows (E, L, ...) for a batch of E rows."""
        length, (width,) = self._algo.config.context_size, self._algo.observation_shape
        actions = 1 if self._discrete else self._algo.action_size
        self._size = size
        self._remaining_returns, self._timestep = np.zeros(size), np.zeros(size, np.int64)
        self._observations = np.zeros((size, length, width), np.float32)
        self._actions = np.zeros((size, length, actions), np.float32)
        self._returns_to_go = np.zeros((size, length, 1))
        self._timesteps = np.zeros((size, length), np.int64)
        self._masks = np.zeros((size, length), np.float32)

    @torch.no_grad()
    def _forward(self, rows: Array) -> Array:
        """The outputs of the transformer for the newest step of these rows: actions (N, a), or logits where Discrete."""
        config, impl = self._algo.config, self._algo.impl
        assert impl is not None

        def tensor(window: Array) -> torch.Tensor:
            used = self._masks[rows].reshape(*self._masks[rows].shape, *(1,) * (window.ndim - 2)) > 0
            return torch.as_tensor(np.where(used, window[rows], 0), dtype=torch.float32, device=impl.device)

        observations, actions, returns_to_go = map(tensor, (self._observations, self._actions, self._returns_to_go))
        if config.observation_scaler:
            observations = config.observation_scaler.transform(observations)
        if config.action_scaler and not self._discrete:
            actions = config.action_scaler.transform(actions)
        if config.reward_scaler:
            returns_to_go = config.reward_scaler.transform(returns_to_go)
        impl.modules.set_eval()
        outputs: Any = impl.modules.transformer(
            observations, actions, returns_to_go, tensor(self._timesteps).long(), 1 - tensor(self._masks)
        )
        newest = (outputs[1] if self._discrete else outputs)[:, -1]
        if config.action_scaler and not self._discrete:
            newest = config.action_scaler.reverse_transform(newest)
        return np.asarray(newest.cpu().numpy())

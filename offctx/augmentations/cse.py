"""Context sample enhancement (CSE): move a sampled batch to nearby contexts.

Source: arXiv 2507.07348. For a sample (s, a, r, s') at context c and a perturbation dc of it, to first order

    s'_bar = s' + d_c f dc                               transition
    r_bar  = r + d_c R dc + d_s' R d_c f dc              reward: its total derivative along dc
    c_bar  = c + dc                                      what the agent sees as context, before and after

where the dataset's `dnext_observation_dcontext` is d_c f (of the observation) and `dreward_dcontext` is the total
derivative of r; or exactly, s'_bar and r_bar simulated at c_bar. Each sample expands around its own context. Its action may
change by da and its simulator state by ds as well (`outcomes`, `action_changes`).

Departures from the paper: (1) The radius may differ between coordinates, which have units; the ball becomes an
ellipsoid. (2) A perturbed context that is not valid is drawn again, and drawn towards c where that does not help.
(3) Discrete coordinates of a context stay where they are, and so do those of kind "observation": the observation that a
transition begins with was seen in the context of the data.

Dimensions: B batch, o observation, a action, s state, p context.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offctx.analysis.radius import RadiusReport
from offctx.analysis.radius.measure import TOLERANCE
from offctx.augmentations.action_changes import ActionChange, ActionMode, make_action_change
from offctx.augmentations.context_radius import ContextMoves
from offctx.augmentations.outcomes import Change, FirstOrder, Outcomes, Simulated, StoredDerivatives, agent_observations
from offctx.augmentations.perturbations import Shape, check_radius
from offctx.buffers.augmentation import Augmentation
from offctx.buffers.windows import change_windows, for_each_window
from offctx.checks import Floats
from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array
from offctx.envs.resolve import EnvLike, resolve
from offctx.errors import ContextError, DerivativeError, EnvError, PolicyError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset


class CSE(Augmentation):
    """Context sample enhancement: an augmentation that moves every sampled transition to a context near its own.

    With it, every d3rlpy algorithm is a CSE learner, offline and in `fit_online`.

    Args:
        radius: how far contexts are moved, >= 0: one number, as in the paper, or one per coordinate (p,), in its units. A
            coordinate with 0 stays as it is; one number leaves discrete coordinates and those of kind "observation" as they
            are. "auto": the largest radius that the data support by `offctx.radius_report`, read off the dataset when the
            buffer is made.
        tolerance: for "auto", the largest relative error that first order may have at the radius, > 0.
        perturbation: "ball", uniform in the ball (the paper's definition), or "sphere", of fixed norm in a uniform
            direction (the paper's experiments). The same holds for actions and states.
        exact: the environment of the data (an id, a factory or an environment), to simulate transitions anew instead of
            expanding them to first order. Needs the simulator states in the dataset instead of the derivatives.
        env: the environment of the data, to expand along actions and states too. Needs the simulator states as well. Use
            it only to study the first-order error. `exact` is faster.
        action: how the action changes. "unchanged": not at all. "random": to a + da, with da drawn within `action_radius`, and
            clipped to the action space; to any action where Discrete. "resampled": to one that `policy` draws at the new
            observation. "transported": to mu2 + (a - mu1) sigma2 / sigma1, with the Gaussian (mu1, sigma1) of `policy` at the
            old observation and (mu2, sigma2) at the new one, before the tanh where the policy squashes by one. All but
            "unchanged" need `env` or `exact`, and `exact` where actions are Discrete.
        action_radius: for "random", >= 0: one number, or one per action coordinate (a,), in the units of the action.
        state_radius: how far simulator states are moved, >= 0: one number, or one per state coordinate (s,), in its units (see
            the environment). Needs `env` or `exact`. The observation of a moved state is computed anew.
        policy: for "resampled" and "transported": the d3rlpy algorithm that is being trained, built by the time that a batch
            is drawn. It draws with its own generator. "transported" also takes anything with gaussian(observations) ->
            mean (B, a), standard deviation (B, a).
        seed: of the generator that is used where a call is given none; a buffer gives its own.

    Attributes:
        report: the `RadiusReport` that "auto" was read off, once it was; else None.

    Raises:
        ContextError: a radius is negative or not finite.
        EnvError: the action or the state changes and there is neither `env` nor `exact`; or both are given; or the environment
            shows observations with a delay.
        PolicyError: `action` is unknown, lacks its policy, or is not possible with Discrete actions.

    Source:
        arXiv 2507.07348.

    Example::

        buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.5))
        d3rlpy.algos.TD3PlusBCConfig().create().fit(buffer, n_steps=10_000)
    """

    def __init__(
        self,
        radius: ArrayLike | Literal["auto"],
        *,
        tolerance: float = TOLERANCE,
        perturbation: Shape = "ball",
        exact: EnvLike | None = None,
        env: EnvLike | None = None,
        action: ActionMode = "unchanged",
        action_radius: ArrayLike = 0.1,
        state_radius: ArrayLike = 0.0,
        policy: Any = None,
        seed: int = 0,
    ) -> None:
        if exact is not None and env is not None:
            raise EnvError("CSE takes either env=, to expand to first order, or exact=, to simulate; found both")
        self.perturbation = perturbation
        self._exact = exact is not None
        given_env = exact if exact is not None else env
        self._env = None if given_env is None else resolve(given_env).env
        if self._env is not None and self._env.delayed:
            raise EnvError(
                "CSE cannot move transitions of an environment with a delay: the next observation shows the past, which was in "
                "the context of the data"
            )
        self._moves = ContextMoves("CSE", radius, tolerance, perturbation, self._env, seed)
        self.action, self.policy = action, policy
        self.state_radius = check_radius(state_radius, "CSE state_radius", "state")
        self.action_radius = check_radius(action_radius, "CSE action_radius", "action")
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        self._moves_more = action != "unchanged" or bool(self.state_radius.any())
        self._change_action = self._make_action_change()
        self._simulator = self._env if self._exact or self._moves_more else None  # what computes outcomes; else derivatives do
        self._outcomes: Outcomes = StoredDerivatives()
        if self._simulator is not None:
            self._outcomes = Simulated(self._simulator) if self._exact else FirstOrder(self._simulator)

    def _make_action_change(self) -> ActionChange | None:
        """The change of the action, checked; None where it stays."""
        if self.action not in get_args(ActionMode):
            raise PolicyError(f"CSE action must be one of {list(get_args(ActionMode))}; found {self.action!r}")
        if self.action in ("resampled", "transported") and self.policy is None:
            raise PolicyError(f'CSE with action="{self.action}" needs policy=, the d3rlpy algorithm that is being trained')
        if self._moves_more and self._env is None:
            what = "state_radius > 0" if self.action == "unchanged" else f'action="{self.action}"'
            raise EnvError(f"CSE with {what} needs env= (to first order) or exact= (simulated), the environment of the data")
        if self.action == "unchanged" or self._env is None:
            return None
        space = self._env.action_space
        return make_action_change(self.action, space, self.action_radius, self._moves.draw, exact=self._exact)

    @property
    def radius(self) -> Floats:
        """One number, or one per context coordinate (p,). Raises ContextError while "auto" is not resolved."""
        return self._moves.radius.value

    @property
    def report(self) -> RadiusReport | None:
        """The report that "auto" was read off, once it was; else None."""
        return self._moves.radius.report

    @property
    def handles_history(self) -> bool:
        """True: a window and its rows move to the same new context. States and actions in windows stay as they were seen."""
        return True

    @property
    def requires(self) -> tuple[str, ...]:
        """Derivatives; or simulator states, and noise if there is any, with `exact` or where more than the context moves."""
        return self._outcomes.requires

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Resolves "auto" for a dataset; nothing where the radius is given.

        Args:
            dataset: with simulator states.

        Raises:
            ContextError: no radius is within the tolerance; or "auto" was resolved for another dataset.
            DatasetError: the dataset has no simulator states, or the environment is not known.
        """
        self._moves.radius.prepare(dataset)

    def check(self, space: ContextSpace) -> Floats:
        """Checks that the radius and the environment fit the context space.

        Args:
            space: of the data.

        Returns:
            The radius of each coordinate (p,), in its unit.

        Raises:
            ContextError: there are not p radii, or one is for a discrete coordinate; or the environment has another context.
        """
        return self._moves.check(space)

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator | None = None) -> "ContextualMiniBatch":
        """The batch moved to perturbed contexts; with radius 0, and nothing else to move, the very same batch.

        Args:
            batch: B transitions, with the arrays in `requires`.
            rng: draws the perturbations of the context, then those of the state, then those of the action.

        Returns:
            The batch with other contexts, next observations, rewards and what else moves.

        Raises:
            DerivativeError: the batch lacks an array in `requires`.
            ContextError: the radius does not fit the batch, or "auto" is not resolved.
            PolicyError: the policy cannot resample or transport.
        """
        if not (self._moves_more or self.radius.any()):
            return batch
        for name in self.requires:
            if getattr(batch, name) is None:
                raise DerivativeError(f"CSE needs a batch with {name}; make the buffer with this CSE as its augmentation")
        change = self._draw_change(batch, rng or self._rng)
        changed: dict[str, Any] = self._outcomes(batch, change)
        changed |= {"contexts": change.contexts, "observations": change.observations}
        if change.new_actions is not None:
            changed["actions"] = change.new_actions.reshape(len(change.contexts), -1).astype(np.float32)
        if batch.context == "append":
            changed["next_observations"][:, -change.contexts.shape[1] :] = change.contexts
        if batch.history is not None:
            owners = np.repeat(batch.history.first_rows(), batch.history.lengths)
            changed["history"] = change_windows(
                batch, lambda slots: self._moved(slots, change.contexts[owners], change.dc[owners])
            )
        return dataclasses.replace(batch, **changed)

    def _moved(
        self, batch: "ContextualMiniBatch", contexts: NDArray[np.float32], dc: NDArray[np.float32]
    ) -> "ContextualMiniBatch":
        """Transitions of windows (n rows) in new contexts (n, p), c + dc. Their states and actions stay, as they were seen."""
        change = Change(contexts, dc, agent_observations(batch, contexts, None))
        if self._simulator is not None:
            assert batch.states is not None
            actions = self._simulator.admit_actions(batch.actions, len(contexts))
            change = dataclasses.replace(change, states=batch.states.astype(np.float64), actions=actions)
        outcomes: dict[str, Any] = self._outcomes(batch, change)
        return dataclasses.replace(batch, **outcomes).with_contexts(contexts)

    def perturb(
        self, contexts: NDArray[np.float32], space: ContextSpace, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Valid contexts near the given ones.

        Args:
            contexts: (B, p).
            space: of the contexts.
            rng: of the draws.

        Returns:
            The new contexts (B, p), and how far each was moved (B, p).

        Raises:
            ContextError: as `check`.
        """
        return self._moves.perturb(contexts, space, rng)

    def _draw_change(self, batch: "ContextualMiniBatch", rng: np.random.Generator) -> Change:
        """The changes of context, state and action, drawn in this order."""
        contexts, dc = for_each_window(batch, lambda values: self.perturb(values, batch.context_space, rng))
        env, n = self._simulator, len(contexts)
        if env is None:
            return Change(contexts, dc, agent_observations(batch, contexts, None))
        assert batch.states is not None
        states = batch.states.astype(np.float64)
        ds = self._draw_states(states, rng)
        observations = agent_observations(batch, contexts, None if ds is None else env.observations(states + ds))
        actions, new_actions = env.admit_actions(batch.actions, n), None
        if self._change_action is not None:
            proposed = self._change_action(actions, batch.observations, observations, self.policy, rng)
            new_actions = env.admit_actions(proposed, n)
        return Change(contexts, dc, observations, states, ds, actions, new_actions)

    def _draw_states(self, states: Array, rng: np.random.Generator) -> Array | None:
        """How far the states (B, s) are moved, or None where they stay."""
        if not self.state_radius.any():
            return None
        if self.state_radius.shape not in ((), states.shape[1:]):
            raise ContextError(f"CSE state_radius has {self.state_radius.size} numbers; a state has {states.shape[1]}")
        return self._moves.draw(len(states), np.broadcast_to(self.state_radius, states.shape[1:]), rng)

    def __repr__(self) -> str:
        parts = [str(self._moves)]
        if self._env is not None:
            parts.append(f"{'exact' if self._exact else 'env'}={type(self._env).__name__}")
        if self.action != "unchanged":
            parts.append(f"action={self.action!r}")
        if self.action == "random":
            parts.append(f"action_radius={self.action_radius}")
        if self.state_radius.any():
            parts.append(f"state_radius={self.state_radius}")
        return f"CSE({', '.join(parts)})"

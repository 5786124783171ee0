"""How the action of a transition changes when its context or state does: at random, resampled or transported.

Dimensions: B batch, D what the agent sees, a action.
"""

from typing import Any, Literal, Protocol, final

import numpy as np
from gymnasium import spaces

from offctx.augmentations.perturbations import Draw
from offctx.augmentations.policies import draw_actions, transport
from offctx.checks import Floats
from offctx.envs.base import Array
from offctx.errors import ContextError, PolicyError

ActionMode = Literal["unchanged", "random", "resampled", "transported"]


class ActionChange(Protocol):
    """Chooses other actions for a batch."""

    def __call__(self, actions: Array, before: Array, after: Array, policy: Any, rng: np.random.Generator) -> Array:
        """The new actions (B, a), or (B,) where Discrete. The caller clips them to the action space.

        Args:
            actions: (B, a), or (B,) where Discrete.
            before: what the agent saw at these actions (B, D).
            after: what it sees now (B, D), the moved context and state included.
            policy: the learner in training, for a change that asks one.
            rng: for a change that draws.
        """


@final
class RandomAction:
    """a + da, with da drawn within a radius.

    Args:
        radius: one number (), or one per action coordinate (a,), in the units of the action.
        draw: `in_ball` or `on_sphere`.
        space: of the actions.
    """

    def __init__(self, radius: Floats, draw: Draw, space: spaces.Box) -> None:
        if radius.shape not in ((), space.shape):
            raise ContextError(f"CSE action_radius has shape {radius.shape}; an action has {space.shape}")
        self._radius, self._draw = np.broadcast_to(radius, space.shape), draw

    def __call__(self, actions: Array, before: Array, after: Array, policy: Any, rng: np.random.Generator) -> Array:
        """a + da (B, a)."""
        return actions + self._draw(len(actions), self._radius, rng)


@final
class RandomDiscreteAction:
    """Any action of the space, with the same probability each.

    Args:
        space: of the actions.
    """

    def __init__(self, space: spaces.Discrete) -> None:
        self._low, self._high = space.start, space.start + space.n

    def __call__(self, actions: Array, before: Array, after: Array, policy: Any, rng: np.random.Generator) -> Array:
        """Integers (B,)."""
        return rng.integers(self._low, self._high, len(actions))


@final
class ResampledAction:
    """Drawn from the policy at the new observation, or its greedy action where the policy cannot draw."""

    def __call__(self, actions: Array, before: Array, after: Array, policy: Any, rng: np.random.Generator) -> Array:
        """(B, a), by the policy's own generator."""
        return draw_actions(policy, after)


@final
class TransportedAction:
    """mu2 + (a - mu1) sigma2 / sigma1, before the tanh where the policy squashes its actions by one.

    (mu1, sigma1) is the policy's Gaussian at the old observation, (mu2, sigma2) the one at the new observation.
    """

    def __call__(self, actions: Array, before: Array, after: Array, policy: Any, rng: np.random.Generator) -> Array:
        """(B, a)."""
        if callable(getattr(policy, "gaussian", None)):
            (mean1, std1), (mean2, std2) = policy.gaussian(before), policy.gaussian(after)
            return transport(actions, mean1, std1, mean2, std2)
        from offctx.algos.shared.gaussian_policies import transported_actions

        return transported_actions(policy, actions, before, after)


def make_action_change(mode: ActionMode, space: spaces.Space[Any], radius: Floats, draw: Draw, *, exact: bool) -> ActionChange:
    """The change of a mode other than "unchanged".

    Args:
        mode: "random", "resampled" or "transported".
        space: of the actions.
        radius: of random changes.
        draw: of random changes.
        exact: whether transitions are simulated anew.

    Raises:
        ContextError: the radius does not fit the actions.
        PolicyError: Discrete actions cannot change in this way.
    """
    if isinstance(space, spaces.Discrete):
        if mode == "transported":
            raise PolicyError('CSE cannot transport Discrete actions; use action="resampled" or "random" with exact=')
        if not exact:
            raise PolicyError(
                f'CSE with action="{mode}" needs exact= where actions are Discrete: another action is no small '
                f"change that an expansion to first order could follow"
            )
    if mode == "random":
        if isinstance(space, spaces.Discrete):
            return RandomDiscreteAction(space)
        assert isinstance(space, spaces.Box)
        return RandomAction(radius, draw, space)
    return ResampledAction() if mode == "resampled" else TransportedAction()

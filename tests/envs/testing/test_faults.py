"""The contract suite names the fault of environments with one fault each."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from offctx.contexts.space import ContextSpace
from offctx.envs import PendulumGoal, SimpleDirection
from offctx.envs.testing import check_contextual_env
from offctx.errors import ContextError


class IgnoresMass(PendulumGoal):
    """The pole mass of a well-known library: named, sampled, stored, and never used."""

    @staticmethod
    def _blind(context):
        return torch.stack([context[..., 0], torch.ones_like(context[..., 1]), *context[..., 2:].unbind(-1)], dim=-1)

    def transition(self, state, action, context):
        return super().transition(state, action, self._blind(context))

    def reward(self, state, action, next_state, context):
        g, _, l, tau = context.unbind(-1)
        goal = torch.asin(torch.clip(-tau / (g * l), -0.9, 0.9))
        return -(torch.sin((next_state[..., 0] - goal) / 2) ** 2)


class SilentInfo(SimpleDirection):
    def _info(self, noise):
        return {"state": self._state.copy()}


class ForgetsInStep(SimpleDirection):
    def step(self, action):
        *rest, info = super().step(action)
        return *rest, {**info, "reward_direction": 1.0}


class DeafReset(SimpleDirection):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)


class WrongRewardDerivative(SimpleDirection):
    def derivatives(self, states, actions, contexts, noise=None):
        """Without the way through the next state: d_c R alone."""
        dnext, _ = super().derivatives(states, actions, contexts, noise)
        return dnext, states + actions + contexts


class WrongNextDerivative(PendulumGoal):
    def derivatives(self, states, actions, contexts, noise=None):
        dnext, dreward = super().derivatives(states, actions, contexts, noise)
        dnext[:, 2, 1] *= 1.001
        return dnext, dreward


class Crowd(SimpleDirection):
    def simulate(self, states, actions, contexts, noise=None):
        after, rewards, ends = super().simulate(states, actions, contexts, noise)
        return after, rewards - rewards.mean(), ends


class Weary(SimpleDirection):
    calls = 0

    def simulate(self, states, actions, contexts, noise=None):
        self.calls += len(states) > 1  # so that Gymnasium's own check, which steps one at a time, sees nothing
        after, rewards, ends = super().simulate(states, actions, contexts, noise)
        return after, rewards - 1e-6 * self.calls, ends


class UsesOwnContext(SimpleDirection):
    def simulate(self, states, actions, contexts, noise=None):
        return super().simulate(states, actions, np.tile(self.context, (len(states), 1)), noise)


class Scribbles(SimpleDirection):
    def simulate(self, states, actions, contexts, noise=None):
        result = super().simulate(states, actions, contexts, noise)
        states += 1
        return result


class NotRefusing(ContextSpace):
    """A space that says what is wrong, for an environment that does not listen."""

    admits: Any = staticmethod(lambda row: False)

    def check(self, context, *, extrapolate=False):
        try:
            return super().check(context, extrapolate=extrapolate)
        except ContextError:
            row = np.array(context, dtype=np.float64) if not isinstance(context, dict) else np.zeros(0)
            if row.shape == (self.size,) and self.admits(row):
                return row
            raise


def _lenient(admits: Any) -> type[SimpleDirection]:
    space = NotRefusing(["c_x", "c_y"], -1.0, 1.0, (0.0, 0.0))
    space.admits = admits

    class Lenient(SimpleDirection):
        context_space = space

        def start(self, rng, context):
            return rng.uniform(-1, 1, 2)

    return Lenient


class TakesAnyAction(SimpleDirection):
    def admit_actions(self, actions, n):
        return np.clip(np.nan_to_num(np.asarray(actions, dtype=np.float32)), -1, 1)


class DoesNotClip(SimpleDirection):
    def admit_actions(self, actions, n):
        super().admit_actions(actions, n)
        return np.asarray(actions, dtype=np.float32)


class FirstDrawOfTheDay(SimpleDirection):
    """Draws its start from the class, not from the generator given."""

    days = 0

    def initial_state(self, rng, context):
        FirstDrawOfTheDay.days += 1
        return np.full(2, 0.001 * self.days)


class OwnStep(SimpleDirection):
    """What collection, which plays `simulate`, would silently leave out."""

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + 1.0, *rest


class IntegerObservations(SimpleDirection):
    observation_space = spaces.Box(-100, 100, (2,), np.int64)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (IgnoresMass, "context coordinate 'm' to change some next state"),
        (SilentInfo, r'reset.*expected info\["context"\] to be \[.*found None'),
        (ForgetsInStep, "expected the info keys of reset in every step"),
        (DeafReset, r"expected env.context to be \[.*; found \[0. 0.\]"),
        (WrongRewardDerivative, "derivative of the reward along context coordinate 'c_x'"),
        (WrongNextDerivative, "derivative of the next observation 2 along context coordinate 'm'"),
        (Crowd, "a row must not depend on the rows it is simulated with.*expected rewards"),
        (Weary, "simulate called again must not remember anything: expected rewards"),
        (UsesOwnContext, "simulate called again must not remember anything"),
        (Scribbles, "simulate must not change its arguments: expected states"),
        (_lenient(lambda row: np.isnan(row).any()), r"nan.*to be refused with ContextError \(NaN\)"),
        (_lenient(lambda row: np.isfinite(row).all()), r"refused with ContextError \(c_x out of bounds\)"),
        (TakesAnyAction, r"expected action array\(\[nan, nan\]\).* refused with PolicyError"),
        (DoesNotClip, r"action \[-2. -2.\] must be clipped to \[-1. -1.\]"),
        (FirstDrawOfTheDay, "check_env to pass"),
        (OwnStep, "batched simulation against reset and step: expected rewards"),
        (IntegerObservations, "expected a 1-D Box of a float type as observation_space; found Box"),
        (lambda: 3, "expected an offctx.envs.ContextualEnv; found int"),
        ("CartPole-v1", "expected an offctx.envs.ContextualEnv; found CartPoleEnv"),
    ],
)
def test_a_fault_is_named(factory: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        check_contextual_env(factory)


def test_a_broken_constraint_that_is_admitted_is_named() -> None:
    class Slack(PendulumGoal):
        context_space = NotRefusing(
            ["g", "m", "l", "tau"], (0.5, 0.5, 0.5, -1.0), (5.0, 2.0, 2.0, 1.0), (2.0, 1.0, 1.0, 0.0),
            constraints=["abs(tau) < m * g * l"],
        )  # fmt: skip

    Slack.context_space.admits = lambda row: bool((np.abs(row[3]) >= np.prod(row[:3])) & np.isfinite(row).all())
    with pytest.raises(AssertionError, match=r"refused with ContextError \(against a constraint\)"):
        check_contextual_env(Slack)

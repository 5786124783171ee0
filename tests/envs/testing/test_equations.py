"""Equations that draw random numbers, remember something or lose digits are named by the checker."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from offctx.envs.testing import check_contextual_env
from tests.envs.testing.test_suite import Drift, Plain


class DrawsInTransition(Drift):
    def transition(self, state, action, context):
        return super().transition(state, action, context) + 0.1 * torch.randn_like(state)


class DrawsInReward(Drift):
    def reward(self, state, action, next_state, context):
        return super().reward(state, action, next_state, context) + random.random()


class DrawsInSimulate(Plain):
    def simulate(self, states, actions, contexts, noise=None):
        return super().simulate(states + np.random.normal(), actions, contexts, noise)


class DrawsItsStart(Drift):
    def initial_state(self, rng, context):
        return torch.rand(1)


class OwnGenerator(Drift):
    rng = np.random.default_rng(0)

    def transition(self, state, action, context):
        return super().transition(state, action, context) + self.rng.normal()


class SingleTransition(Drift):
    def transition(self, state, action, context):
        return super().transition(state, action, context).float()


class SingleReward(Drift):
    def reward(self, state, action, next_state, context):
        return super().reward(state, action, next_state, context).float()


class WrongArguments(Drift):
    def initial_state(self, rng):
        return rng.uniform(-1, 1, 1)


class StartsNowhere(Drift):
    def initial_state(self, rng, context):
        return {}["start"]


class SimulatesNothing(Plain):
    def simulate(self, states, actions, contexts, noise=None):
        raise OSError("no simulator")


class CannotBeMade(Plain):
    def __init__(self):
        raise OSError("no model file")


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (DrawsInTransition, r"DrawsInTransition: `transition` draws random numbers from torch's global.*noise_size = z"),
        (DrawsInReward, "DrawsInReward: `reward` draws random numbers from Python's global generator"),
        (DrawsInSimulate, "DrawsInSimulate: `simulate` draws random numbers from NumPy's global generator"),
        (DrawsItsStart, "DrawsItsStart: `initial_state` draws random numbers from torch's global.*from its argument `rng`"),
        (OwnGenerator, "OwnGenerator: `transition` gives another result when it is called again with the same arguments"),
        (SingleTransition, r"`transition` returns torch\.float32 from torch\.float64 arguments.*leave out \.float\(\)"),
        (SingleReward, r"`reward` returns torch\.float32 from torch\.float64 arguments.*leave out \.float\(\)"),
        (WrongArguments, r"^WrongArguments: `initial_state` must take the arguments \(rng, context\); it takes \(rng\)"),
        (StartsNowhere, r"^StartsNowhere raises KeyError: 'start'\. Tested was: [A-Z].*\.$"),
        (SimulatesNothing, r"^SimulatesNothing raises OSError: no simulator\. Tested was: [A-Z].*\.$"),
        (CannotBeMade, r"^CannotBeMade raises OSError: no model file\. Tested was: Observations are a 1-D Box"),
    ],
)
def test_the_faulty_equation_is_named(family: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        check_contextual_env(family)

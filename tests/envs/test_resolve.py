"""`resolve`: the environment and the time limit behind an id, a factory or an environment, and what it refuses."""

from typing import Any

import gymnasium
import pytest
from gymnasium.wrappers import RescaleAction, TimeLimit

from offctx.envs import AppendContext, SimpleDirection, SimpleDirectionStochastic
from offctx.envs.resolve import resolve
from offctx.errors import EnvError


@pytest.mark.parametrize(
    ("given", "horizon", "name"),
    [
        ("offctx/PendulumGoal-v0", 200, "offctx/PendulumGoal-v0"),
        (lambda: gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=30), 30, "offctx/PendulumGoal-v0"),
        (lambda: TimeLimit(SimpleDirectionStochastic(), 7), 7, "SimpleDirectionStochastic"),
        (lambda: TimeLimit(TimeLimit(SimpleDirection(), 7), 9), 7, "SimpleDirection"),
        (TimeLimit(SimpleDirection(), 4), 4, "SimpleDirection"),
    ],
)
def test_resolve_finds_the_time_limit(given: Any, horizon: int, name: str) -> None:
    resolved = resolve(given)
    assert (resolved.horizon, resolved.name) == (horizon, name)
    assert resolved.env is resolved.env.unwrapped


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (SimpleDirection, "SimpleDirection has no time limit: register it with max_episode_steps, or let the factory return"),
        (lambda: RescaleAction(TimeLimit(SimpleDirection(), 5), 0, 1), "wrapper RescaleAction would be left out"),
        (lambda: TimeLimit(AppendContext(SimpleDirection()), 5), "wrapper AppendContext would be left out"),
        ("CartPole-v1", "expected the id or factory of an offctx.envs.ContextualEnv; found CartPoleEnv"),
        ("Hopper-v5", r'MujocoPhysics\("Hopper-v5", .* gives it physical parameters .*; offctx/HopperPhysics-v0 is registered'),
        ("Reacher-v5", r'MujocoPhysics\("Reacher-v5", \["gravity", "mass"\]\) gives it physical parameters as its context$'),
        ("CartPole-v1", "found CartPoleEnv$"),
        (lambda: "no environment", "expected the id or factory .*; found str"),
        ("", "expected a Gymnasium id, .*; found ''"),
        (":", "expected a Gymnasium id, .*; found ':'"),
        ("a:b:c-v0", "expected a Gymnasium id"),
        (".a:PendulumGoal-v0", "expected a Gymnasium id"),
        ("offctx/PendulumGoal-v" + "9" * 5000, r"expected a Gymnasium id, .*; found 'offctx/PendulumGoal-v9{,200}'\.\.\.$"),
        ("no_such_module:PendulumGoal-v0", "No module named 'no_such_module'"),
        ("offctx/NoSuchThing-v0", "Gymnasium cannot make 'offctx/NoSuchThing-v0'"),
    ],
)
def test_resolve_refuses_what_it_would_play_wrongly(given: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        resolve(given)

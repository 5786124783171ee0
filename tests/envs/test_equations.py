"""Wrong equations give one sentence: which function, which line, what is wrong and what is right."""

import functools
import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from offctx import ContextSpace, collect
from offctx.envs import DifferentiableEnv
from offctx.envs.testing import check_contextual_env
from offctx.errors import EnvError


class Puck(DifferentiableEnv):
    context_space = ContextSpace(["mass"], 0.5, 2.0, 1.0, ["kg"])
    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def initial_state(self, rng, context):
        return rng.uniform(-1, 1, (*context.shape[:-1], 2))

    def transition(self, state, action, context):
        velocity = state[..., 1:] + 0.1 * action / context
        return torch.cat([state[..., :1] + 0.1 * velocity, velocity], dim=-1)

    def reward(self, state, action, next_state, context):
        return -(next_state**2).sum(-1)


def transition_if(self, state, action, context):
    return state if state[..., 0] > 0 else 2 * state


def transition_first_row(self, state, action, context):
    x, v = state[0], state[1]
    return torch.stack([x + 0.1 * v, v + action[0] / context[0]])


def transition_unpacks(self, state, action, context):
    x, v = state
    return torch.stack([x, v])


def transition_stacks_rows(self, state, action, context):
    return torch.stack([state[..., 0], state[..., 1] + context[..., 0]])


def transition_scales_context(self, state, action, context):
    context *= 2
    return state + context


def transition_moves_state(self, state, action, context):
    state[..., 1:] += action / context
    return state


def transition_single(self, state, action, context):
    return state.float() @ torch.eye(2, dtype=self.dtype) + context


def transition_math(self, state, action, context):
    return state + math.sin(context[..., 0])


def transition_nothing(self, state, action, context):
    Puck.transition(self, state, action, context)


def reward_number(self, state, action, next_state, context):
    return -1.0


def reward_nothing(self, state, action, next_state, context):
    next_state.sum(-1)


def reward_of_all(self, state, action, next_state, context):
    return -(next_state**2).sum()


def reward_first_row(self, state, action, next_state, context):
    return -(next_state[0] ** 2)


def reward_numpy(self, state, action, next_state, context):
    return np.zeros(len(state))


def reward_moves_next_state(self, state, action, next_state, context):
    next_state[..., 0] -= 1
    return next_state.sum(-1)


def reward_without_next_state(self, state, action, context):
    return -(state**2).sum(-1)


def terminated_false(self, state, context):
    return False


def terminated_number(self, state, context):
    return state[..., 0]


def observe_first_row(self, state):
    return torch.stack([state[0], state[1]])


FAULTS: list[tuple[Any, str]] = [
    (transition_if, r"`transition` fails in line \d+, `return state if .*Python `if`.*one for each row.*torch\.where"),
    (
        transition_first_row,
        r"next states \(64, 2\).*`transition`; found a tensor \(2, 2\).*not by state\[0\]",
    ),
    (transition_unpacks, r"`transition` fails in line \d+, `x, v = state`.*state\[\.\.\., 0\]"),
    (transition_stacks_rows, r"found a tensor \(2, 64\).*dim=-1"),
    (transition_scales_context, r"`transition` changes its argument `context` in place.*`context = 2 \* context`"),
    (transition_moves_state, r"`transition` changes its argument `state` in place"),
    (transition_single, r"`transition` fails.*torch\.float64 tensors.*leave out \.float\(\)"),
    (transition_math, r"`transition` fails.*`math` functions.*torch\.sin"),
    (transition_nothing, r"from `transition`; found None\. Does it end without `return`\?"),
    (reward_number, r"rewards \(64,\).*`reward`; found -1\.0, a Python float.*torch\.full\(state\.shape\[:-1\], -1\.0"),
    (reward_nothing, r"from `reward`; found None\. Does it end without `return`\?"),
    (reward_of_all, r"from `reward`; found a tensor \(\)\..*\.sum\(-1\), not \.sum\(\)"),
    (reward_first_row, r"from `reward`; found a tensor \(2,\)\. The arguments are batches"),
    (reward_numpy, r"from `reward`; found ndarray\. Return a torch tensor"),
    (reward_moves_next_state, r"`reward` changes its argument `next_state` in place"),
    (reward_without_next_state, r"`reward` must take the arguments \(state, action, next_state, context\); it takes"),
    (terminated_false, r"terminations \(64,\).*`terminated`; found False, a Python bool.*torch\.bool"),
    (terminated_number, r"expected booleans from `terminated`; found a tensor of torch\.float64\. .*abs\(\) > 1"),
    (observe_first_row, r"observations \(64, 2\).*`observe`; found a tensor \(2, 2\)"),
]


def _family(fault: Any) -> type[Puck]:
    """Puck with one equation replaced; the name of the fault begins with the name of the equation."""
    name = fault.__name__.split("_")[0]
    return type("Wrong", (Puck,), {name: _renamed(fault, name)})


def _renamed(fault: Any, name: str) -> Any:
    """The function under the name of the equation, as a traceback shows it."""
    return type(fault)(fault.__code__.replace(co_name=name), fault.__globals__, name)


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_wrong_equation_is_named_when_it_is_stepped(fault: Any, message: str) -> None:
    env = _family(fault)()
    with pytest.raises(EnvError, match="(?s)^Wrong: .*" + message):
        env.reset(seed=0)
        env.step(np.zeros(1))


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_a_wrong_equation_is_named_by_the_checker(fault: Any, message: str) -> None:
    with pytest.raises(AssertionError, match="(?s)^Wrong: .*" + message):
        check_contextual_env(_family(fault))


DIFFERENTIATED = [fault for fault, _ in FAULTS if fault not in (terminated_false, terminated_number)]


@pytest.mark.parametrize("fault", DIFFERENTIATED, ids=lambda f: f.__name__)
def test_a_wrong_equation_is_named_when_it_is_differentiated(fault: Any) -> None:
    env, states = _family(fault)(), np.ones((3, 2))
    arrays = (states, np.zeros((3, 1)), np.ones((3, 1)))
    for derivatives in (lambda: env.derivatives(*arrays), lambda: env.expand(*arrays, None, None, np.ones((3, 1)))):
        with pytest.raises(EnvError, match=f"^Wrong: .*`{fault.__name__.split('_')[0]}`"):
            derivatives()


def test_a_start_that_is_not_returned_is_named() -> None:
    class Lost(Puck):
        def initial_state(self, rng, context):
            rng.uniform(-1, 1, (1, 2))

    message = "^Lost: expected a state from `initial_state`; found None. Does it end without `return`"
    with pytest.raises(EnvError, match=message):
        Lost().reset(seed=0)
    with pytest.raises(AssertionError, match=message):
        check_contextual_env(Lost)


def some_function(state, action, context):
    return state if state[..., 0] > 0 else 2 * state


def with_a_constant(k, state, action, context):
    return state + k * math.sin(context[..., 0])


def drag(context):
    return math.sqrt(context[..., 0])


def transition_with_helper(state, action, context):
    return state - drag(context)


class Layer(torch.nn.Module):
    def forward(self, state, action, context):
        return state @ torch.eye(3, dtype=torch.float64)


class Sensor:
    def __call__(self, state, action, context):
        x, v = state
        return x + v


OTHER_NAMES = [
    (some_function, r"`transition` fails in line \d+ of `some_function`, `return state if .*torch\.where"),
    (lambda state, action, context: state.numpy() if state[0] else None, r"`transition` fails in line \d+, `.*lambda"),
    (functools.partial(with_a_constant, 2), r"`transition` fails in line \d+ of `with_a_constant`, `.*torch\.sin"),
    (transition_with_helper, r"`transition` fails in line \d+ of `drag`, `return math\.sqrt.*torch\.sin"),
    (Layer(), r"`transition` fails in line \d+ of `forward`, `return state @.*the arguments are batches"),
    (Sensor(), r"`transition` fails in line \d+ of `__call__`, `x, v = state`.*state\[\.\.\., 0\]"),
    (torch.mm, r"`transition` fails: TypeError: mm\(\) received an invalid combination of arguments"),
    (torch.ones(3).dot, r"`transition` fails: .*dot\(\) takes 1 positional argument"),
    (functools.partial(with_a_constant), r"`transition` must take the arguments \(state, action, context\); it takes"),
    (lambda state, action: state, r"`transition` must take the arguments \(state, action, context\); it takes"),
]


@pytest.mark.parametrize(("function", "message"), OTHER_NAMES, ids=range(len(OTHER_NAMES)))
def test_an_equation_may_have_any_name_and_be_any_callable(function: Any, message: str) -> None:
    class Named(Puck):
        def __init__(self) -> None:
            super().__init__()
            self.transition = function

    env = Named()
    env.reset(seed=0)
    with pytest.raises(EnvError, match="(?s)^Named: " + message):
        env.step(np.zeros(1))
    with pytest.raises(EnvError, match="(?s)^Named: " + message):
        env.derivatives(np.ones((3, 2)), np.zeros((3, 1)), np.ones((3, 1)))
    with pytest.raises(AssertionError, match="(?s)^Named: " + message):
        check_contextual_env(Named)


def test_a_right_equation_may_be_any_callable() -> None:
    class Named(Puck):
        def __init__(self) -> None:
            super().__init__()
            self.reward = functools.partial(lambda k, state, action, next_state, context: -k * (next_state**2).sum(-1), 2.0)

    check_contextual_env(Named, transitions=32)


def test_a_change_in_place_that_torch_finds_late_is_named() -> None:
    class Late(Puck):
        def transition(self, state, action, context):
            root = torch.sqrt(context)
            root += 1
            return state + root

    with pytest.raises(EnvError, match=r"^Late: an equation changes a tensor in place after using it.*`x = x \+ 1`"):
        Late().derivatives(np.ones((3, 2)), np.zeros((3, 1)), np.ones((3, 1)))


def test_other_errors_stay_what_they_are() -> None:
    class Typo(Puck):
        def transition(self, state, action, context):
            return state + contxt  # noqa: F821

    env = Typo()
    env.reset(seed=0)
    with pytest.raises(NameError):
        env.step(np.zeros(1))


class NoContexts(DifferentiableEnv):
    observation_space, action_space = Puck.observation_space, Puck.action_space
    initial_state, transition, reward = Puck.initial_state, Puck.transition, Puck.reward


class BoxOfContexts(Puck):
    context_space = Box(0.5, 2.0, (1,))


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (NoContexts, r"NoContexts sets no context_space: .* context_space = offctx\.ContextSpace\("),
        (BoxOfContexts, r"BoxOfContexts\.context_space: expected a ContextSpace; found Box"),
    ],
)
def test_a_missing_space_is_named(family: Any, message: str) -> None:
    with pytest.raises(EnvError, match=message):
        family().reset(seed=0)
    with pytest.raises(AssertionError, match=message):
        check_contextual_env(family)
    with pytest.raises(EnvError, match=message):
        collect(family, "test/missing-v0", episodes_per_context=1, seed=0)

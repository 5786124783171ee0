"""A family with a discrete coordinate is caught where contexts do nothing in one of its values, or two values are the same."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from offctx.contexts.space import ContextSpace
from offctx.envs import ContextualEnv, MujocoPhysics
from offctx.envs.context_draws import draw_contexts
from offctx.envs.testing import check_contextual_env
from offctx.errors import ContextError
from tests.envs.testing.test_suite import Drift

MODES = ContextSpace(["mass", "mode"], [0.5, 0], [2, 2], [1, 0], discrete=["mode"])

LISTED = ContextSpace(["mass", "mode"], [0.5, -1], [2, 2], [1, 0.1], discrete={"mode": [-1, 0.1, 2]})


def family(effect: Callable[[Tensor, Tensor], Tensor], space: ContextSpace = MODES) -> type[ContextualEnv]:
    """A family whose action is multiplied by effect(mass (N, 1), modes (N, p - 1))."""

    class Family(Drift):
        context_space = space

        def transition(self, state, action, context):
            return state + 0.1 * action * effect(context[..., :1], context[..., 1:])

    return Family


def gain(mode: Tensor) -> Tensor:
    return 2 + torch.atan(mode.detach())


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_a_coordinate_that_does_nothing_in_one_value_is_named_with_it(dead: int) -> None:
    made = family(lambda mass, mode: gain(mode) * torch.where(mode == dead, 1.0, 1 / mass))
    with pytest.raises(
        AssertionError, match=f"Family: expected context coordinate 'mass' to change .* where 'mode' is {dead};"
    ):
        check_contextual_env(made)


@pytest.mark.parametrize("first", [0, 1])
def test_neighbouring_values_that_are_the_same_are_named(first: int) -> None:
    made = family(lambda mass, mode: torch.where(mode > 1 - first, 2.0, 1.0) / mass)
    with pytest.raises(AssertionError, match=f"expected the values {first} and {first + 1} of discrete .* 'mode' to differ"):
        check_contextual_env(made)


def test_neighbouring_listed_values_that_are_the_same_are_named() -> None:
    made = family(lambda mass, mode: torch.where(mode > 1, 2.0, 1.0) / mass, LISTED)
    with pytest.raises(AssertionError, match=r"expected the values -1 and 0\.1 of discrete .* 'mode' to differ"):
        check_contextual_env(made)


def test_an_environment_that_takes_values_that_are_not_listed_is_named() -> None:
    class Careless(ContextSpace):
        def check(self, context, *, extrapolate=False):
            try:
                return super().check(context, extrapolate=extrapolate)
            except ContextError as error:
                if "is discrete" in str(error):
                    return np.asarray(context, dtype=float)
                raise

    space = Careless(["mass", "mode"], [0.5, -1], [2, 2], [1, 0.1], discrete={"mode": [-1, 0.1, 2]})
    with pytest.raises(AssertionError, match="not a value of a discrete coordinate"):
        check_contextual_env(family(lambda mass, mode: gain(mode) / mass, space))


def test_a_combination_of_values_in_which_a_coordinate_does_nothing_is_named() -> None:
    space = ContextSpace(["mass", "mode", "side"], [0.5, 0, 0], [2, 2, 1], [1, 0, 0], discrete=["mode", "side"])

    def effect(mass: Tensor, modes: Tensor) -> Tensor:
        dead = (modes == torch.tensor([2.0, 1.0])).all(-1, keepdim=True)
        return (1 + modes.detach() @ torch.tensor([1.0, 10.0]).double())[..., None] * torch.where(dead, 1.0, 1 / mass)

    with pytest.raises(AssertionError, match=r"'mass' to change .* where 'mode' is 2 and 'side' is 1;"):
        check_contextual_env(family(effect, space))


def test_values_that_a_constraint_excludes_are_not_asked_for() -> None:
    space = ContextSpace(["mass", "mode"], [0.5, 0], [2, 2], [1, 0], discrete=["mode"], constraints=["mode < 2"])
    check_contextual_env(family(lambda mass, mode: torch.where(mode == 2, 1.0, gain(mode) / mass), space))


@pytest.mark.parametrize(
    "made",
    [
        family(lambda mass, mode: gain(mode) / mass),
        family(
            lambda mass, mode: gain(mode) / mass,
            ContextSpace(["mass", "mode"], [0.5, -np.inf], [2, np.inf], [1, 0], discrete=["mode"]),
        ),
        family(
            lambda mass, mode: gain(mode) / mass, ContextSpace(["mass", "mode"], [0.5, 0], [2, 1e6], [1, 0], discrete=["mode"])
        ),
        family(lambda mass, mode: gain(mode) / mass, LISTED),
    ],
)
def test_families_in_which_every_value_does_something_pass(made: type[ContextualEnv]) -> None:
    check_contextual_env(made)


def test_inversion_and_permutation_of_a_mujoco_robot_pass() -> None:
    check_contextual_env(lambda: MujocoPhysics("Reacher-v5", ["damping", "inversion", "permutation"]), transitions=64)


def test_a_derivative_along_a_discrete_coordinate_says_what_to_write() -> None:
    advice = r"'mode', .*\. Detach it .*context\[\.\.\., 1\]\.detach\(\), or choose by torch\.where\(context\[\.\.\., 1\]"
    with pytest.raises(AssertionError, match=f"Family: expected no derivative along the discrete context coordinate {advice}"):
        check_contextual_env(family(lambda mass, mode: (1 + mode) / mass))


def test_drawn_contexts_take_every_value_of_a_discrete_coordinate() -> None:
    drawn = draw_contexts(MODES, np.random.default_rng(0), 300)
    values, counts = np.unique(drawn[:, 1], return_counts=True)
    assert values.tolist() == [0, 1, 2] and counts.min() > 70
    assert len(np.unique(drawn[:, 0])) == 300

"""Property 2: the equations follow from their arguments alone, and keep the precision of their arguments.

Gymnasium's checker finds the first fault too, but cannot say which function has it.
"""

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offctx.envs.base import ContextualEnv
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.testing.case import Case

_EQUATIONS = ("transition", "reward", "terminated", "observe")
_DRAWING = {
    "initial_state": "Draw from its argument `rng`: the seed of the episode then decides the start",
    "otherwise": "The result must follow from the arguments alone. For stochastic dynamics set noise_size = z, and let "
    "transition or reward take one more argument, `noise` (..., z), of standard normal numbers",
}


def check_equations(case: Case) -> None:
    """No function draws from a global random generator or returns less precise numbers than it gets."""
    rows, contexts = case.rows, case.contexts
    env = case.make()
    for method in ("initial_state", *_EQUATIONS, "simulate", "observations"):
        if hasattr(env, method):
            setattr(env, method, _watched(env, method))
    env.start(np.random.default_rng(case.seed), contexts[0])
    case.simulate(env=env)
    env.observations(rows[0].copy())


def _watched(env: ContextualEnv, method: str) -> Callable[..., Any]:
    """A function of the environment that raises AssertionError where a call of it breaks the property."""
    function = getattr(env, method)
    name = f"{type(env).__name__}: `{method}`"
    equation = isinstance(env, DifferentiableEnv) and method in _EQUATIONS

    @functools.wraps(function)
    def watched(*arguments: Any) -> Any:
        before = _global_generators()
        result = function(*arguments)
        changed_generators = [kind for kind, state in _global_generators().items() if state != before[kind]]
        assert not changed_generators, (
            f"{name} draws random numbers from {changed_generators[0]}. {_DRAWING.get(method, _DRAWING['otherwise'])}"
        )
        if equation and isinstance(result, Tensor):
            assert torch.equal(result, function(*arguments)) or bool(result.isnan().any()), (
                f"{name} gives another result when it is called again with the same arguments: does it draw random numbers, or "
                f"remember something? {_DRAWING['otherwise']}"
            )
            _check_precision(env, method, function, arguments)
        return result

    return watched


def _check_precision(env: Any, method: str, function: Callable[..., Tensor], arguments: tuple[Tensor, ...]) -> None:
    """That what is differentiated is as precise as the arguments: other derivatives are not those of the equations."""
    with torch.enable_grad():
        numbers = [argument.detach() for argument in arguments]
        result = function(*(x.requires_grad_() if x.is_floating_point() else x for x in numbers))
    if not isinstance(result, Tensor) or not result.is_floating_point() or not result.requires_grad:
        return  # such as a reward of 0 or 1, of any type
    assert torch.finfo(result.dtype).eps <= torch.finfo(env.dtype).eps, (
        f"{type(env).__name__}: `{method}` returns {result.dtype} from {env.dtype} arguments, and loses digits that its "
        f"derivatives need: leave out .float(), or set dtype = {result.dtype} in the class"
    )


def _global_generators() -> dict[str, Any]:
    """The states of the random generators that every function can reach."""
    numpy_state: Any = np.random.get_state(legacy=False)  # the global one is what is watched
    return {
        "torch's global generator (torch.randn, torch.rand)": torch.get_rng_state().numpy().tobytes(),
        "NumPy's global generator (np.random.normal)": (numpy_state["state"]["key"].tobytes(), numpy_state["state"]["pos"]),
        "Python's global generator (random.random)": random.getstate(),
    }

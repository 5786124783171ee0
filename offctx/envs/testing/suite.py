"""The contract suite: the properties of a contextual environment, tested in order."""

from offctx.contexts.kinds import Kinds
from offctx.envs.testing.case import Case, Factory
from offctx.envs.testing.coordinates import check_every_coordinate_matters
from offctx.envs.testing.derivatives import check_derivatives
from offctx.envs.testing.discrete import check_discrete_values
from offctx.envs.testing.equations import check_equations
from offctx.envs.testing.interface import check_contexts_in_force, check_gymnasium, check_spaces
from offctx.envs.testing.kinds import check_declared_kinds, kind_counts
from offctx.envs.testing.modes import check_contexts_in_every_mode
from offctx.envs.testing.purity import check_pure, check_rows_independent
from offctx.envs.testing.refusals import check_bad_actions_refused, check_bad_contexts_refused
from offctx.envs.testing.replay import check_played_as_stepped, check_replay
from offctx.errors import OffctxError

_CHECKS = (
    check_spaces,
    check_equations,
    check_gymnasium,
    check_contexts_in_force,
    check_pure,
    check_rows_independent,
    check_replay,
    check_played_as_stepped,
    check_derivatives,
    check_every_coordinate_matters,
    check_discrete_values,
    check_declared_kinds,
    check_contexts_in_every_mode,
    check_bad_contexts_refused,
    check_bad_actions_refused,
)


def check_contextual_env(factory: Factory, *, seed: int = 0, transitions: int = 256) -> dict[str, Kinds]:
    """Tests that an environment family keeps the promises that collection, augmentation and evaluation rely on.

    In this order, on random episodes in random valid contexts (near the default where bounds are infinite):

    1. observations are a 1-D Box of floats, actions a 1-D Box of floats or Discrete;
    2. no function draws from a global random generator; equations give the same result again, as precise as their arguments;
       and Gymnasium's `check_env` passes;
    3. reset puts the given context in force (an array or a mapping of names; the default where none is given), and
       `info["context"]` is that context in reset and every step, under the same info keys;
    4. `simulate` is pure: it does not change its arguments and has no memory;
    5. the results of a row do not depend on the rows that it is simulated with, nor on their contexts;
    6. the same seed and context replay the same episode bit for bit, also in a fresh environment; not all episodes
       are the same;
    7. reset and step give, bit for bit, what batched `simulate` and `observations` give (`offctx.envs.rollout.play`);
    8. `derivatives`, where there are any, agree with central differences;
    9. every context coordinate changes some transition, reward, termination or start; a continuous one does so in every value
       of the discrete coordinates (a sample of combinations where there are many), and neighbouring values of these differ;
    10. coordinates change what the space declares, and nothing else: the dynamics, the reward, the observation
        (`offctx.contexts.kinds`);
    11. contexts do something in every mode: beyond the bounds under `extrapolate`, in `derivatives` of one row, in `expand`;
    12. contexts of wrong size, with an unknown name, not finite, out of bounds, with a value that a discrete coordinate does
        not take, or against a constraint are refused with ContextError; `extrapolate` admits one that is only out of bounds;
    13. actions that are NaN, of the wrong shape or that do not exist are refused with PolicyError; Box actions are clipped.

    Args:
        factory: a Gymnasium id, or a function that makes the environment; a time limit around it is ignored.
        seed: of all random draws.
        transitions: about how many random transitions to test.

    Returns:
        What each coordinate changes, measured on these transitions, such as ("dynamics", "reward"): what to declare as `kinds`
        of the context space where it declares nothing.

    Raises:
        AssertionError: a property does not hold; the message says what was expected and what was found.

    Example::

        def test_my_environment() -> None:
            check_contextual_env(MyEnv)
    """
    case = Case.of(factory, seed, transitions)
    for check in _CHECKS:
        try:
            check(case)
        except AssertionError:
            raise
        except Exception as error:  # whatever the environment raises
            raise AssertionError(_failure(case, check.__doc__ or "", error)) from error
    return {name: counts.kinds for name, counts in kind_counts(case).items()}


def _failure(case: Case, tested: str, error: Exception) -> str:
    """What went wrong in a test, as a sentence: an error of offctx is one already."""
    try:
        name = case.name
    except Exception:  # it cannot even be made
        name = case.factory if isinstance(case.factory, str) else getattr(case.factory, "__name__", "the factory")
    if isinstance(error, OffctxError):
        return str(error) if name in str(error) else f"{name}: {error}"
    return f"{name} raises {type(error).__name__}: {error}. Tested was: {tested.strip().splitlines()[0]}"

"""The contract of a contextual environment, as a test that whoever writes one runs on it: `check_contextual_env`.

Dimensions: N rows, E episodes, s state, o observation, p context, z noise coordinates.
"""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env

from offctx.contexts.space import Contexts, ContextSpace
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.differentiable import DifferentiableEnv
from offctx.envs.resolve import ResolvedEnv
from offctx.envs.rollout import TimeStep, episode_seeds, play
from offctx.errors import ContextError, OffctxError, PolicyError

__all__ = ["check_contextual_env"]

_STEPS = 8  # of each random episode
_OUTCOME = ("next states", "rewards", "terminations")
_EPISODE = ("observations", "rewards", "terminations")


def check_contextual_env(
    factory: str | Callable[[], gymnasium.Env[Any, Any]], *, seed: int = 0, transitions: int = 256
) -> None:
    """Hold an environment family to what collection, augmentation and evaluation rely on.

    In this order, on random episodes in random valid contexts (near the default where bounds are infinite):

    1. observations are a 1-D Box of floats, actions a 1-D Box of floats or Discrete, and Gymnasium's `check_env` passes;
    2. reset puts the asked context in force (array or mapping of names; the default where none is asked), and
       `info["context"]` says so in reset and every step, under the same info keys;
    3. `simulate` is pure: it leaves its arguments alone and has no memory;
    4. a row's results do not depend on the rows that it is simulated with;
    5. the same seed and context replay the same episode bit for bit, also in a fresh environment; not all episodes
       are the same;
    6. reset and step give, bit for bit, what batched `simulate` and `observations` give (`offctx.envs.rollout.play`);
    7. `derivatives`, where there are any, agree with central differences;
    8. every context coordinate changes some transition, reward, termination or start;
    9. contexts of wrong size, with an unknown name, not finite, out of bounds or against a constraint are refused with
       ContextError; `extrapolate` admits one that is only out of bounds;
    10. actions that are NaN, of the wrong shape or not there are refused with PolicyError; Box actions are clipped.

    Args:
        factory: a Gymnasium id, or a function that makes the environment; a time limit around it is not looked at.
        seed: of all that is drawn.
        transitions: about how many random transitions to look at.

    Raises:
        AssertionError: what was expected, and what was found.
    """
    case = _Case(factory, seed, max(transitions // _STEPS, 4))
    checks = (_spaces, _contexts_in_force, _pure, _rows_apart, _replay, _played_as_stepped, _derivatives)
    for check in (*checks, _coordinates_matter, _bad_contexts_refused, _bad_actions_refused):
        try:
            check(case)
        except OffctxError as error:
            raise AssertionError(f"{case.name}: expected no error here; found {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class _Case:
    """An environment under test, and the random episodes that it is tested on, played when first needed."""

    factory: str | Callable[[], gymnasium.Env[Any, Any]]
    seed: int
    episodes: int

    def make(self) -> ContextualEnv:
        env = gymnasium.make(self.factory) if isinstance(self.factory, str) else self.factory()
        found = env.unwrapped if isinstance(env, gymnasium.Env) else env
        assert isinstance(found, ContextualEnv), f"expected an offctx.envs.ContextualEnv; found {type(found).__name__}"
        return found

    @cached_property
    def env(self) -> ContextualEnv:
        return self.make()

    @property
    def name(self) -> str:
        return type(self.env).__name__

    @cached_property
    def contexts(self) -> Contexts:
        return _draw_contexts(self.env.context_space, np.random.default_rng(self.seed), self.episodes)

    @cached_property
    def seeds(self) -> Array:
        return episode_seeds(self.seed, self.episodes)

    @cached_property
    def steps(self) -> list[TimeStep]:
        space = copy.deepcopy(self.env.action_space)
        space.seed(self.seed)
        task = ResolvedEnv(self.env, _STEPS, self.name, None)

        def act(observations: Array, contexts: Contexts, rng: np.random.Generator) -> Array:
            return self.env.admit_actions(np.stack([space.sample() for _ in observations]), len(observations))

        nobody = np.random.default_rng(0)
        return list(play(task, self.contexts, self.seeds, [act], np.zeros(self.episodes, int), nobody))

    @cached_property
    def rows(self) -> tuple[Array, ...]:
        """The arguments of `simulate`, N transitions: states, actions, contexts, noise (N, 0 where there is none)."""
        parts = [(step.states, step.actions, self.contexts[step.rows], step.noise) for step in self.steps]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def simulate(self, rows: tuple[Array, ...] | None = None, env: ContextualEnv | None = None) -> tuple[Array, ...]:
        rows = tuple(array.copy() for array in (self.rows if rows is None else rows))
        return (env or self.env).simulate(rows[0], rows[1], rows[2], rows[3])


# --- the properties, in the order of the docstring above -----------------------------------------------------------------


def _spaces(case: _Case) -> None:
    env = case.env
    assert isinstance(env.context_space, ContextSpace), f"expected a ContextSpace; found {env.context_space!r}"
    seen, acts = env.observation_space, env.action_space
    assert _float_vector(seen), f"expected a 1-D Box of a float type as observation_space; found {seen}"
    good = isinstance(acts, spaces.Discrete) or _float_vector(acts)
    assert good, f"expected a 1-D Box of a float type, or Discrete, as action_space; found {acts}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check_env(env, skip_render_check=True)
        except (AssertionError, gymnasium.error.Error, AttributeError, TypeError, ValueError) as error:
            raise AssertionError(f"{case.name}: expected Gymnasium's check_env to pass; it says: {error}") from error


def _contexts_in_force(case: _Case) -> None:
    env, space = case.env, case.env.context_space
    named = dict(zip(space.names, case.contexts[0].tolist(), strict=True))
    asked: list[tuple[Any, Contexts]] = [(context, context) for context in case.contexts[:4]]
    for wish, context in [*asked, (named, case.contexts[0]), ({}, space.default), (None, space.default)]:
        _, info = env.reset(seed=case.seed, options=None if wish is None else {"context": wish})
        _holds_context(env, info, context, f"reset(options={{'context': {wish}}})" if wish is not None else "reset()")
        keys = set(info)
        for _ in range(_STEPS):
            _, _, terminated, _, info = env.step(case.steps[0].actions[0])
            assert set(info) == keys, f"expected the info keys of reset in every step, {sorted(keys)}; found {sorted(info)}"
            _holds_context(env, info, context, "step")
            if terminated:
                break


def _pure(case: _Case) -> None:
    rows = tuple(array.copy() for array in case.rows)
    expected = case.env.simulate(rows[0], rows[1], rows[2], rows[3])
    n = len(rows[0])
    assert [np.shape(part) for part in expected] == [rows[0].shape, (n,), (n,)] and expected[2].dtype == bool, (
        f"expected simulate to return next states {rows[0].shape}, rewards ({n},) and boolean terminations ({n},); "
        f"found {[(np.shape(part), np.asarray(part).dtype) for part in expected]}"
    )
    _same(case.rows, rows, ("states", "actions", "contexts", "noise"), "simulate must not change its arguments")
    case.env.reset(seed=case.seed, options={"context": case.contexts[-1]})
    for env in (case.env, case.make()):
        _same(expected, case.simulate(env=env), _OUTCOME, "simulate called again must not remember anything")


def _rows_apart(case: _Case) -> None:
    expected, n = case.simulate(), len(case.rows[0])
    order = np.random.default_rng(case.seed).permutation(n)
    for size in (1, 3, n // 2 or 1, n):
        parts = [case.simulate(tuple(a[order[b : b + size]] for a in case.rows)) for b in range(0, n, size)]
        found = [np.concatenate(part) for part in zip(*parts, strict=True)]
        where = f"a row must not depend on the rows it is simulated with: {n} at once against {size} in another order"
        _same([part[order] for part in expected], found, _OUTCOME, where)


def _replay(case: _Case) -> None:
    actions = [step.actions[0] for step in case.steps]
    pairs = list(zip(case.seeds, case.contexts, strict=True))[:8]
    first = [_episode(case.env, int(seed), context, actions) for seed, context in pairs]
    for env in (case.env, case.make()):
        for (seed, context), expected in zip(pairs, first, strict=True):
            where = f"seed {seed} and context {env.context_space.describe(context)} played again"
            _same(expected, _episode(env, int(seed), context, actions), _EPISODE, where)
    distinct = {tuple(array.tobytes() for array in episode) for episode in first}
    assert len(distinct) > 1, f"expected episodes of {len(first)} seeds and contexts to differ; found all the same"


def _played_as_stepped(case: _Case) -> None:
    env, space = case.make(), cast(spaces.Box, case.env.observation_space)
    names = ("next states", "next observations", "rewards", "terminations", *(["noise"] if env.noise_size else []))
    for e, (seed, context) in enumerate(zip(case.seeds, case.contexts, strict=True)):
        observation, info = env.reset(seed=int(seed), options={"context": context})
        for step in (step for step in case.steps if e in step.rows):
            i = int(np.flatnonzero(step.rows == e)[0])
            assert "state" in info and (not env.noise_size or "noise" in info), (
                f"expected info to hold the simulator's 'state', and 'noise' where noise_size > 0; found {sorted(info)}"
            )
            where = f"episode {e}, step {step.t}: batched simulation against reset and step"
            _same((info["state"], observation), (step.states[i], step.observations[i]), ("states", "observations"), where)
            assert space.contains(observation), f"expected observations in {space}; found {observation!r}"
            observation, reward, terminated, _, info = env.step(step.actions[i])
            found = (step.next_states[i], step.next_observations[i], step.rewards[i], step.terminations[i], step.noise[i])
            stepped = (info["state"], observation, np.float64(reward), terminated, info.get("noise"))
            _same(stepped[: len(names)], found[: len(names)], names, where)


def _derivatives(case: _Case) -> None:
    """Central differences with two steps: how far these differ says how far they can be trusted.

    Rows whose derivative the environment itself calls inexact are left out, as long as they are the lesser part.
    """
    env, (states, actions, contexts, noise) = case.env, case.rows
    if not env.has_derivatives:
        return
    n, p, tensors = len(states), contexts.shape[1], isinstance(env, DifferentiableEnv)
    shapes = [(n, *cast(spaces.Box, env.observation_space).shape, p), (n, p)]
    given = env.derivatives(*(array.copy() for array in case.rows))
    found = [np.shape(part) for part in given]
    assert found == shapes, f"expected derivatives of shapes {shapes}; found {found}"
    *again, error = env.derivatives_with_error(*(array.copy() for array in case.rows))
    _same(given, again, ("observations", "rewards"), "derivatives against derivatives_with_error")
    trusted = np.ones(n, dtype=bool) if error is None else error <= (env.derivative_tolerance or 0)
    assert trusted.mean() > 0.5, f"expected exact derivatives in most rows; the environment flags {(~trusted).sum()} of {n}"
    precise = env.dtype == torch.float64 if isinstance(env, DifferentiableEnv) else env.observation_space.dtype == np.float64
    eps = float(np.finfo(np.float64 if precise else np.float32).eps)
    for k, name in enumerate(env.context_space.names):
        if name in env.context_space.discrete:
            assert not (given[0][..., k].any() or given[1][:, k].any()), f"expected no derivative along the discrete {name!r}"
            continue

        def outcome(by: float, k: int = k) -> Array:
            """Next observations, not rounded where that can be, and rewards: (N, o + 1)."""
            after, rewards, _ = env.simulate(states.copy(), actions.copy(), contexts + by * np.eye(p)[k], noise.copy())
            seen = cast(Any, env).observe(torch.as_tensor(after)).numpy() if tensors else env.observations(after)
            return np.concatenate([seen, rewards[:, None]], axis=1, dtype=np.float64)

        h = float(np.cbrt(eps) * _widths(env.context_space)[k])
        wide, narrow = [(outcome(d) - outcome(-d)) / (2 * d) for d in (h, h / 2)]
        derivative = np.concatenate([given[0][..., k], given[1][:, k, None]], axis=1)
        ends = [env.context_space.valid(contexts + d * np.eye(p)[k], extrapolate=True) for d in (-h, h)]
        inside = (ends[0] & ends[1] if (ends[0] & ends[1]).any() else np.ones(n, dtype=bool)) & trusted
        rounding = 20 * eps * (1 + np.abs(states).max() + np.abs(outcome(0)).max(axis=0)) / h
        allowed = 2 * np.cbrt(eps) * np.abs(narrow[inside]).max(axis=0) + 4 * np.abs(wide - narrow) + rounding
        bad = ~(np.abs(derivative - narrow) <= allowed) & inside[:, None]
        row, column = np.argwhere(bad)[0] if bad.any() else (0, 0)
        what = "reward" if column == bad.shape[1] - 1 else f"next observation {column}"
        assert not bad.any(), (
            f"expected the derivative of the {what} along context coordinate {name!r} to be {narrow[row, column]} by "
            f"central differences, at state {states[row]}, action {actions[row]}, context "
            f"{env.context_space.describe(contexts[row])}; found {derivative[row, column]} ({bad.sum()} numbers of {n} rows)"
        )


def _coordinates_matter(case: _Case) -> None:
    env, space, rows = case.env, case.env.context_space, case.rows
    others = np.roll(_draw_contexts(space, np.random.default_rng(case.seed + 1), len(rows[0])), 1, axis=0)

    def outcome(contexts: Contexts, of_episodes: Contexts) -> list[Array]:
        generators = [np.random.default_rng(int(seed)) for seed in case.seeds]
        starts = [env.start(g, context) for g, context in zip(generators, of_episodes, strict=True)]
        return [*case.simulate((rows[0], rows[1], contexts, rows[3])), np.stack(starts)]

    for k, name in enumerate(space.names):

        def moved(contexts: Contexts, k: int = k) -> Contexts:
            """The contexts with another value of coordinate k, in bounds where that is possible."""
            other = contexts.copy()
            other[:, k] = others[: len(contexts), k]
            good = space.valid(other) & (other[:, k] != contexts[:, k])
            fallback = contexts if good.any() else contexts + np.eye(space.size)[k] * _widths(space)[k] / 1000
            return np.where(good[:, None], other, fallback)

        pairs = zip(outcome(rows[2], case.contexts), outcome(moved(rows[2]), moved(case.contexts)), strict=True)
        assert any((np.isfinite(after) & (before != after)).any() for before, after in pairs), (
            f"expected context coordinate {name!r} to change some next state, reward, termination or start; found "
            f"none changed in {len(rows[0])} random transitions and {len(case.seeds)} starts"
        )


def _bad_contexts_refused(case: _Case) -> None:
    env, space = case.env, case.env.context_space
    spoiled = space.default.copy()
    spoiled[-1] = np.nan
    unknown = {"_".join([*space.names, "unknown"]): 0.0}
    sized = [np.append(space.default, 0.0), space.default[:-1]]
    against = _against_constraints(space, np.random.default_rng(case.seed))
    always = [*((row, "wrong size") for row in sized), (spoiled, "NaN"), (np.full(space.size, np.inf), "infinite")]
    for context, why in [*always, (unknown, "unknown name"), *((row, "against a constraint") for row in against)]:
        _refused(case, {"context": context}, why)
        _refused(case, {"context": context, "extrapolate": True}, why)
    for k in range(space.size):
        for bound, sign in ((space.low[k], -1.0), (space.high[k], 1.0)):
            outside = space.default.copy()
            outside[k] = bound + sign * _widths(space)[k] / 10
            if not np.isfinite(bound):
                continue
            _refused(case, {"context": outside}, f"{space.names[k]} out of bounds")
            if space.valid(outside[None], extrapolate=True)[0]:
                _, info = env.reset(seed=case.seed, options={"context": outside, "extrapolate": True})
                _holds_context(env, info, outside, f"reset to {outside} with extrapolate=True")


def _bad_actions_refused(case: _Case) -> None:
    env, space = case.env, case.env.action_space
    if isinstance(space, spaces.Discrete):
        bad: list[Any] = [space.start + space.n, space.start - 1, np.array([space.start, space.start])]
    else:
        assert isinstance(space, spaces.Box)
        bad = [np.full(space.shape, np.nan), np.zeros(space.shape[0] + 1)]
        for edge, sign in ((space.low, -1), (space.high, 1)):
            inside = np.where(np.isfinite(edge), edge, 0).astype(space.dtype)
            beyond = np.where(np.isfinite(edge), edge + sign, 0).astype(space.dtype)
            expected, found = [_episode(env, case.seed, case.contexts[0], [action]) for action in (inside, beyond)]
            _same(expected, found, _EPISODE, f"action {beyond} must be clipped to {inside}")
    for action in bad:
        env.reset(seed=case.seed, options={"context": case.contexts[0]})
        try:
            env.step(action)
        except PolicyError:
            continue
        raise AssertionError(f"expected action {action!r} of {space} to be refused with PolicyError; found it accepted")


# --- shared parts --------------------------------------------------------------------------------------------------------


def _float_vector(space: Any) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) == 1 and np.dtype(space.dtype).kind == "f"


def _widths(space: ContextSpace) -> Contexts:
    """The width of the bounds of each coordinate (p,); half-widths of the space where the bounds are not finite."""
    return np.where(np.isfinite(space.high - space.low), 2, 1) * space.half_widths()


def _draw_contexts(space: ContextSpace, rng: np.random.Generator, n: int) -> Contexts:
    """n valid contexts a little inside the bounds; near the default where there are none; known ones as a last resort."""
    finite = np.isfinite(space.high - space.low)
    width, reach = np.where(finite, space.high - space.low, 0), _widths(space) / 10
    low = np.where(finite, space.low + width / 20, space.default - reach)
    high = np.where(finite, space.high - width / 20, space.default + reach)
    rows = rng.uniform(low, high, size=(100 * n, space.size))
    rows = rows[space.valid(rows)]
    known = np.concatenate([space.default[None], *space.splits.values()])
    return np.concatenate([rows, np.tile(known, (n, 1))])[:n]


def _against_constraints(space: ContextSpace, rng: np.random.Generator) -> Contexts:
    """Up to three contexts that break only a constraint, if any are found."""
    far = np.where(np.isfinite(space.low), space.low, -1e3), np.where(np.isfinite(space.high), space.high, 1e3)
    rows = rng.uniform(*far, size=(10_000 if space.constraints else 0, space.size))
    return rows[~space.valid(rows)][:3]


def _holds_context(env: ContextualEnv, info: dict[str, Any], context: Contexts, where: str) -> None:
    for what, found in (("env.context", env.context), ('info["context"]', info.get("context"))):
        good = found is not None and np.array_equal(found, context)
        assert good, f"{where}: expected {what} to be {context}; found {found}"


def _episode(env: ContextualEnv, seed: int, context: Contexts, actions: list[Array]) -> tuple[Array, ...]:
    """What happens under the given actions: observations (T + 1, o), rewards (T,), terminations (T,)."""
    observations = [env.reset(seed=seed, options={"context": context})[0]]
    rewards, ends = np.zeros(0), np.zeros(0, dtype=bool)
    for action in actions:
        observation, reward, terminated, _, _ = env.step(action)
        observations, rewards, ends = [*observations, observation], np.append(rewards, reward), np.append(ends, terminated)
        if terminated:
            break
    return np.stack(observations), rewards, ends


def _refused(case: _Case, options: dict[str, Any], why: str) -> None:
    try:
        case.env.reset(seed=case.seed, options=options)
    except ContextError:
        return
    raise AssertionError(f"expected reset(options={options}) to be refused with ContextError ({why}); found it accepted")


def _same(expected: Any, found: Any, names: Any, where: str) -> None:
    """Equal bit for bit, array by array."""
    for name, a, b in zip(names, map(np.asarray, expected), map(np.asarray, found), strict=True):
        if a.tobytes() != b.tobytes() or a.shape != b.shape:
            row = int(np.argmax((a != b).reshape(len(a), -1).any(axis=1))) if a.shape == b.shape and a.ndim else ()
            raise AssertionError(f"{where}: expected {name} {a[row]}, found {b[row] if a.shape == b.shape else b.shape}")

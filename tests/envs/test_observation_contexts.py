"""What is seen changes with the context: by the formula, bit for bit where nothing changes, and the same for every batch."""

import copy
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.utils.seeding import np_random
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.contexts.space import ContextSpace
from offctx.envs import ContextualEnv, DifferentiableEnv, MujocoPhysics
from offctx.envs.policies import make_actor
from offctx.envs.resolve import resolve
from offctx.envs.rollout import episode_seeds, play
from offctx.envs.testing import check_contextual_env
from offctx.errors import ContextError, DerivativeError, EnvError

PENDULUM = "offctx/PendulumGoal-v0"
ALL: dict[str, Any] = {"noise": (0, 0.5), "gain": (0.5, 2), "bias": (-1, 1), "delay": (0, 3), "distractors": 2}


def pendulum(**arguments: Any) -> offctx.ObservationContexts:
    return offctx.ObservationContexts(PENDULUM, **arguments)


class Plain(ContextualEnv):
    """A user's family in NumPy: noise of its own, Discrete actions, float64 observations, no derivatives, an end."""

    context_space = ContextSpace(["speed"], 0.5, 2.0, [1.0], kinds="dynamics", splits={"train": [[1.0], [1.5]]})
    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(2)
    noise_size = 1

    def initial_state(self, rng: Any, context: Any) -> Any:
        return rng.uniform(-1, 1, 1)

    def simulate(self, states: Any, actions: Any, contexts: Any, noise: Any = None) -> Any:
        next_states = states + contexts * (2 * actions[:, None] - 1) + 0.1 * noise
        return next_states, -np.abs(next_states[:, 0]), np.abs(next_states[:, 0]) > 5

    def observations(self, states: Any) -> Any:
        return np.concatenate([states, states**2], axis=1)


@pytest.mark.parametrize(
    ("env", "arguments", "transitions"),
    [
        (PENDULUM, {"noise": (0, 0.5)}, 128),
        (PENDULUM, {"gain": (0.5, 2), "bias": (-1, 1), "scale": [1, 0.5, 0]}, 128),
        (PENDULUM, ALL, 128),
        (Plain, ALL, 128),
        (Plain, {"delay": (0, 2)}, 128),
        (lambda: MujocoPhysics("InvertedPendulum-v5", ["gravity"]), {"noise": (0, 0.5), "gain": (0.5, 2)}, 32),
        (lambda: offctx.ObservationContexts(Plain, noise=(0, 1)), {"bias": (-1, 1), "delay": (0, 1)}, 128),
    ],
    ids=["noise", "gain and bias", "all", "user's", "user's, delayed", "mujoco", "nested"],
)
def test_it_keeps_the_contract(env: Any, arguments: Any, transitions: int) -> None:
    measured = check_contextual_env(lambda: offctx.ObservationContexts(env, **arguments), transitions=transitions)
    ours = [kinds for name, kinds in measured.items() if name.startswith("observation_")]
    assert ours and set(ours) == {("observation",)}


def test_at_the_default_context_it_shows_what_the_environment_inside_shows() -> None:
    inner, outer = gymnasium.make(PENDULUM).unwrapped, pendulum(**ALL)
    inside, info = inner.reset(seed=3)
    seen, outer_info = outer.reset(seed=3)
    for t in range(20):
        assert seen[:3].tobytes() == inside.tobytes() and seen.shape == (5,)
        assert np.array_equal(outer.latent_states(outer_info["state"][None])[0], info["state"])
        action = np.array([np.sin(t)], np.float32)
        inside, reward, *_, info = inner.step(action)
        seen, outer_reward, *_, outer_info = outer.step(action)
        assert outer_reward == reward


def inside_and_seen(env: offctx.ObservationContexts, context: Any, steps: int = 12) -> tuple[Any, Any, Any]:
    """What the family shows inside (T + 1, o), what is seen (T + 1, o + n), and the noise (T, z) of an episode."""
    seen, info = env.reset(seed=5, options={"context": context})
    rows = [(env.inner.observations(info["state"][None, : -env.sensor.memory])[0], seen)]
    noise = []
    for t in range(steps):
        seen, *_, info = env.step(np.array([np.cos(t)]))
        rows.append((env.inner.observations(info["state"][None, : -env.sensor.memory])[0], seen))
        noise.append(info.get("noise", np.zeros(0)))
    return *map(np.array, zip(*rows, strict=True)), np.array(noise)


def test_the_formula() -> None:
    scale = np.array([1.0, 0.5, 2.0])
    env = pendulum(noise=(0, 0.5), gain=(0.5, 2), bias=(-1, 1), delay=(0, 3), scale=scale)
    values = {"observation_noise": 0.2, "observation_gain": 1.5, "observation_bias": -0.3, "observation_delay": 2}
    inside, seen, noise = inside_and_seen(env, values)
    delayed = np.concatenate([inside[:1], inside[:1], inside[:-2]]).astype(np.float64)
    expected = 1.5 * delayed - 0.3 * scale
    np.testing.assert_allclose(seen[1:], expected[1:] + 0.2 * scale * noise, rtol=1e-6)
    assert 0 < np.abs(seen[0] - expected[0]).max() < 0.2 * 2 * 5  # the first observation is noisy too


def test_the_longest_delay_shows_the_start_until_it_has_passed() -> None:
    inside, seen, _ = inside_and_seen(pendulum(delay=(0, 4)), {"observation_delay": 4})
    assert np.array_equal(seen[:5], np.repeat(inside[:1], 5, axis=0)) and np.array_equal(seen[5:], inside[1:-4])


def test_distractors_are_correlated_in_time_of_variance_one_and_the_same_in_every_context() -> None:
    env = pendulum(distractors=64, gain=(0.5, 2))
    _, seen, _ = inside_and_seen(env, {}, steps=400)
    _, other, _ = inside_and_seen(env, {"observation_gain": 2, "g": 1}, steps=400)
    w = seen[:, 3:].astype(np.float64)
    assert abs(w.var() - 1) < 0.05 and abs((w[1:] * w[:-1]).mean() / w.var() - 0.9) < 0.02
    assert np.array_equal(other[:, 3:], seen[:, 3:])


def test_observations_that_nothing_changes_keep_their_bounds() -> None:
    inner = gymnasium.make(PENDULUM).observation_space
    assert pendulum(delay=(0, 2)).observation_space == inner
    more = pendulum(delay=(0, 2), distractors=1).observation_space
    assert np.array_equal(more.low, [*inner.low, -np.inf]) and more.dtype == np.float32
    assert np.isinf(pendulum(noise=(0, 1)).observation_space.high).all()


def test_the_context_space_has_the_coordinates_of_both() -> None:
    space = pendulum(**ALL).context_space
    assert space.names == ("g", "m", "l", "tau", *(f"observation_{name}" for name in ("noise", "gain", "bias", "delay")))
    assert space.default[4:].tolist() == [0, 1, 0, 0] and space.discrete == ("observation_delay",)
    assert space.kinds["observation_gain"] == ("observation",) and space.kinds["tau"] == ("reward",)
    assert not space.valid([[2, 1, 1, 0, 0, 1, 0, 4]], extrapolate=True)[0], "its memory holds three observations"
    assert {"train", "sweep_tau", "sweep_observation_gain"} <= set(space.splits)


def test_the_splits_of_the_family_inside_are_kept() -> None:
    splits = offctx.ObservationContexts(Plain, noise=(0, 1)).context_space.splits
    assert splits["train"].tolist() == [[1, 0], [1.5, 0]] and len(splits["sweep_observation_noise"]) == 9


def test_rotated_thrusters_has_a_gain_of_its_own() -> None:
    env = offctx.ObservationContexts("offctx/RotatedThrusters-v0", gain=(0.5, 2))
    assert env.context_space.names == ("theta", "gain", "wind_x", "wind_y", "observation_gain")


def test_derivatives_along_the_sensor_are_exact() -> None:
    scale = np.array([1.0, 0.5, 2.0])
    env = pendulum(noise=(0, 0.5), gain=(0.5, 2), bias=(-1, 1), distractors=1, scale=scale)
    rng = np.random.default_rng(0)
    contexts = np.tile([2, 1, 1, 0.5, 0.3, 1.5, 0.2], (6, 1))
    states = np.stack([env.start(rng, context) for context in contexts])
    actions, noise = rng.uniform(-2, 2, (6, 1)), rng.standard_normal((6, 4))
    dnext, dreward = env.derivatives(states, actions, contexts, noise)
    next_states = env.inner.simulate(states[:, :2], actions, contexts[:, :4])[0]
    inner, inner_reward = env.inner.derivatives(states[:, :2], actions, contexts[:, :4])
    assert np.array_equal(dnext[:, :3, :4], 1.5 * inner) and np.array_equal(dreward[:, :4], inner_reward)
    assert np.array_equal(dnext[:, :3, 4], scale * noise[:, :3])
    assert np.array_equal(dnext[:, :3, 5], env.inner.observations(next_states).astype(float))
    assert np.array_equal(dnext[:, :3, 6], np.tile(scale, (6, 1)))
    assert not dnext[:, 3].any() and not dreward[:, 4:].any()


def test_the_time_limit_of_the_environment_inside_is_kept() -> None:
    env = offctx.ObservationContexts(lambda: TimeLimit(Plain(), 3), noise=(0, 1))
    assert resolve(env).horizon == 3 and resolve(TimeLimit(env, 2)).horizon == 2
    env.reset(seed=0)
    assert [env.step(0)[3] for _ in range(3)] == [False, False, True]
    env.reset(seed=0)
    assert not env.step(1)[3]
    with pytest.raises(EnvError, match="has no time limit"):
        resolve(offctx.ObservationContexts(Plain, noise=(0, 1)))


def test_gymnasium_makes_it_by_an_id_and_by_its_spec() -> None:
    gymnasium.register(
        "testing/NoisyPendulum-v0", "offctx.envs:ObservationContexts", max_episode_steps=50,
        kwargs={"env": PENDULUM, "noise": (0, 0.5)},
    )  # fmt: skip
    try:
        resolved = resolve("testing/NoisyPendulum-v0")
        assert resolved.horizon == 50 and resolved.registered
    finally:
        del gymnasium.registry["testing/NoisyPendulum-v0"]
    for env in (pendulum(**ALL), offctx.ObservationContexts(gymnasium.make(PENDULUM), **ALL)):
        spec = gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json())
        again = gymnasium.make(spec).unwrapped
        assert again.context_space.to_dict() == env.context_space.to_dict() and resolve(env).horizon == 200
        assert again.reset(seed=1)[0].tobytes() == env.reset(seed=1)[0].tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "changes nothing: give a range"),
        ({"noise": 0.5}, r"noise must be a range \(low, high\) of two numbers; found 0.5"),
        ({"noise": (0, 0.5, 1)}, "noise must be a range"),
        ({"gain": ("low", "high")}, "gain must be a range"),
        ({"noise": (0.1, 0.5)}, r"finite range .* that holds 0, where nothing changes; found \(0.1, 0.5\)"),
        ({"gain": (2, 3)}, "gain must be a finite range .* that holds 1"),
        ({"bias": (0, np.inf)}, "bias must be a finite range"),
        ({"noise": (-1, 1)}, "noise must be at least 0"),
        ({"delay": (0, 1.5)}, "delay must be a range of whole steps"),
        ({"delay": (0, 0)}, "low < high"),
        ({"delay": (0, 1e9)}, "delay must be at most 1,000 steps"),
        ({"distractors": 10**9}, "distractors must be at most 10,000"),
        ({"distractors": -1}, "distractors must be a whole number"),
        ({"distractors": 1.5}, "distractors must be a whole number"),
        ({"noise": (0, 1), "scale": [1, 2]}, "scale must be 3 numbers"),
        ({"noise": (0, 1), "scale": -1}, "scale must be finite and at least 0"),
        ({"noise": (0, 1), "scale": 0}, "not 0 everywhere"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises((ContextError, EnvError), match=message):
        pendulum(**arguments)


def test_environments_that_it_cannot_wrap_are_refused() -> None:
    with pytest.raises(EnvError, match=r"expected the id or factory of an offctx\.envs\.ContextualEnv; found CartPole"):
        offctx.ObservationContexts("CartPole-v1", noise=(0, 1))
    with pytest.raises(ContextError, match="observation_noise"):
        offctx.ObservationContexts(pendulum(noise=(0, 1)), noise=(0, 1))
    with pytest.raises(EnvError, match="TransformReward would be left out"):
        offctx.ObservationContexts(gymnasium.wrappers.TransformReward(gymnasium.make(PENDULUM), lambda r: -r), noise=(0, 1))


def test_a_step_without_its_noise_is_refused() -> None:
    env = pendulum(noise=(0, 1))
    state = env.start(np.random.default_rng(0), env.context_space.default)[None]
    with pytest.raises(EnvError, match=r"expected noise \(1, 3\)"):
        env.simulate(state, np.zeros((1, 1)), env.context_space.default[None])


def test_what_has_no_derivatives_says_why() -> None:
    with pytest.raises(EnvError, match="because with a delay the next observation shows the past"):
        pendulum(delay=(0, 1)).derivatives(np.zeros((1, 8)), np.zeros((1, 1)), np.zeros((1, 5)))
    with pytest.raises(DerivativeError, match="because Plain has no context derivatives"):
        offctx.envs.LabelTransitions(TimeLimit(offctx.ObservationContexts(Plain, gain=(0.5, 2)), 5))
    with pytest.raises(EnvError, match="does not determine the state inside: infos/state is needed"):
        pendulum(gain=(0.5, 2)).states_from_observations(np.zeros((1, 3)))


def test_equations_in_torch_keep_their_kinds_behind_the_sensor() -> None:
    class Both(DifferentiableEnv):
        """Its coordinate changes the dynamics and, at the same next state, the reward."""

        context_space = ContextSpace(["c"], 0.5, 2.0, [1.0], kinds=[("dynamics", "reward")])
        observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)
        action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

        def initial_state(self, rng: Any, context: Any) -> Any:
            return torch.as_tensor(rng.uniform(-1, 1, (*context.shape[:-1], 1)))

        def transition(self, state: Any, action: Any, context: Any) -> Any:
            return state + context * action

        def reward(self, state: Any, action: Any, next_state: Any, context: Any) -> Any:
            return next_state[..., 0] * context[..., 0]

    measured = check_contextual_env(lambda: offctx.ObservationContexts(Both, bias=(-1, 1)))
    assert measured == {"c": ("dynamics", "reward"), "observation_bias": ("observation",)}


class Wanders(Plain):
    """Noise of two numbers that it draws in its own way."""

    noise_size = 2

    def simulate(self, states: Any, actions: Any, contexts: Any, noise: Any = None) -> Any:
        return super().simulate(states, actions, contexts, noise[:, :1] + noise[:, 1:])

    def draw_noise(self, rng: Any, n: int) -> Any:
        return rng.uniform(-1, 1, (n, 2))


WRAPPED: dict[str, Any] = {
    "sensor": lambda env: offctx.ObservationContexts(env, **ALL),
    "two sensors": lambda env: offctx.ObservationContexts(offctx.ObservationContexts(env, noise=(0, 1)), distractors=3),
    "actuators": lambda env: offctx.ActuatorContexts(env, ["action_factor"]),
    "sensor around actuators": lambda env: offctx.ObservationContexts(
        offctx.ActuatorContexts(offctx.ObservationContexts(env, noise=(0, 2)), ["action_factor"]), distractors=3
    ),
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("family", [Plain, Wanders, "offctx/SimpleDirectionStochastic-v0"])
def test_the_family_inside_has_the_same_path_as_by_itself(family: Any, wrap: Any) -> None:
    alone, wrapped = (
        resolve(lambda: TimeLimit(gymnasium.make(family).unwrapped if isinstance(family, str) else family(), 9)),
        (resolve(lambda: wrap(TimeLimit(gymnasium.make(family).unwrapped if isinstance(family, str) else family(), 9)))),
    )
    contexts = alone.env.context_space.sample(np.random.default_rng(0), 4)
    more = np.tile(wrapped.env.context_space.default[contexts.shape[1] :], (4, 1))
    lowest = wrapped.env.context_space.high[contexts.shape[1] :].copy()  # far from the default
    discrete = isinstance(alone.env.action_space, spaces.Discrete)

    def actor(observations: Any, contexts: Any, rng: Any) -> Any:
        return rng.integers(2, size=len(observations)) if discrete else rng.uniform(-1, 1, (len(observations), 2))

    def latent(resolved: Any, contexts: Any) -> list[Any]:
        rng, seeds = np.random.default_rng(1), episode_seeds(3, 4)
        steps = play(resolved, contexts, seeds, [make_actor(actor, resolved.env, "hidden")], np.zeros(4, int), rng)
        return [(resolved.env.latent_states(step.next_states), step.rewards, step.noise) for step in steps]

    free = "observation_noise" in wrapped.env.context_space.names and "action_factor" not in wrapped.env.context_space.names
    for added in (more, np.tile(lowest, (4, 1))) if free else (more,):
        pairs = zip(latent(alone, contexts), latent(wrapped, np.concatenate([contexts, added], axis=1)), strict=True)
        for (state, reward, noise), (outer_state, outer_reward, outer_noise) in pairs:
            np.testing.assert_array_equal(outer_state, state)
            np.testing.assert_array_equal(outer_reward, reward)
            np.testing.assert_array_equal(outer_noise[:, : noise.shape[1]], noise)


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_steps_and_batches_have_the_same_noise_and_episodes_have_others(wrap: Any) -> None:
    env, alone = wrap(Plain()), Plain()
    drawn = []
    for seed in (7, None, None, 7):  # the generator goes on after the first episode
        _, info = env.reset(seed=seed)
        _, inside = alone.reset(seed=seed)
        states, noise = [info["state"]], []
        for t in range(6):
            *_, info = env.step(t % 2)
            *_, inside = alone.step(t % 2)
            assert np.array_equal(env.latent_states(info["state"][None])[0], inside["state"])
            noise.append(info["noise"])
        drawn.append(np.concatenate([*states, *noise]))
    assert np.array_equal(drawn[0], drawn[3]) and len({row.tobytes() for row in drawn}) == 3
    generator = np_random(7)[0]
    env.start(generator, env.context_space.default)
    np.testing.assert_array_equal(env.draw_noise(generator, 6).ravel(), drawn[0][-6 * env.noise_size :])
    if env.noise_size > 1:
        long = env.draw_noise(np_random(1)[0], 4000)
        correlations = np.corrcoef(np.concatenate([long[1:], long[:-1]], axis=1), rowvar=False)
        assert np.abs(long.mean(axis=0)).max() < 0.08 and np.abs(long.std(axis=0) - 1).max() < 0.06
        assert np.abs(correlations - np.eye(len(correlations))).max() < 0.08


def test_a_copy_goes_on_with_the_same_noise() -> None:
    env = pendulum(**ALL)
    env.reset(seed=1)
    env.step(np.zeros(1))
    other = copy.deepcopy(env)
    one, two = (each.step(np.zeros(1))[4]["noise"] for each in (env, other))
    assert np.array_equal(one, two)


def test_a_generator_without_a_seed_is_refused() -> None:
    legacy = np.random.Generator(np.random.RandomState(3)._bit_generator)
    if not isinstance(legacy.bit_generator.seed_seq, np.random.SeedSequence):
        with pytest.raises(EnvError, match="needs a generator that was made of a seed"):
            pendulum(noise=(0, 1)).start(legacy, pendulum(noise=(0, 1)).context_space.default)

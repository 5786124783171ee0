"""Episodes side by side: each row plays what a plain Gymnasium loop plays, whatever the other rows do."""

import gymnasium
import numpy as np
import pytest

import offctx
from offctx.envs.parallel_episodes import EpisodePlan, ParallelEpisodes, episode_seed
from offctx.envs.resolve import resolve
from offctx.errors import ContextError, EnvError, PolicyError
from tests.conftest import RUNNER_CONTEXTS


def parallel(env_id, contexts, seed=3, rows=None):
    resolved = resolve(env_id)
    plan = EpisodePlan(resolved.env.context_space, contexts, rows, seed)
    return ParallelEpisodes(resolved, plan), plan


def random_actions(space, rng, n):
    if isinstance(space, gymnasium.spaces.Discrete):
        return rng.integers(space.n, size=n)
    return rng.uniform(-1.5, 1.5, (n, *space.shape))  # some are clipped


@pytest.mark.parametrize(
    ("env_id", "contexts"),
    [
        ("testing/Runner-v0", RUNNER_CONTEXTS),
        ("testing/Chooser-v0", [[-0.5], [0.5]]),
        ("offctx/SimpleDirectionStochastic-v0", [[0.5, 0.1], [-0.3, 1.0], [0, 0]]),
    ],
)
def test_every_row_plays_what_a_gymnasium_loop_plays(env_id, contexts):
    episodes, plan = parallel(env_id, contexts)
    envs = [gymnasium.make(env_id) for _ in contexts]
    rng, played, seen, returns = np.random.default_rng(0), [-1] * len(envs), [None] * len(envs), [0.0] * len(envs)
    for _ in range(27):
        actions = random_actions(envs[0].action_space, rng, len(envs))
        begins = episodes.begins
        step = episodes.step(actions)
        for row, env in enumerate(envs):
            if begins[row]:
                played[row] += 1
                options = {"context": plan.context(row, played[row])}
                seen[row], _ = env.reset(seed=episode_seed(3, row, played[row]), options=options)
                returns[row] = 0.0
            np.testing.assert_array_equal(step.observations[row], seen[row])
            action = np.clip(actions[row], -1, 1) if np.ndim(actions[row]) else actions[row]
            seen[row], reward, terminated, truncated, info = env.step(np.asarray(action, env.action_space.dtype))
            returns[row] += reward
            np.testing.assert_array_equal(step.next_observations[row], seen[row])
            assert (step.rewards[row], step.returns[row]) == (reward, returns[row])
            assert (step.terminations[row], step.truncations[row]) == (terminated, truncated)
            np.testing.assert_array_equal(step.contexts[row], info["context"])
    assert min(played) >= 1


def test_a_row_does_not_depend_on_the_others_and_steps_stay_as_they_were():
    many, _ = parallel("testing/Runner-v0", RUNNER_CONTEXTS)
    one, _ = parallel("testing/Runner-v0", RUNNER_CONTEXTS[:1])
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(14):
        actions = rng.uniform(-1, 1, (3, 1))
        step, alone = many.step(actions), one.step(actions[:1])
        for name, value in vars(alone).items():
            np.testing.assert_array_equal(getattr(step, name)[:1], value, err_msg=name)
        kept.append((step, {name: np.copy(value) for name, value in vars(step).items()}))
    for step, copies in kept:
        for name, value in copies.items():
            np.testing.assert_array_equal(getattr(step, name), value, err_msg=name)


def test_more_contexts_than_rows_and_more_rows_than_contexts():
    few, plan = parallel("testing/Chooser-v0", [[-0.5], [0.0], [0.5]], rows=2)
    assert [plan.context(row, k)[0] for k in range(3) for row in range(2)] == [-0.5, 0.0, 0.5, -0.5, 0.0, 0.5]
    seen = [few.contexts[:, 0].tolist()]
    for _ in range(2 * 6):
        if few.step(np.zeros(2)).ends.any():
            seen.append(few.contexts[:, 0].tolist())
            assert not few.same_context.any()
    assert seen == [[-0.5, 0.0], [0.5, -0.5], [0.0, 0.5]]
    many, _ = parallel("testing/Chooser-v0", [[-0.5]], rows=3)
    assert many.contexts[:, 0].tolist() == [-0.5] * 3 and len(np.unique(many.observations, axis=0)) == 3
    for _ in range(6):
        many.step(np.zeros(3))
    assert many.same_context.all() and many.begins.all()


def test_drawn_contexts_are_new_in_each_episode_and_the_same_again():
    space = offctx.envs.SimpleDirection.context_space

    def draw(rng):
        return space.sample(rng)

    def contexts(seed):
        episodes, _ = parallel("offctx/SimpleDirection-v0", draw, seed, rows=4)
        first = episodes.contexts
        for _ in range(10):
            episodes.step(np.zeros((4, 2)))
        return np.concatenate([first, episodes.contexts])

    assert len(np.unique(contexts(0), axis=0)) == 8
    np.testing.assert_array_equal(contexts(0), contexts(0))
    assert not np.array_equal(contexts(0), contexts(1))


def test_what_state_returns_is_all_that_the_rest_depends_on():
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (15, 3, 2))
    contexts = [[0.5, 0.1], [-0.3, 1.0], [0, 0]]
    whole, _ = parallel("offctx/SimpleDirectionStochastic-v0", contexts)
    for t in range(7):
        whole.step(actions[t])
    again, _ = parallel("offctx/SimpleDirectionStochastic-v0", contexts)
    again.restore(whole.state())
    np.testing.assert_array_equal(again.observations, whole.observations)
    for t in range(7, 15):
        step, same = whole.step(actions[t]), again.step(actions[t])
        for name, value in vars(step).items():
            np.testing.assert_array_equal(getattr(same, name), value, err_msg=name)


def test_errors_at_the_door():
    with pytest.raises(EnvError, match="give rows="):
        parallel("testing/Chooser-v0", lambda rng: [0.0])
    with pytest.raises(ContextError):
        parallel("testing/Chooser-v0", [[3.0]])
    with pytest.raises(ContextError):
        parallel("testing/Chooser-v0", lambda rng: [3.0], rows=2)
    with pytest.raises(EnvError, match="rows must be a whole number, at least 1"):
        parallel("testing/Chooser-v0", [[0.5]], rows=0)
    episodes, _ = parallel("testing/Chooser-v0", [[-0.5], [0.5]])
    with pytest.raises(PolicyError, match="expected integer actions"):
        episodes.step(np.array([0, 7]))

"""The search of feedback: each candidate plays its own rows, and a better candidate is found."""

import numpy as np

from offctx.envs.resolve import resolve
from tools.reproduce.cse.environments import BY_NAME
from tools.reproduce.feedback.search import SearchSettings, play, search

ENV = "offctx/RotatedThrusters-v0"
SWEEP = BY_NAME["RotatedThrusters"].splits()["sweep_theta"][[0, 5]]
FEW = SearchSettings(candidates=16, elites=4, rounds=6, episodes=2)


def played(gains: np.ndarray) -> np.ndarray:
    report = play(ENV, gains, SWEEP, told=False, sweep=SWEEP, episodes=3, seed=0)
    return report.returns["test"].reshape(len(gains), len(SWEEP), 3)


def test_candidates_play_apart_and_as_they_play_alone() -> None:
    gains = np.random.default_rng(0).standard_normal((3, 5, 2))
    together = played(gains)
    for candidate in range(3):
        np.testing.assert_allclose(together[candidate], played(gains[candidate : candidate + 1])[0], rtol=1e-5)
    assert len({round(float(x), 3) for x in together.mean(axis=(1, 2))}) == 3


def test_the_search_beats_doing_nothing_and_the_same_seed_gives_the_same_gains() -> None:
    gains = search(ENV, SWEEP, told=False, seed=0, settings=FEW)
    np.testing.assert_array_equal(gains, search(ENV, SWEEP, told=False, seed=0, settings=FEW))
    assert played(gains[None]).mean() > played(np.zeros((1, 5, 2))).mean()
    assert gains.shape == (resolve(ENV).env.observation_space.shape[0] + 1, 2)

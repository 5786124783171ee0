"""Do merged samples fit an MDP? Pearson's chi-square test of next states and rewards.

Dimensions: N trajectories, H horizon, S states, A actions.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from offctx.linear import LinearCMDP, Trajectories, average_mdp
from tools.reproduce.theory.records import Record

Floats = NDArray[np.float64]


def goodness_of_fit(group: str, pair: LinearCMDP, behaviour: Floats, samples: int, rng: np.random.Generator) -> list[Record]:
    """Test merged transitions and rewards of two contexts against their average MDP and against each context's own MDP.

    The context of each trajectory is drawn at random, and each trajectory gives one sample. So all samples are
    independent. Samples of the same trajectory would share its context.

    Args:
        group: of the records.
        pair: two contexts.
        behaviour: policies (2, H, S, A) of the data.
        samples: how many.
        rng: of the data.
    """
    data = pair.sample(behaviour, samples, rng, bernoulli=True)
    contexts, row = rng.integers(len(pair), size=samples), np.arange(samples)
    merged = Trajectories(data.states[contexts, row], data.actions[contexts, row], data.rewards[contexts, row])
    counts = count_one_sample_each(merged, pair.shape[2], pair.shape[3])
    average = average_mdp(pair, behaviour).mdp
    records = []
    for name, mdp in (("average MDP", average), ("first MDP", pair[:1]), ("second MDP", pair[1:])):
        expected = (mdp.transitions[0], np.stack([1 - mdp.rewards[0], mdp.rewards[0]], axis=-1))
        tests = [chi_square(c, p) for c, p in zip(counts, expected, strict=True)]
        statistic, freedom = (sum(test[k] for test in tests) for k in (0, 1))
        for label, value in (("p", p_value(statistic, freedom)), ("chi-square", statistic), ("degrees of freedom", freedom)):
            records.append(Record(f"{group}: {label}, {name}", samples, float(value)))
    return records


def count_one_sample_each(data: Trajectories, S: int, A: int) -> tuple[Floats, Floats]:
    """Count next states (H, S, A, S) and rewards 0 and 1 (H, S, A, 2); each of the N trajectories counts once."""
    H = data.actions.shape[1]
    next_states, rewards = np.zeros((H, S, A, S)), np.zeros((H, S, A, 2))
    for h in range(H):
        paid = data.rewards[:, h].astype(np.int64)
        for first, counts, outcome in ((h, next_states, data.states[:, h + 1]), (H + h, rewards, paid)):
            mine = slice(first, None, 2 * H)
            cells = np.ravel_multi_index((data.states[mine, h], data.actions[mine, h], outcome[mine]), counts.shape[1:])
            counts[h] = np.bincount(cells, minlength=counts[h].size).reshape(counts.shape[1:])
    return next_states, rewards


def chi_square(counts: Floats, probabilities: Floats) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom.

    Args:
        counts: (..., m) of m outcomes.
        probabilities: (..., m) that are tested. Rows with an expected count below 5 are left out.

    Returns:
        The statistic, infinite if an outcome was counted whose probability is 0, and the degrees of freedom.
    """
    expected = counts.sum(axis=-1, keepdims=True) * probabilities
    possible = probabilities > 0
    if ((counts > 0) & ~possible).any():
        return float("inf"), int(np.prod(counts.shape[:-1]) * (counts.shape[-1] - 1))
    used = np.where(possible, expected >= 5, True).all(axis=-1)
    terms = np.divide((counts - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    return float(terms[used].sum()), int((possible[used].sum(axis=-1) - 1).sum())


def p_value(statistic: float, freedom: float) -> float:
    """The probability that a chi-square variable with `freedom` degrees of freedom is at least `statistic`."""
    if not np.isfinite(statistic):
        return 0.0
    if freedom < 1:
        return 1.0
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))

"""Measure what the papers of the linear core claim: PERM, PPPO and PEVI (arXiv 2503.07988, 2012.15085), CEBE (2507.07348).

    python tools/reproduce.py theory                    # at most 10 minutes on two cores; writes docs/results/theory.*
    python tools/reproduce.py theory --seeds 2 --population 20 --environments 2 4 8 --out /tmp/theory

A check is a function from a seed to records (series, x, value), and a function from what all seeds measured to verdicts. To
add one, write both and list them in CHECKS. Instance, data and search all come from the seed.

Sub-optimality is max V - V(pi), V the exact mean return over a population of contexts: training contexts are drawn from it
independently, with replacement, and the maximum is `maximise` of the exact problem of the whole population.

Dimensions: n environments, K trajectories, H horizon, S states, A actions, d features, R seeds, B bootstrap replicates.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm.auto import tqdm

from offctx.evaluation.plots import PALETTE
from offctx.evaluation.statistics import Interval
from offctx.linear import PERM, LinearCMDP, Trajectories, average_mdp, beta_perm, maximise, perm, pevi, pppo
from offctx.linear.cebe import cebe_error, log_log_slope
from offctx.linear.cliff_walking import cliff_walking
from offctx.linear.problem import PPEProblem

Floats = NDArray[np.float64]
DELTA = 0.05  # failure probability of theory's beta
REPLICATES = 2000
SUBOPTIMALITY = "sub-optimality"
BASE_SLIP = 0.1  # CliffWalking's base context
PEVI_NAME, PERM_NAME, LIMIT_NAME = "PEVI, merged", "PERM", "optimum of the average MDP"


@dataclass(frozen=True)
class Sizes:
    """What is run; each field is an option on the command line."""

    seeds: int = 24
    population: int = 200
    states: int = 4
    actions: int = 3
    horizon: int = 3
    difference: float = 0.6
    dimension: int = 6
    environments: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128)
    trajectories: tuple[int, ...] = (30, 100, 300, 1000, 3000, 10000)
    fixed_environments: int = 16
    fixed_trajectories: int = 300
    many_trajectories: int = 3000
    worst_states: int = 8
    samples: int = 100_000
    beta: float = 0.1
    betas: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0)
    restarts: int = 8
    iterations: int = 40


class Record(NamedTuple):
    """One number that one seed measured; a series is "group: label"."""

    series: str
    x: float
    value: float


Measured = dict[str, dict[float, list[float]]]
"""series -> x -> one value for each seed, in the order of seeds."""


class Verdict(NamedTuple):
    """A threshold and what was measured; `met` is None where nothing is judged."""

    claim: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class Panel:
    """How one group of series is drawn."""

    group: str
    xlabel: str
    ylabel: str = SUBOPTIMALITY
    log_y: bool = True
    table_only: bool = False


@dataclass(frozen=True)
class Check:
    """One of the measured claims."""

    name: str
    title: str
    text: str
    cell: Callable[[int, Sizes], list[Record]]
    judge: Callable[[Measured, Sizes], list[Verdict]]
    panels: tuple[Panel, ...]
    seeded: bool = True


# --- instances --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Population:
    """All contexts that there are, equally likely, and the policy that is best over them."""

    cmdp: LinearCMDP
    problem: PPEProblem
    best: PERM

    def suboptimality(self, policies: NDArray[np.float64]) -> Floats:
        """Of policies (B, H, S, A): (B,)."""
        v = self.problem.evaluate(torch.tensor(policies)[:, None]).v[..., 0, :]
        returns = (v * torch.tensor(self.cmdp.initial)).sum(dim=-1).mean(dim=-1)
        return np.asarray(self.best.value - returns.numpy())

    def draw(self, n: int, rng: np.random.Generator) -> LinearCMDP:
        """Independent training contexts."""
        return self.cmdp[rng.integers(len(self.cmdp), size=n)]


def population(cmdp: LinearCMDP, seed: int, sizes: Sizes) -> Population:
    """With its optimum."""
    return Population(cmdp, cmdp.problem(), search(cmdp, seed, sizes))


def search(cmdp: LinearCMDP, seed: int, sizes: Sizes) -> PERM:
    """The best single policy of contexts that are known exactly."""
    return maximise(cmdp.problem(), cmdp.initial, seed=seed, restarts=sizes.restarts, iterations=sizes.iterations)


def learn(data: Trajectories, cmdp: LinearCMDP, beta: float, seed: int, sizes: Sizes, ridge: float = 1.0) -> PERM:
    """PERM on data of these contexts."""
    return perm(
        *data, cmdp.features, initial=cmdp.initial, beta=beta, seed=seed, ridge=ridge, restarts=sizes.restarts,
        iterations=sizes.iterations,
    )  # fmt: skip


def linear_population(rng: np.random.Generator, seed: int, sizes: Sizes) -> Population:
    """Random linear contexts that share their features and a part of everything else."""
    S, A, H = sizes.states, sizes.actions, sizes.horizon
    cmdp = LinearCMDP.random(sizes.population, S, A, sizes.dimension, H, rng, difference=sizes.difference)
    return population(cmdp, seed, sizes)


def uniform(cmdp: LinearCMDP) -> Floats:
    """The policy (H, S, A) that tries everything."""
    _, H, S, A = cmdp.shape
    return np.full((H, S, A), 1 / A)


def greedily(policy: NDArray[np.float64], noise: float) -> Floats:
    """The policy, but for a share of uniform actions."""
    return np.asarray((1 - noise) * policy + noise / policy.shape[-1])


# --- 1. merged data are those of an average MDP ------------------------------------------------------------------------

RISKY, SAFE = 0, 1
MERGED_GROUPS = ("two contexts", "random, erratic behaviour", "random, own experts")
FIT_GROUPS = ("fit, two contexts", "fit, random")


def fork(H: int) -> tuple[LinearCMDP, Floats]:
    """Two contexts and the behaviour (n, H, S, A) in each: risky is better on average, and looks bad in merged data.

    Risky pays 1 in context A, nothing in B; safe pays 0.3 in both. The behaviour takes risky with
    probability 0.1 in A, 0.9 in B.
    """
    rewards = np.full((2, H, 1, 2), 0.3)
    rewards[0, ..., RISKY], rewards[1, ..., RISKY] = 1.0, 0.0
    behaviour = np.empty_like(rewards)
    behaviour[0, ..., RISKY], behaviour[1, ..., RISKY] = 0.1, 0.9
    behaviour[..., SAFE] = 1 - behaviour[..., RISKY]
    return LinearCMDP.tabular(np.ones((*rewards.shape, 1)), rewards, initial=[1.0]), behaviour


def average_mdp_cell(seed: int, sizes: Sizes) -> list[Record]:
    """PEVI on merged and PERM on separated data as K grows, on three kinds of instance; the merged data's goodness of fit."""
    rng = np.random.default_rng([1, seed])
    two, behaviour = fork(sizes.horizon)
    records = compare_merged("two contexts", population(two, seed, sizes), two, behaviour, rng, seed, sizes)
    S, A, H = sizes.states, sizes.actions, sizes.horizon
    everyone = population(LinearCMDP.random_tabular(sizes.population, S, A, H, rng, difference=sizes.difference), seed, sizes)
    train = everyone.draw(2 * sizes.fixed_environments, rng)
    erratic = rng.dirichlet(np.full(A, 0.5), size=train.shape[:3])
    records += compare_merged("random, erratic behaviour", everyone, train, erratic, rng, seed, sizes)
    experts = greedily(train.optimal().policy, 0.3)
    records += compare_merged("random, own experts", everyone, train, experts, rng, seed, sizes)
    records += goodness_of_fit("fit, two contexts", two, behaviour, sizes.samples, rng)
    pair = LinearCMDP.random_tabular(2, S, A, H, rng, concentration=2.0)
    return records + goodness_of_fit(
        "fit, random", pair, rng.dirichlet(np.full(A, 2.0), size=pair.shape[:3]), sizes.samples, rng
    )


def compare_merged(
    group: str,
    everyone: Population,
    train: LinearCMDP,
    behaviour: Floats,
    rng: np.random.Generator,
    seed: int,
    sizes: Sizes,
) -> list[Record]:
    """Sub-optimality over the population of PEVI, of PERM and of what PEVI tends to, and the gap between the two."""
    limit = average_mdp(train, behaviour).mdp.optimal().policy[0]
    records = []
    for K in sizes.trajectories:
        data = train.sample(behaviour, K, rng, bernoulli=True)
        merged = pevi(*data, train.features, beta=sizes.beta).policy
        apart = learn(data, train, sizes.beta, seed, sizes).policy
        found = everyone.suboptimality(np.stack([merged, apart, limit]))
        records += [
            Record(f"{group}: {name}", K, float(value))
            for name, value in zip((PEVI_NAME, PERM_NAME, LIMIT_NAME), found, strict=True)
        ]
        records.append(Record(f"{group}: gap", K, float(found[0] - found[1])))
    return records


def goodness_of_fit(group: str, two: LinearCMDP, behaviour: Floats, samples: int, rng: np.random.Generator) -> list[Record]:
    """Chi-square of merged transitions and rewards against the average MDP and against each context's own.

    Each trajectory's context is drawn by chance, and each gives one sample, so that all samples are independent: a trajectory
    as a whole knows its context, and is not one of the average MDP's.
    """
    every = two.sample(behaviour, samples, rng, bernoulli=True)
    of, row = rng.integers(len(two), size=samples), np.arange(samples)
    merged = Trajectories(every.states[of, row], every.actions[of, row], every.rewards[of, row])
    counts = one_sample_each(merged, two.shape[2], two.shape[3])
    average = average_mdp(two, behaviour).mdp
    records = []
    for name, mdp in (("average MDP", average), ("first MDP", two[:1]), ("second MDP", two[1:])):
        expected = (mdp.transitions[0], np.stack([1 - mdp.rewards[0], mdp.rewards[0]], axis=-1))
        parts = [chi_square(c, p) for c, p in zip(counts, expected, strict=True)]
        statistic, freedom = (sum(part[k] for part in parts) for k in (0, 1))
        for label, value in (("p", p_value(statistic, freedom)), ("chi-square", statistic), ("degrees of freedom", freedom)):
            records.append(Record(f"{group}: {label}, {name}", samples, float(value)))
    return records


def one_sample_each(data: Trajectories, S: int, A: int) -> tuple[Floats, Floats]:
    """Counts of next states (H, S, A, S) and of rewards 0 and 1 (H, S, A, 2); each of the N trajectories counts once."""
    H = data.actions.shape[1]
    following, rewards = np.zeros((H, S, A, S)), np.zeros((H, S, A, 2))
    for h in range(H):
        paid = data.rewards[:, h].astype(np.int64)
        for first, counts, outcome in ((h, following, data.states[:, h + 1]), (H + h, rewards, paid)):
            mine = slice(first, None, 2 * H)
            cells = np.ravel_multi_index((data.states[mine, h], data.actions[mine, h], outcome[mine]), counts.shape[1:])
            counts[h] = np.bincount(cells, minlength=counts[h].size).reshape(counts.shape[1:])
    return following, rewards


def chi_square(counts: Floats, probabilities: Floats) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom, over rows (..., m) whose every expected count is at least 5."""
    expected = counts.sum(axis=-1, keepdims=True) * probabilities
    possible = probabilities > 0
    if ((counts > 0) & ~possible).any():
        return float("inf"), int(np.prod(counts.shape[:-1]) * (counts.shape[-1] - 1))
    used = np.where(possible, expected >= 5, True).all(axis=-1)
    terms = np.divide((counts - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    return float(terms[used].sum()), int((possible[used].sum(axis=-1) - 1).sum())


def p_value(statistic: float, freedom: float) -> float:
    """Chance of a chi-square at least so large."""
    if not np.isfinite(statistic):
        return 0.0
    if freedom < 1:
        return 1.0
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


def judge_average_mdp(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """The gap stays above 0 at the largest K; merged data fit the average MDP and no single one."""
    K = max(sizes.trajectories)
    verdicts = []
    for group in MERGED_GROUPS:
        gap = mean_interval(measured[f"{group}: gap"][K])
        verdicts.append(Verdict(f"{group}: PERM - merged PEVI > 0 at K = {K}", str(gap), gap.low > 0))
    for group in FIT_GROUPS:
        of = {name: next(iter(values.values())) for name, values in measured.items() if name.startswith(f"{group}: ")}
        p = np.array(of[f"{group}: p, average MDP"])
        pooled = p_value(sum(of[f"{group}: chi-square, average MDP"]), sum(of[f"{group}: degrees of freedom, average MDP"]))
        found = f"p = {pooled:.3f} over all seeds together; {(p > 0.05).sum()} of {len(p)} seeds have p > 0.05"
        claim = f"{group}: {sizes.samples} merged samples fit the average MDP (p > 0.01)"
        verdicts.append(Verdict(claim, found, pooled > 0.01))
        for name in ("first MDP", "second MDP"):
            largest = max(of[f"{group}: p, {name}"])
            claim = f"{group}: the {name} is refused in every seed (p < 1e-6)"
            verdicts.append(Verdict(claim, f"largest p = {largest:.1e}", largest < 1e-6))
    return verdicts


# --- 2. more environments ----------------------------------------------------------------------------------------------

WORST_GAP = 0.2  # times n^{-1/2}
WORST_SPREAD = 0.4
EXACTLY = "contexts known exactly"


def environments_cell(seed: int, sizes: Sizes) -> list[Record]:
    """Sub-optimality of PERM with n contexts, known exactly or by K trajectories, on random and worst-case instances."""
    rng = np.random.default_rng([2, seed])
    everyone = linear_population(rng, seed, sizes)
    records = []
    for n in sizes.environments:
        for label, policy in learned(everyone.draw(n, rng), rng, seed, sizes).items():
            records.append(Record(f"random: {label}", n, float(everyone.suboptimality(policy[None])[0])))
        for label, policy in learned(worst_case(n, sizes.horizon, sizes.worst_states, rng), rng, seed, sizes).items():
            records.append(Record(f"worst case: {label}", n, worst_case_suboptimality(policy, n)))
    return records


def learned(train: LinearCMDP, rng: np.random.Generator, seed: int, sizes: Sizes) -> dict[str, Floats]:
    """PERM's policies from contexts known exactly, by many trajectories of the uniform policy, and by fewer."""
    policies = {EXACTLY: search(train, seed, sizes).policy}
    for K in (sizes.many_trajectories, sizes.fixed_trajectories):
        data = train.sample(uniform(train), K, rng, bernoulli=True)
        policies[f"K = {K}"] = learn(data, train, sizes.beta, seed, sizes).policy
    return policies


def known(sizes: Sizes) -> tuple[str, ...]:
    """How training contexts are known: the keys of `learned`."""
    return EXACTLY, f"K = {sizes.many_trajectories}", f"K = {sizes.fixed_trajectories}"


def worst_case(n: int, H: int, S: int, rng: np.random.Generator) -> LinearCMDP:
    """n contexts drawn from the family whose gap is WORST_GAP n^{-1/2}: as hard to see, whatever n is.

    Action SAFE pays 1/2; RISKY pays 1/2 + gap + U(-spread, spread), drawn for each context, step and state. The next state is
    uniform.
    """
    rewards = np.full((n, H, S, 2), 0.5)
    rewards[..., RISKY] += WORST_GAP / np.sqrt(n) + rng.uniform(-WORST_SPREAD, WORST_SPREAD, size=(n, H, S))
    return LinearCMDP.tabular(np.full((*rewards.shape, S), 1 / S), rewards.clip(0, 1), np.full(S, 1 / S))


def worst_case_suboptimality(policy: Floats, n: int) -> float:
    """Exact, over all contexts of the family: the gap wherever the policy (H, S, A) is safe."""
    return float(WORST_GAP / np.sqrt(n) * policy[..., SAFE].mean(axis=1).sum())


def judge_environments(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """Slopes in n."""
    verdicts = []
    for label in known(sizes):
        at = slope_interval(measured[f"random: {label}"])
        verdicts.append(Verdict(f"random instances, {label}: slope <= -0.4", str(at), at.high <= -0.4))
    for label in known(sizes):
        at = slope_interval(measured[f"worst case: {label}"])
        claim = f"worst-case family, {label}: slope -1/2, give or take 0.1"
        verdicts.append(Verdict(claim, str(at), at.low >= -0.6 and at.high <= -0.4))
    return verdicts


# --- 3. more trajectories ----------------------------------------------------------------------------------------------


def trajectories_cell(seed: int, sizes: Sizes) -> list[Record]:
    """RL error on the training contexts, and sub-optimality over all contexts beside the floor that n leaves."""
    rng = np.random.default_rng([3, seed])
    everyone = linear_population(rng, seed, sizes)
    train = everyone.draw(sizes.fixed_environments, rng)
    trained = Population(train, train.problem(), search(train, seed, sizes))
    floor = float(everyone.suboptimality(trained.best.policy[None])[0])
    records = []
    for K in sizes.trajectories:
        data = train.sample(uniform(train), K, rng, bernoulli=True)
        for beta in (0.0, sizes.beta):
            policy = learn(data, train, beta, seed, sizes).policy[None]
            records.append(Record(f"RL error: beta = {beta:g}", K, float(trained.suboptimality(policy)[0])))
            records.append(Record(f"all contexts: PERM, beta = {beta:g}", K, float(everyone.suboptimality(policy)[0])))
        records.append(Record("all contexts: SL floor (K infinite)", K, floor))
    return records


def judge_trajectories(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """The RL error's slope, and that the floor stays."""
    verdicts = []
    for beta in (0.0, sizes.beta):
        at = slope_interval(measured[f"RL error: beta = {beta:g}"])
        verdicts.append(Verdict(f"RL error, beta = {beta:g}: slope <= -0.4", str(at), at.high <= -0.4))
    K = max(sizes.trajectories)
    floor = measured["all contexts: SL floor (K infinite)"][K]
    left = mean_interval(floor)
    over = mean_interval(np.subtract(measured[f"all contexts: PERM, beta = {sizes.beta:g}"][K], floor))
    verdicts.append(Verdict("the SL floor is above 0", str(left), left.low > 0))
    verdicts.append(Verdict(f"what is above the floor at K = {K}", str(over), None))
    return verdicts


# --- 4. pessimism ------------------------------------------------------------------------------------------------------

NARROW = 0.1  # share of uniform actions in a behaviour of poor coverage
RIDGES = (1.0, 0.01)
UNTUNED = ("Gamma = 0", "theory's beta")


def pessimism_cell(seed: int, sizes: Sizes) -> list[Record]:
    """Sub-optimality of PERM by beta, at poor and at good coverage, with the paper's ridge and with next to none."""
    rng = np.random.default_rng([4, seed])
    everyone = linear_population(rng, seed, sizes)
    train = everyone.draw(sizes.fixed_environments, rng)
    _, H, S, A = train.shape
    theory = beta_perm(
        train.features.shape[-1], H, len(train), sizes.fixed_trajectories, DELTA, log_covering=H * S * float(np.log(A))
    )
    narrow = greedily(everyone.best.policy, NARROW)
    records = []
    for coverage, behaviour in (("poor coverage", narrow), ("good coverage", uniform(train))):
        data = train.sample(behaviour, sizes.fixed_trajectories, rng, bernoulli=True)
        records.append(Record(f"{coverage}: behaviour", 0.0, float(everyone.suboptimality(behaviour[None])[0])))
        for ridge in RIDGES:
            for beta in (0.0, *sizes.betas, theory):
                found = learn(data, train, beta, seed, sizes, ridge)
                label = f"{coverage}, ridge {ridge:g}"
                value = float(everyone.suboptimality(found.policy[None])[0])
                records.append(Record(f"{coverage}: ridge {ridge:g}", beta, value))
                records.append(Record(f"{label}, value: pessimistic", beta, found.value))
    return records


def tuned(by_beta: dict[float, list[float]], sizes: Sizes) -> list[float]:
    """Each seed's value at the beta of the grid that is best over the other seeds: no seed chooses for itself."""
    table = np.array([by_beta[beta] for beta in sizes.betas])  # (betas, R)
    if table.shape[1] < 2:
        return [float(value) for value in table.min(axis=0)]
    others = table.sum(axis=1, keepdims=True) - table
    return [float(value) for value in table[others.argmin(axis=0), np.arange(table.shape[1])]]


def judge_pessimism(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """Gamma = 0 and theory's beta, each less the tuned one, seed by seed."""
    verdicts = []
    for coverage in ("poor coverage", "good coverage"):
        for ridge in RIDGES:
            by_beta = measured[f"{coverage}: ridge {ridge:g}"]
            best = tuned(by_beta, sizes)
            lost = [mean_interval(np.subtract(by_beta[beta], best)) for beta in (0.0, max(by_beta))]
            value = np.mean(measured[f"{coverage}, ridge {ridge:g}, value: pessimistic"][max(by_beta)])
            where = f"{coverage}, ridge {ridge:g}"
            verdicts.append(Verdict(f"{where}: sub-optimality with tuned beta", str(mean_interval(best)), None))
            claim = f"{where}: Gamma = 0 loses against tuned beta"
            verdicts.append(Verdict(claim, str(lost[0]), lost[0].low > 0 if coverage.startswith("poor") else None))
            claim = f"{where}: theory's beta ({max(by_beta):.0f}; mean pessimistic value {value:.3f}) loses against tuned"
            verdicts.append(Verdict(claim, str(lost[1]), None))
    return verdicts


# --- 5. PERM, PPPO and the oracle --------------------------------------------------------------------------------------

STEPS = (1, 10)  # times the paper's step size


def algorithms_cell(seed: int, sizes: Sizes) -> list[Record]:
    """Sub-optimality of PERM, of PPPO's random output in expectation, and of PPPO's last policy, as n grows."""
    rng = np.random.default_rng([5, seed])
    everyone = linear_population(rng, seed, sizes)
    chance = float(everyone.suboptimality(uniform(everyone.cmdp)[None])[0])
    records = []
    for n in sizes.environments:
        train = everyone.draw(n, rng)
        data = train.sample(uniform(train), sizes.fixed_trajectories, rng, bernoulli=True)
        found = {
            PERM_NAME: learn(data, train, sizes.beta, seed, sizes).policy[None],
            "oracle for the n contexts": search(train, seed, sizes).policy[None],
        }
        for times in STEPS:
            step = times * float(np.sqrt(np.log(sizes.actions) / (sizes.horizon**2 * n)))
            run = pppo(*data, train.features, beta=sizes.beta, seed=seed, step_size=step)
            found[f"PPPO, random output, alpha x {times}"] = run.policies
            found[f"PPPO, last policy, alpha x {times}"] = run.policies[-1:]
        records += [
            Record(f"algorithms: {name}", n, float(everyone.suboptimality(policies).mean())) for name, policies in found.items()
        ]
        records.append(Record("algorithms: uniform policy", n, chance))
    return records


def judge_algorithms(measured: Measured, sizes: Sizes) -> list[Verdict]:
    """Where each ends, and how fast it gets there. Nothing is prescribed."""
    n = max(sizes.environments)
    verdicts = []
    for series, by_n in measured.items():
        name = series.removeprefix("algorithms: ")
        slope = "" if name == "uniform policy" else f"; slope {slope_interval(by_n)}"
        verdicts.append(Verdict(f"{name}: sub-optimality at n = {n}", f"{mean_interval(by_n[n])}{slope}", None))
    return verdicts


# --- 6. CEBE -----------------------------------------------------------------------------------------------------------


def cebe_cell(_seed: int, _sizes: Sizes) -> list[Record]:
    """sup |Q_CE - Q| of the uniform policy in CliffWalking against |p - 0.1|, on both sides."""
    distances = np.logspace(-4, -2, 9)
    records = []
    for family in (0, 1, 2):
        for sign, side in ((">", 1), ("<", -1)):
            errors = cebe_error(cliff_walking(family), BASE_SLIP + side * distances[:, None])
            name = f"CEBE: family {family}, p {sign} {BASE_SLIP:g}"
            records += [Record(name, float(x), float(error)) for x, error in zip(distances, errors, strict=True)]
    return records


def judge_cebe(measured: Measured, _sizes: Sizes) -> list[Verdict]:
    """Exact in family 0, second order in 1 and 2."""
    verdicts = []
    for series, by_distance in measured.items():
        name = series.removeprefix("CEBE: ")
        errors = [values[0] for values in by_distance.values()]
        if "family 0" in name:
            verdicts.append(Verdict(f"{name}: error < 1e-10", f"largest {max(errors):.1e}", max(errors) < 1e-10))
        else:
            slope = log_log_slope(list(by_distance), errors)
            verdicts.append(Verdict(f"{name}: slope in [1.95, 2.05]", f"{slope:.4f}", 1.95 <= slope <= 2.05))
    return verdicts


# --- statistics --------------------------------------------------------------------------------------------------------


def resamples(R: int) -> NDArray[np.int64]:
    """Rows of seeds, drawn with replacement (B, R): the same for every interval."""
    return np.random.default_rng(0).integers(R, size=(REPLICATES, R))


def mean_interval(values: Sequence[float] | Floats) -> Interval:
    """Mean over seeds with its 95 % percentile bootstrap interval; none with one seed, or where one is infinite."""
    v = np.asarray(values, dtype=np.float64)
    if len(v) < 2 or not np.isfinite(v).all():
        return Interval(float(v.mean()), float("nan"), float("nan"))
    low, high = np.quantile(v[resamples(len(v))].mean(axis=1), [0.025, 0.975])
    return Interval(float(v.mean()), float(low), float(high))


def slope(x: Floats, y: Floats) -> float:
    """Least-squares slope of log y against log x where y > 0; NaN with fewer than two such points."""
    positive = y > 1e-12
    if positive.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[positive]), np.log(y[positive]), 1)[0])


def slope_interval(by_x: dict[float, list[float]]) -> Interval:
    """Slope of the mean over seeds, with its interval: seeds are resampled as a whole, over all x at once."""
    x, table = np.array(list(by_x), dtype=np.float64), np.array(list(by_x.values()))
    estimate = slope(x, table.mean(axis=1))
    if table.shape[1] < 2:
        return Interval(estimate, float("nan"), float("nan"))
    found = [slope(x, table[:, rows].mean(axis=1)) for rows in resamples(table.shape[1])]
    low, high = np.nanquantile(found, [0.025, 0.975]) if np.isfinite(found).any() else (np.nan, np.nan)
    return Interval(estimate, float(low), float(high))


# --- the checks --------------------------------------------------------------------------------------------------------

N_AXIS, K_AXIS = "training contexts n", "trajectories in each context K"

CHECKS = (
    Check(
        "average-mdp",
        "1. Merged data: the average MDP's failure",
        "PEVI on merged data against PERM on the same data kept apart, as K grows. Two contexts: three forks; risky pays "
        "1 in A and 0 in B, safe 0.3 in both; the behaviour takes risky with probability 0.1 in A and 0.9 in B, and the "
        "test contexts are A and B. Random: tabular contexts drawn from a population, each with its own behaviour: a "
        "random policy, or its own optimal policy with 30 % uniform actions; test contexts are the whole population. "
        "PERM's error has both parts: that of few training contexts, and that of K trajectories in each, where PEVI has "
        "n times as many in one MDP. The average MDP's optimum is what PEVI tends to. The gap is the return of PERM less "
        "that of PEVI.\n\n"
        "Goodness of fit: Pearson's chi-square of next states and rewards in every (h, x, a). Each trajectory, its "
        "context drawn by chance, gives one sample: within a trajectory samples share the context, so that trajectories "
        "are not the average MDP's, only transitions are. Infinite: something was seen that the MDP rules out.",
        average_mdp_cell,
        judge_average_mdp,
        (
            *(Panel(group, K_AXIS, log_y=False) for group in MERGED_GROUPS),
            *(Panel(group, "merged samples", table_only=True) for group in FIT_GROUPS),
        ),
    ),
    Check(
        "environments",
        "2. More environments: the SL error",
        "PERM with n training contexts, known exactly (the SL error alone) or by K trajectories of the uniform policy "
        "each, of which few leave an RL error that no n removes. Random: linear contexts that share their features and, by "
        "the difference in the sizes above, a part of all else. Worst case: risky pays "
        f"{WORST_GAP:g} n^{{-1/2}} more than safe on average, among differences of up to {WORST_SPREAD:g} between contexts, "
        "so that no n makes the choice easier and sub-optimality can fall no faster than the gap. On random instances the "
        "gap stands still, and the error falls faster once n tells the optima apart.",
        environments_cell,
        judge_environments,
        (Panel("random", N_AXIS), Panel("worst case", N_AXIS)),
    ),
    Check(
        "trajectories",
        "3. More trajectories: the RL error and the SL floor",
        "Training contexts fixed. RL error: what PERM's policy loses on the training contexts themselves, against the "
        "best policy for them known exactly. Beside it the sub-optimality over all contexts, and its floor: that of the "
        "best policy for the training contexts, which no K lowers. Points whose mean is 0 are left out of slopes.",
        trajectories_cell,
        judge_trajectories,
        (Panel("RL error", K_AXIS, "RL error"), Panel("all contexts", K_AXIS)),
    ),
    Check(
        "pessimism",
        "4. Pessimism: Gamma = 0, tuned, and theory's beta",
        f"Poor coverage: the behaviour is the best policy over all contexts with {NARROW:.0%} uniform actions. Good: the "
        "uniform policy. The paper's ridge is 1, and shrinks what was seldom seen towards 0: with rewards >= 0 that is "
        "pessimism too, so that the same is shown with ridge 0.01. Tuned: for each seed the beta of the grid that is best "
        "over the other seeds. The rightmost beta is theory's, with c = 1; where it clips every value to 0, all policies "
        "look alike and PERM's choice is arbitrary.",
        pessimism_cell,
        judge_pessimism,
        (Panel("poor coverage", "beta", log_y=False), Panel("good coverage", "beta", log_y=False)),
    ),
    Check(
        "algorithms",
        "5. PERM, PPPO and an oracle",
        "PPPO as printed: data splitting, so that each step sees K / H trajectories; its random output in expectation. "
        "Also its last policy, and ten times the paper's step size. The oracle knows the n training contexts exactly; "
        "sub-optimality 0 is the oracle that knows all contexts.",
        algorithms_cell,
        judge_algorithms,
        (Panel("algorithms", N_AXIS),),
    ),
    Check(
        "cebe",
        "6. CEBE in CliffWalking",
        "sup |Q_CE - Q| over states and actions of the uniform policy, gamma 0.9, base p = 0.1, against |p - 0.1| from "
        "1e-4 to 1e-2. Exact and deterministic: there are no seeds.",
        cebe_cell,
        judge_cebe,
        (Panel("CEBE", "distance of p from 0.1", "sup |Q_CE - Q|"),),
        seeded=False,
    ),
)


# --- running -----------------------------------------------------------------------------------------------------------


def run_cell(name: str, seed: int, sizes: Sizes) -> list[Record]:
    """One check with one seed, on one thread."""
    torch.set_num_threads(1)  # cells run side by side
    (check,) = (check for check in CHECKS if check.name == name)
    return check.cell(seed, sizes)


def run_all(checks: Sequence[Check], sizes: Sizes, jobs: int) -> dict[str, Measured]:
    """Every cell, with a progress bar."""
    cells = [(check.name, seed) for check in checks for seed in range(sizes.seeds if check.seeded else 1)]
    found: dict[tuple[str, int], list[Record]] = {}
    with tqdm(total=len(cells), desc="cells") as bar:
        if jobs == 1:
            for cell in cells:
                found[cell] = run_cell(*cell, sizes)
                bar.update()
        else:
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
                futures = {pool.submit(run_cell, *cell, sizes): cell for cell in cells}
                for future in as_completed(futures):
                    found[futures[future]] = future.result()
                    bar.update()
    return {check.name: gather(found[cell] for cell in cells if cell[0] == check.name) for check in checks}


def gather(seeds: Iterable[list[Record]]) -> Measured:
    """Records of all seeds by series and x. Theory's beta and the like are the same x in every seed."""
    measured: Measured = {}
    for records in seeds:
        for series, x, value in records:
            measured.setdefault(series, {}).setdefault(x, []).append(value)
    return measured


# --- writing -----------------------------------------------------------------------------------------------------------


def series_of(measured: Measured, group: str) -> dict[str, dict[float, list[float]]]:
    """label -> x -> values of one group."""
    lead = f"{group}: "
    return {name.removeprefix(lead): by_x for name, by_x in measured.items() if name.startswith(lead)}


def number(value: float) -> str:
    """Short, as in a column's head."""
    return f"{value:.5g}" if value < 1e5 or value != int(value) else str(int(value))


def table(measured: Measured, panel: Panel) -> list[str]:
    """One group as Markdown: a row for each series; long series of x go down instead."""
    series = series_of(measured, panel.group)
    xs = list(dict.fromkeys(x for by_x in series.values() for x in by_x))
    lines = [f"| {panel.group}: {panel.xlabel} | " + " | ".join(number(x) for x in xs) + " |", "|---" * (len(xs) + 1) + "|"]
    for label, by_x in series.items():
        cells = [show(by_x[x]) if x in by_x else "" for x in xs]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def show(values: list[float]) -> str:
    """Mean and interval, or the plain number where one run was all."""
    if len(values) == 1:
        return f"{values[0]:.3g}"
    if not np.isfinite(values).all():
        return "infinite"
    return f"{np.mean(values):.2e}" if 0 < abs(np.mean(values)) < 1e-4 else str(mean_interval(values))


def draw(check: Check, measured: Measured) -> Figure:
    """One panel for each group of series."""
    panels = [panel for panel in check.panels if not panel.table_only]
    figure = Figure(figsize=(5.6 * len(panels), 4.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        draw_panel(axes, panel, series_of(measured, panel.group))
    return figure


def draw_panel(axes: Axes, panel: Panel, series: dict[str, dict[float, list[float]]]) -> None:
    """Means with their intervals over x; the axis of a beta that may be 0 is linear near it."""
    for index, (label, by_x) in enumerate(series.items()):
        x = np.array(list(by_x))
        intervals = [mean_interval(values) for values in by_x.values()]
        means = np.array([interval.estimate for interval in intervals])
        ends = np.nan_to_num(np.array([[i.estimate - i.low, i.high - i.estimate] for i in intervals])).clip(0).T
        shown = means > 1e-12 if panel.log_y else np.ones(len(x), dtype=bool)
        if shown.any():
            marker = "os^Dv"[index // len(PALETTE) % 5]
            colour = PALETTE[index % len(PALETTE)]
            axes.errorbar(
                x[shown], means[shown], ends[:, shown], marker=marker, capsize=3, label=label, color=colour,
                linestyle=("-", "--", ":")[index % 3],
            )  # fmt: skip
    if panel.xlabel == "beta":
        axes.set_xscale("symlog", linthresh=0.03)
    else:
        axes.set_xscale("log")
        xs = list(dict.fromkeys(x for by_x in series.values() for x in by_x))
        if len(xs) <= 7:  # beyond that their labels collide
            axes.set_xticks(xs, [number(x) for x in xs])
            axes.minorticks_off()
    if panel.log_y and axes.has_data():
        axes.set_yscale("log")
    axes.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.group)
    axes.grid(True, color="#D9D9D9", linewidth=0.7)
    if axes.has_data():
        axes.legend(fontsize=8)


def verdict_rows(verdicts: Sequence[Verdict]) -> list[str]:
    """As Markdown."""
    words = {True: "met", False: "**not met**", None: "(measured)"}
    rows = [f"| {v.claim} | {v.found} | {words[v.met]} |" for v in verdicts]
    return ["| claim | measured | threshold |", "|---|---|---|", *rows]


def section(check: Check, measured: Measured, verdicts: Sequence[Verdict]) -> list[str]:
    """One check in the report."""
    lines = ["", f"## {check.title}", ""]
    for paragraph in check.text.split("\n\n"):
        lines += [textwrap.fill(paragraph, 120, break_on_hyphens=False), ""]
    lines += [*verdict_rows(verdicts), "", f"![{check.title}](theory-{check.name}.png)"]
    for panel in check.panels:
        lines += ["", *table(measured, panel)]
    return lines


def write(results: dict[str, Measured], sizes: Sizes, command: str, out: Path) -> None:
    """theory.md, theory.json and a picture for each check."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = [check for check in CHECKS if check.name in results]
    verdicts = {check.name: check.judge(results[check.name], sizes) for check in chosen}
    judged = [(check, v) for check in chosen for v in verdicts[check.name] if v.met is not None]
    failed = [f"- {check.title}: {v.claim}; measured {v.found}" for check, v in judged if not v.met]
    source = {"command": command, "commit": commit(), "python": platform.python_version(), "torch": torch.__version__}
    lines = [
        "# What the linear core's papers claim, measured",
        "",
        textwrap.fill(
            f"Means over {sizes.seeds} seeds (of instance, data and search) with 95 % percentile bootstrap intervals over "
            "seeds. A threshold counts as met where the whole interval meets it. Sub-optimality is over all contexts that "
            f"there are ({sizes.population} in random instances), training contexts being drawn from them with replacement; "
            "its zero is the best policy that a search with all contexts known exactly finds. The least sub-optimality of any "
            f"seed is {least(chosen, results):.1e}: below 0 that search missed a better policy.",
            120,
        ),
        "",
        f"Command: `{command}`. Commit {source['commit']}; Python {source['python']}, torch {source['torch']}.",
        f"Sizes: {', '.join(f'{name} {value}' for name, value in asdict(sizes).items())}.",
        "",
        f"{len(judged) - len(failed)} of {len(judged)} thresholds are met." + (" Not met:" if failed else ""),
        *failed,
    ]
    for check in chosen:
        lines += section(check, results[check.name], verdicts[check.name])
        draw(check, results[check.name]).savefig(out / f"theory-{check.name}.png")
    (out / "theory.md").write_text("\n".join(lines) + "\n")
    entries = [as_json(check, results[check.name], verdicts[check.name]) for check in chosen]
    report = source | {"sizes": asdict(sizes), "checks": entries}
    (out / "theory.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")


def least(checks: Sequence[Check], results: dict[str, Measured]) -> float:
    """The smallest sub-optimality that any seed measured."""
    found = [
        value
        for check in checks
        for panel in check.panels
        if panel.ylabel == SUBOPTIMALITY and not panel.table_only
        for label, by_x in series_of(results[check.name], panel.group).items()
        if label != "gap"
        for values in by_x.values()
        for value in values
    ]
    return min(found, default=0.0)


def as_json(check: Check, measured: Measured, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Every number of every seed; null where it is infinite."""
    series = [
        {"series": name, "x": x, "values": [v if np.isfinite(v) else None for v in values], **interval_entry(values)}
        for name, by_x in measured.items()
        for x, values in by_x.items()
    ]
    return {"name": check.name, "title": check.title, "verdicts": [v._asdict() for v in verdicts], "series": series}


def interval_entry(values: list[float]) -> dict[str, float | None]:
    """Mean and ends, null where unknown."""
    interval = mean_interval(values)
    ends = {"mean": interval.estimate, "low": interval.low, "high": interval.high}
    return {name: value if np.isfinite(value) else None for name, value in ends.items()}


def commit() -> str:
    """The commit that is checked out."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; every field of Sizes is an option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[check.name for check in CHECKS], help="some of the checks")
    parser.add_argument("--jobs", type=int, default=2, help="cells side by side, one thread each")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="where results are written")
    for field in fields(Sizes):
        default: Any = field.default
        many = isinstance(default, tuple)
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(default[0] if many else default),
            nargs="+" if many else None,
            default=default,
            help=f"default {' '.join(map(str, default)) if many else default}",
        )
    args = parser.parse_args(arguments)
    if min(args.jobs, args.seeds) < 1:
        parser.error(f"expected at least one seed and one job; found {args.seeds} and {args.jobs}")
    return args


def main(arguments: Sequence[str]) -> None:
    """Run, and write the report."""
    args = parse(arguments)
    given = {field.name: getattr(args, field.name) for field in fields(Sizes)}
    checked: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    sizes = Sizes(**checked)
    chosen = [check for check in CHECKS if args.only is None or check.name in args.only]
    results = run_all(chosen, sizes, args.jobs)
    write(results, sizes, shlex.join(["python", "tools/reproduce.py", "theory", *arguments]), args.out)
    print(f"{args.out / 'theory.md'}")


if __name__ == "__main__":
    main(sys.argv[1:])

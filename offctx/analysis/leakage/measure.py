"""How much of a code follows the dynamics, and how much the behaviour that collected the data.

Where the behaviour depends on the context, actions given states betray the context, and an encoder may learn to recognise the
behaviour. Played by another policy, its code is wrong. `simulate` plays the same states and actions in every context, so that
either can be changed alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from offctx.analysis.counterfactual import simulable
from offctx.analysis.leakage.probes import Probe, held_out, moments, score
from offctx.analysis.leakage.report import LeakageReport
from offctx.analysis.leakage.variance import split_variance
from offctx.analysis.leakage.windows import DrawnWindows, codes
from offctx.checks import whole_number
from offctx.contexts.space import Contexts
from offctx.data.dataset import ContextualDataset
from offctx.data.history.windows import HistoryWindows
from offctx.envs.base import Array
from offctx.envs.resolve import EnvLike
from offctx.errors import DatasetError

_LONGEST = 100_000  # windows, and how many are drawn in a context
_CONTEXTS = 12  # at most so many contexts in which windows are played, unless they are given


def leakage_report(
    encoder: Callable[[HistoryWindows], Any],
    dataset: ContextualDataset,
    *,
    length: int = 24,
    windows_per_context: int = 32,
    contexts: ArrayLike | None = None,
    behaviours: ArrayLike | ContextualDataset | None = None,
    env: EnvLike | None = None,
    seed: int = 0,
) -> LeakageReport:
    """Measures what an encoder reads in windows: the dynamics, or the behaviour that collected the data.

    Windows of every behaviour are played in every context by `simulate`: the same states and actions, other outcomes. The
    variance of z is split by what changes: only the dynamics (and rewards), only the behaviour, or only the window. Linear
    probes read the context off z, off (s, a) alone and off (s, a, s'), where episodes are held out, where contexts are held
    out, and where the states and actions are those of another context's behaviour.

    Args:
        encoder: from `HistoryWindows` (W, K, ...) to z (W, d). A torch module is given tensors, without gradients and in
            evaluation mode; any other callable NumPy arrays (`windows.to_torch()` makes tensors of them). A Gaussian encoder
            should give its mean.
        dataset: with simulator states, and contexts in which they can be played.
        length: K, slots of a window: a run of transitions of one episode.
        windows_per_context: how many are drawn in each context, at least 2.
        contexts: (D, p), in which windows are played; by default the dataset's own, at most 12 of them, drawn at random.
        behaviours: whose behaviours are compared. By default, that of each context. Whole numbers (E,): a label for each
            episode, such as the policy that played it. Or another dataset of the same family, collected by another policy.
        env: the environment of the data; where not given, the one that the dataset names, if it ships with offctx.
        seed: of the windows and of the intervals.

    Returns:
        The report: print its `render()`, `save` it, or read its `verdict`.

    Raises:
        DatasetError: a number is out of range; there are fewer than two contexts or behaviours; the encoder gives no finite
            vectors, or not the same for the same windows; or the dataset cannot be simulated anew.
        EnvError, ContextError: the environment has another context, or a context is not valid there.

    Source:
        The trap is described in arXiv 2402.02429 (UNICORN) and arXiv 2311.03695 (CSRO); splitting it by simulation is ours.

    Example::

        report = offctx.leakage_report(encoder, dataset, length=24)
        print(report.render())
        report.save("leakage")
    """
    whole_number(length, "length", 1, DatasetError, most=_LONGEST)
    whole_number(windows_per_context, "windows_per_context", 2, DatasetError, most=_LONGEST)
    rng = np.random.default_rng(whole_number(seed, "seed", 0, DatasetError))
    family = simulable(dataset, env)
    drawn = DrawnWindows.draw(dataset, length, windows_per_context, rng)
    played, own = _contexts_to_play(dataset, contexts, family.context_space, rng)
    chosen, labels = _behaviours(dataset, drawn, behaviours, own, windows_per_context, rng)
    for part in chosen:
        simulable(part.dataset, family)
    seen = drawn.seen()
    z = _repeatable_codes(encoder, seen)
    windows = [[part.played_in(family, context) for part in chosen] for context in played]
    crossed = np.stack([np.concatenate([codes(encoder, part) for part in row]) for row in windows])
    split = split_variance(
        crossed, labels, _numbered(chosen, "episodes"), _numbered(chosen, "context_ids"), rng,
        paired=behaviours is None and own is not None,
    )  # fmt: skip
    features = [z, moments(seen, outcomes=False), moments(seen, outcomes=True)]
    others = [crossed, _moments_of_all(windows, outcomes=False), _moments_of_all(windows, outcomes=True)]
    came_from = np.concatenate([part.dataset.contexts[part.dataset.episode_starts[part.episodes]] for part in chosen])
    probes = [
        _probe(of_data, of_played, dataset, drawn, played, came_from, coordinate, rng)
        for of_data, of_played in zip(features, others, strict=True)
        for coordinate in range(dataset.context_space.size)
    ]
    return LeakageReport(
        dataset_id=dataset.dataset_id,
        encoder=str(getattr(encoder, "__name__", type(encoder).__name__)),
        environment=type(family).__name__,
        names=dataset.context_space.names,
        discrete=dataset.context_space.discrete,
        length=length,
        windows=len(z),
        contexts=played,
        behaviours=int(labels.max()) + 1,
        size=z.shape[1],
        dynamics=split.dynamics,
        behaviour=split.behaviour,
        window=split.window,
        leak=split.leak,
        changes=split.changes,
        p_value=split.p_value,
        constant=split.constant,
        probes=np.array(probes).reshape(3, dataset.context_space.size, 3, 3),
    )


def _repeatable_codes(encoder: Callable[[HistoryWindows], Any], windows: HistoryWindows) -> Array:
    """The codes z of windows (W, d), if the encoder gives the same again; an encoder that draws cannot be judged."""
    z = codes(encoder, windows)
    if not np.array_equal(z, codes(encoder, windows)):
        raise DatasetError("expected an encoder that gives the same z for the same windows; found another: give its mean")
    return z


def _moments_of_all(windows: list[list[HistoryWindows]], *, outcomes: bool) -> Array:
    """The moments (D, V, f) of the windows that are played in each context, all parts together."""
    return np.stack([np.concatenate([moments(part, outcomes=outcomes) for part in row]) for row in windows])


def _contexts_to_play(
    dataset: ContextualDataset, contexts: ArrayLike | None, space: Any, rng: np.random.Generator
) -> tuple[Contexts, Array | None]:
    """The contexts to play windows in (D, p), and their ids (D,) where they are the dataset's own."""
    if contexts is not None:
        played = space.check_many(contexts)
        ids = None
    else:
        all_ids = np.unique(dataset.context_ids)
        ids = np.sort(rng.permutation(all_ids)[:_CONTEXTS])
        played = dataset.unique_contexts[np.searchsorted(all_ids, ids)]
    if len(np.unique(played, axis=0)) < 2:
        raise DatasetError(f"expected at least two contexts to play windows in; found {len(np.unique(played, axis=0))}")
    return played, ids


def _behaviours(
    dataset: ContextualDataset,
    drawn: DrawnWindows,
    behaviours: ArrayLike | ContextualDataset | None,
    own: Array | None,
    per_context: int,
    rng: np.random.Generator,
) -> tuple[list[DrawnWindows], Array]:
    """The windows that are played in other contexts, and the behaviour of each, numbered from 0."""
    if isinstance(behaviours, ContextualDataset):
        other = DrawnWindows.draw(behaviours, drawn.rows.shape[1], per_context, rng)
        return [drawn, other], np.repeat([0, 1], [len(drawn.rows), len(other.rows)])
    if behaviours is None:
        kept = drawn if own is None else drawn.take(np.flatnonzero(np.isin(drawn.context_ids, own)))
        labels = np.unique(kept.context_ids, return_inverse=True)[1]
    else:
        try:
            numbers = np.asarray(behaviours)
        except ValueError:  # ragged rows
            numbers = np.empty((), object)
        if numbers.shape != (dataset.num_episodes,) or numbers.dtype.kind not in "iu":
            raise DatasetError(
                f"expected behaviours as one whole number for each of {dataset.num_episodes} episodes, or a dataset; found "
                f"{numbers.dtype} {numbers.shape}"
            )
        kept, labels = drawn, np.unique(numbers[drawn.episodes], return_inverse=True)[1]
    pairs = np.unique(np.stack([labels, kept.episodes], axis=1), axis=0)
    if (counts := np.bincount(pairs[:, 0])).min() < 2 or len(counts) < 2:
        raise DatasetError(
            f"expected at least two behaviours, of two episodes each, among the windows; found {len(counts)}, the rarest with "
            f"{counts.min()} episode(s): draw more by windows_per_context=, or collect more episodes"
        )
    return [kept], labels


def _numbered(parts: list[DrawnWindows], name: str) -> Array:
    """The episodes or the contexts of all windows (V,), numbered from 0; those of two datasets are different."""
    source = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
    pairs = np.stack([source, np.concatenate([getattr(part, name) for part in parts])], axis=1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1]).ravel()


def _probe(
    features: Array,
    others: Array,
    dataset: ContextualDataset,
    drawn: DrawnWindows,
    played: Contexts,
    came_from: Contexts,
    coordinate: int,
    rng: np.random.Generator,
) -> list[Array]:
    """The three scores of one coordinate (3, 3): episodes held out, contexts held out, and behaviour of other contexts.

    Args:
        features: of the windows of the data (W, f).
        others: of the windows that are played in each context (D, V, f).
        dataset: the data.
        drawn: its windows.
        played: (D, p).
        came_from: the context whose behaviour each of the V windows shows (V, p).
        coordinate: of the context.
        rng: of the intervals.
    """
    discrete = dataset.context_space.names[coordinate] in dataset.context_space.discrete
    target = dataset.contexts[dataset.episode_starts[drawn.episodes], coordinate]
    ids = drawn.context_ids
    moved = (played[:, None] != came_from).any(axis=2)  # (D, V)
    truth = np.broadcast_to(played[:, None, coordinate], moved.shape)[moved]
    contexts = np.broadcast_to(np.arange(len(played))[:, None], moved.shape)[moved]
    predicted = Probe(discrete).fit(features, target).predict(others[moved])
    return [
        held_out(features, target, drawn.episodes, ids, discrete, rng),
        held_out(features, target, ids, ids, discrete, rng),
        score(predicted, truth, contexts, discrete, rng),
    ]

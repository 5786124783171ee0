"""Evaluation in chunks of contexts: in this process, or by workers.

An episode's start, noise and draws do not depend on the chunk. What a network computes may, in the last bit, depend on how many
rows it is given; so the chunks do not depend on who plays them.

Dimensions: K distinct contexts, k of one chunk, p context coordinates, M episodes per context.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from offctx.contexts.space import Contexts
from offctx.envs.base import Array
from offctx.envs.players import Player, make_player
from offctx.envs.policies import ContextMode, Policy
from offctx.envs.resolve import EnvLike, ResolvedEnv
from offctx.envs.sendable import SendableWork
from offctx.evaluation.call_key import call_key
from offctx.evaluation.kept_chunks import KeptChunks, SavingWork
from offctx.evaluation.scoring import Scorer, Scores
from offctx.words import count
from offctx.workers.cuts import nearly_equal
from offctx.workers.engine import Workers
from offctx.workers.threads import one_thread

CHUNK_TRANSITIONS = 1 << 18  # about so many in a chunk, where every episode lasts until the time limit


def play_chunks(
    scorer: Scorer,
    seen: Sequence[int],
    other: Player | None,
    workers: Workers,
    *,
    env: EnvLike,
    policies: tuple[Policy, Policy | None],
    context: ContextMode,
    kept: KeptChunks | None = None,
) -> dict[int, Scores]:
    """Plays cold, and after each warm-up that makes a difference, as `Scorer.play_each`; in chunks where there is much to play.

    Args:
        scorer: of all contexts.
        seen: numbers of transitions, 0 first; () where only the cold start is asked.
        other: who plays the warm-ups, in place of the policy.
        workers: who plays the chunks.
        env: as the user gave it, which workers make anew.
        policies: the policy, and the one that plays the warm-ups or None, as the user gave them.
        context: how policies observe the context.
        kept: keeps finished chunks, and gives those of the same call; none are kept where it is None.

    Returns:
        Number of transitions seen -> scores.

    Raises:
        PolicyError: a policy cannot be sent to workers, or acts wrongly.
        EnvError: the environment cannot be sent to workers, or fails.
        EvaluationError: a worker process died; where chunks are kept, a policy cannot be identified, or a chunk cannot be
            written.
    """
    chunks = _cut(scorer)
    key = "" if kept is None else call_key(scorer, seen, other, policies=policies, context=context)
    finished = [None if kept is None else kept.load(key, chunk) for chunk in chunks]
    work: Callable[[Contexts], dict[int, Scores]]
    if len(chunks) == 1:
        work = _PlayChunk(scorer, tuple(seen), other)
    elif workers.this_process:
        work = _PlayChunk(replace(scorer, progress=False), tuple(seen), other)
    else:
        work = _sendable(scorer, tuple(seen), env, policies, context)
    work = work if kept is None else SavingWork(work, kept.folder, key)
    if len(chunks) == 1:
        return finished[0] or work(chunks[0])
    return _played(scorer, work, workers, chunks, finished)


def _played(
    scorer: Scorer,
    work: Callable[[Contexts], dict[int, Scores]],
    workers: Workers,
    chunks: Sequence[Contexts],
    finished: Sequence[dict[int, Scores] | None],
) -> dict[int, Scores]:
    """The scores of all chunks; the workers play those that are not finished."""
    todo = [chunk for chunk, scores in zip(chunks, finished, strict=True) if scores is None]
    title = f"evaluating {scorer.name}, {count(len(scorer.contexts) * scorer.episodes, 'episode')}"
    contexts = len(scorer.contexts)
    left = sum(map(len, todo))
    bar = tqdm(total=contexts, initial=contexts - left, desc=title, unit="context", disable=not scorer.progress)
    parts: list[dict[int, Scores]] = []
    with bar, one_thread(), closing(workers.results(work, todo)) as results:
        for chunk, scores in zip(chunks, finished, strict=True):
            parts.append(next(results) if scores is None else scores)
            bar.update(len(chunk) if scores is None else 0)
    return {number: _joined([part[number] for part in parts]) for number in parts[0]}


def _cut(scorer: Scorer) -> list[Contexts]:
    """Nearly equal chunks of the contexts, in order."""
    cuts = nearly_equal(len(scorer.contexts), scorer.episodes * scorer.resolved.horizon, CHUNK_TRANSITIONS)
    return [scorer.contexts[begin:end] for begin, end in cuts]


def _joined(parts: Sequence[Scores]) -> Scores:
    """The scores of all contexts from those of the chunks."""

    def whole(arrays: list[Array | None]) -> Any:
        return None if arrays[0] is None else np.concatenate(arrays)  # type: ignore[arg-type]

    return Scores(*(whole([getattr(part, field.name) for part in parts]) for field in fields(Scores)))


@dataclass(frozen=True)
class _PlayChunk:
    """Plays a chunk of contexts (k, p)."""

    scorer: Scorer
    seen: tuple[int, ...]
    other: Player | None

    def __call__(self, contexts: Contexts) -> dict[int, Scores]:
        return replace(self.scorer, contexts=contexts).play_each(self.seen, self.other)


def _sendable(
    scorer: Scorer, seen: tuple[int, ...], env: EnvLike, policies: tuple[Policy, Policy | None], context: ContextMode
) -> SendableWork:
    """The work of `_PlayChunk` for worker processes, which make the environment and the players themselves."""
    settings = {name: getattr(scorer, name) for name in ("episodes", "seed", "batch_size", "name")} | {"progress": False}
    return SendableWork.of(env, scorer.resolved, policies, partial(_in_worker, settings, seen, policies, context))


def _in_worker(
    settings: dict[str, Any],
    seen: tuple[int, ...],
    policies: tuple[Policy, Policy | None],
    context: ContextMode,
    resolved: ResolvedEnv,
) -> _PlayChunk:
    player, other = (None if policy is None else make_player(policy, resolved.env, context) for policy in policies)
    assert player is not None
    no_contexts = np.zeros((0, resolved.env.context_space.size))
    return _PlayChunk(Scorer(resolved=resolved, player=player, contexts=no_contexts, **settings), seen, other)

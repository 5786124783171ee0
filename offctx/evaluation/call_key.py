"""A name for what an evaluation is asked for: chunks of an interrupted one are used only where the same is asked again."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from offctx.data.metadata import installed_packages, to_json
from offctx.envs.identity import environment_key
from offctx.envs.players import Player
from offctx.envs.policies import ContextMode, Policy, policy_name
from offctx.envs.rollout import episode_seeds, play
from offctx.envs.row_draws import EpisodeStreams
from offctx.errors import EvaluationError
from offctx.evaluation.scoring import Scorer
from offctx.workers.identity import Unidentified, identity_and_source
from offctx.workers.threads import one_thread

_CONTEXTS, _STEPS = 4, 8  # that are played for the name


def call_key(
    scorer: Scorer,
    seen: Sequence[int],
    other: Player | None,
    *,
    policies: tuple[Policy, Policy | None],
    context: ContextMode,
) -> str:
    """The name of all that decides about the scores of a chunk, but for its contexts.

    These are the settings, policies, environment, code and versions, and what the first steps in a few contexts give. The
    steps come first: some policies, such as d3rlpy's, change modes of their networks at the first action.

    Args:
        scorer: of all contexts.
        seen: numbers of transitions of the warm-ups.
        other: who plays the warm-ups, in place of the policy.
        policies: the policy, and the one that plays the warm-ups or None, as the user gave them.
        context: how policies observe the context.

    Raises:
        EvaluationError: a policy holds something that cannot be compared, such as a compiled module.
        OffctxError: a policy or the environment fails in the first steps.
    """
    with one_thread():
        first = [_first_steps(scorer, player) for player in (scorer.player, other) if player is not None]
    described = {
        "env": environment_key(scorer.resolved),
        "policies": [_policy_key(policy) for policy in policies],
        "settings": [context, scorer.episodes, scorer.seed, list(seen)],
        "packages": installed_packages(),
        "first steps": first,
    }
    return hashlib.sha256(to_json(described).encode()).hexdigest()


def _policy_key(policy: Policy | None) -> list[str]:
    try:
        return identity_and_source(policy)
    except Unidentified as error:
        raise EvaluationError(
            f"resume needs to tell whether the same is asked again, and policy {policy_name(policy)!r} holds something that "
            f"cannot be compared: {error}; leave resume out"
        ) from error


def _first_steps(scorer: Scorer, player: Player) -> str:
    """The checksum of a few steps in a few contexts, which tells environments and policies apart by what they do."""
    contexts = scorer.contexts[:: max(len(scorer.contexts) // _CONTEXTS, 1)][:_CONTEXTS]
    short = replace(scorer.resolved, horizon=min(_STEPS, scorer.resolved.horizon))
    seeds, nobody_else = np.tile(episode_seeds(scorer.seed, 1), len(contexts)), np.zeros(len(contexts), dtype=np.int64)
    digest = hashlib.sha256()
    for step in play(short, contexts, seeds, [player], nobody_else, EpisodeStreams(scorer.seed, contexts, 1, 0)):
        for array in (step.observations, step.actions, step.rewards, step.next_observations, step.terminations):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

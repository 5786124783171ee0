"""Natural data: in each training context, a SAC agent learns online; everything that it has played is the context's data.

Nothing about the behaviour is arranged: it is random at first and good at last, in every context.

Dimensions: n contexts, E episodes, T steps of an episode, m transitions in a batch, o observation, a action, p context.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from offctx.contexts.space import Contexts
from offctx.data.collection.parts import all_episodes
from offctx.data.collection.play import play_part
from offctx.data.dataset import ContextualDataset
from offctx.data.episodes import Episodes
from offctx.data.load import load_dataset
from offctx.data.metadata import LAYOUT_VERSION, Behaviour, Metadata, installed_packages
from offctx.data.storage.ids import dataset_folder
from offctx.data.storage.write import write_dataset
from offctx.envs.policies import Mixture
from offctx.envs.resolve import ResolvedEnv, resolve
from tools.reproduce.perm.sac import SoftActorCritics
from tools.reproduce.perm.tasks import ArrangedTask, Floats

_BATCH = 64  # m


@dataclass(frozen=True)
class Budget:
    """How long the agents learn.

    Attributes:
        rounds: of playing and learning. In the first one, actions are uniform.
        episodes: of each context in a round.
        updates: in a round.
    """

    rounds: int
    episodes: int
    updates: int

    def __str__(self) -> str:
        return f"{self.rounds}x{self.episodes}x{self.updates}"


BUDGETS = {"SimpleDirection": Budget(20, 4, 40), "PendulumGoal": Budget(14, 1, 200)}
"""By task."""


def replay_id(task: ArrangedTask, n: int, budget: Budget, seed: int) -> str:
    """The id of the replays of n contexts."""
    return f"offctx/{task.name}/perm-replay{budget}-n{n}-seed{seed}-v0"


def replays(task: ArrangedTask, contexts: Contexts, budget: Budget, seed: int) -> ContextualDataset:
    """Load the replays of all contexts (n, p); train the agents first where the dataset does not exist."""
    name = replay_id(task, len(contexts), budget, seed)
    if not dataset_folder(name).exists():
        resolved = resolve(task.env)
        episodes = joined(play_and_learn(resolved, task, contexts, budget, seed))
        env = resolved.env
        metadata = _metadata(resolved, episodes, budget, seed)
        write_dataset(name, episodes, metadata, env.observation_space, env.action_space, progress=False)
    return load_dataset(name, cache=False)


def play_and_learn(resolved: ResolvedEnv, task: ArrangedTask, contexts: Contexts, budget: Budget, seed: int) -> list[Episodes]:
    """What the agents play, round by round.

    Args:
        resolved: the environment and its time limit.
        task: the same as a task.
        contexts: (n, p), one for each agent.
        budget: how long they learn.
        seed: of start states, weights, actions and batches.

    Returns:
        The episodes of each round: context by context, `budget.episodes` of each.
    """
    n, rng = len(contexts), np.random.default_rng([seed, 8])
    o, a = (int(np.prod(space.shape or ())) for space in (resolved.env.observation_space, resolved.env.action_space))
    agents = SoftActorCritics(n, o, a, task.bound, task.gamma, seed)
    rows = np.repeat(contexts, budget.episodes, axis=0)

    def act(observations: Floats, _: Contexts, __: np.random.Generator) -> Floats:
        actions = agents.act(observations.reshape(n, budget.episodes, -1))
        return np.clip(actions, -task.bound, task.bound).reshape(len(observations), -1)

    rounds: list[Episodes] = []
    memory: list[dict[str, Floats]] = []
    for k in range(budget.rounds):
        policy = Mixture([act if k else "random"])
        start_seed = int(rng.integers(2**31))
        part = all_episodes(rows, policy, start_seed)
        rounds.append(play_part(resolved, part, policy, start_seed, "hidden", batch_size=None, progress=False))
        memory.append(transitions(rounds[-1], n))
        replay = {name: torch.from_numpy(np.concatenate([part[name] for part in memory], axis=1)) for name in memory[0]}
        for _ in range(budget.updates):
            drawn = torch.from_numpy(rng.integers(replay["rewards"].shape[1], size=(n, _BATCH)))
            agents.update(**{name: values[torch.arange(n)[:, None], drawn] for name, values in replay.items()})
    return rounds


def transitions(episodes: Episodes, n: int) -> dict[str, Floats]:
    """The transitions of each of n contexts, as float32 arrays (n, E T / n, ...); all contexts have equally many."""
    first = episodes.first_rows
    columns = {
        "observations": episodes.observations[first],
        "actions": episodes.actions,
        "rewards": episodes.rewards,
        "next_observations": episodes.observations[first + 1],
    }
    return {name: values.reshape(n, -1, *values.shape[1:]).astype(np.float32) for name, values in columns.items()}


def joined(rounds: Sequence[Episodes]) -> Episodes:
    """The episodes of all rounds, one round after the other."""
    names = [field.name for field in fields(Episodes) if field.name != "infos"]
    arrays = {name: np.concatenate([getattr(episodes, name) for episodes in rounds]) for name in names}
    infos = {name: np.concatenate([episodes.infos[name] for episodes in rounds]) for name in rounds[0].infos}
    return Episodes(**arrays, infos=infos)


def _metadata(resolved: ResolvedEnv, episodes: Episodes, budget: Budget, seed: int) -> Metadata:
    return Metadata(
        layout_version=LAYOUT_VERSION,
        env=resolved.name,
        horizon=resolved.horizon,
        context_space=resolved.env.context_space.to_dict(),
        behaviour=Behaviour(policies=["SAC of each context while it learns"], weights=[1.0], context="hidden"),
        derivatives=None,
        recipe={"rounds": budget.rounds, "episodes": budget.episodes, "updates": budget.updates, "seed": seed},
        packages=installed_packages(),
    )

"""The random numbers of a sensor: of the same episode, and beside those of the family that it shows.

A family draws its start and its noise from the generator of an episode. A sensor must not draw from it as well: the family
inside would then have another start state or other noise at the same seed. So the numbers of a sensor are hashes of their place
(`offctx.envs.row_draws`): of the seed of the generator, of which episode it is, and of the time step.

Dimensions: n steps, z noise coordinates.
"""

import numpy as np

from offctx.envs.base import Array
from offctx.envs.row_draws import EpisodeStreams
from offctx.errors import EnvError

_SENSOR = 0x5E5  # of streams of a seed, so that they are not those of its spawned generators


def begin_episode(rng: np.random.Generator) -> None:
    """Another episode begins with this generator, whose own numbers stay as they are."""
    _seed_sequence(rng).spawn(1)


def sensor_noise(rng: np.random.Generator, first: int, n: int, size: int, layer: int) -> Array:
    """Standard normal numbers of a sensor, a pure function of the arguments and of how many episodes have begun.

    Args:
        rng: of the episode; it does not advance.
        first: the time step of the first row; 0 is the start of the episode.
        n: rows, of successive time steps.
        size: z.
        layer: how many sensors are inside this one.

    Returns:
        (n, z).
    """
    seeds = _seed_sequence(rng)
    own = np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, seeds.n_children_spawned, _SENSOR, layer))
    key = own.generate_state(1, np.uint64)
    steps = (key + np.arange(first, first + n, dtype=np.uint64)).astype(np.uint64)
    return np.asarray(EpisodeStreams.of_seeds(0, steps).at(0, np.arange(n)).standard_normal((n, size)))


def _seed_sequence(rng: np.random.Generator) -> np.random.SeedSequence:
    seeds = rng.bit_generator.seed_seq
    if not isinstance(seeds, np.random.SeedSequence):
        raise EnvError(
            f"the noise of a sensor needs a generator that was made of a seed, as np.random.default_rng(0) is; found one of "
            f"{type(seeds).__name__}"
        )
    return seeds

"""Random numbers of which each row of a batch has its own stream: what an episode draws does not depend on the others.

A number is a hash of its place, by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): of the seed, the context and the number of
the episode, of the time step, and of how many numbers the row has drawn in this time step. So whole batches are drawn at once.

Dimensions: K contexts, M episodes per context, E episodes, N rows of a batch, p context coordinates.
"""

import functools
import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from offctx.contexts.space import Contexts
from offctx.errors import PolicyError

Words = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WITHOUT_STREAMS = """
    beta binomial chisquare dirichlet exponential f gamma geometric gumbel hypergeometric laplace logistic lognormal logseries
    multinomial multivariate_hypergeometric multivariate_normal negative_binomial noncentral_chisquare noncentral_f pareto
    permutation permuted poisson power rayleigh shuffle spawn standard_cauchy standard_exponential standard_gamma standard_t
    triangular vonmises wald weibull zipf
""".split()  # noqa: SIM905  # methods of NumPy's generator

_ARRAYS_ALONE = ("permutation", "permuted", "shuffle", "spawn")  # of them, those that never give one number


class RowGenerator(np.random.Generator):
    """A NumPy generator for a batch of N rows, in which each row has its own stream.

    `random`, `uniform`, `standard_normal`, `normal`, `integers` and `choice` with replacement draw arrays whose first axis has
    length N: row i from stream i. One number, of any distribution, is common to the rows, from `common`. All else is refused
    with PolicyError: what a row gets would depend on the other rows, or on how many there are.

    Args:
        keys: of the streams (N,).
        common: the seed of what is drawn for all rows together.
    """

    def __init__(self, keys: Words, common: list[int]) -> None:
        super().__init__(np.random.PCG64(common))
        self._keys, self._common, self._drawn = keys, common, 0

    def of(self, rows: npt.NDArray[Any]) -> "RowGenerator":
        """The generator of some of the rows: of indices, or of a mask (N,)."""
        return RowGenerator(self._keys[rows], self._common)

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Uniform in [0, 1)."""
        if out is not None:
            _refuse_out("random")
        if not self._by_row(size, "random"):
            return super().random(size, dtype)
        shape = (size,) if isinstance(size, (int, np.integer)) else tuple(size)
        count = math.prod(shape[1:])
        places = np.arange(self._drawn + 1, self._drawn + count + 1, dtype=np.uint64)
        self._drawn += count
        words = _mixed(np.add(self._keys[:, None], _GOLDEN * places, dtype=np.uint64))
        return ((words >> np.uint64(11)) * 2.0**-53).reshape(shape).astype(dtype, copy=False)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Uniform in [low, high)."""
        shape = _shape(size, low, high)
        if not self._by_row(shape, "uniform"):
            return super().uniform(low, high)
        return low + np.subtract(high, low) * self.random(shape)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Gaussian with mean 0 and variance 1, by the method of Box and Muller."""
        if out is not None:
            _refuse_out("standard_normal")
        if not self._by_row(size, "standard_normal"):
            return super().standard_normal(size, dtype)
        radius, angle = np.sqrt(-2 * np.log1p(-self.random(size))), 2 * np.pi * self.random(size)
        return (radius * np.cos(angle)).astype(dtype, copy=False)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Gaussian with this mean and standard deviation."""
        shape = _shape(size, loc, scale)
        if not self._by_row(shape, "normal"):
            return super().normal(loc, scale)
        return loc + np.multiply(scale, self.standard_normal(shape))

    def integers(self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False) -> Any:
        """Whole numbers in [low, high), or in [0, low) where high is not given; with `endpoint`, high may be drawn."""
        shape = _shape(size, low, 0 if high is None else high)
        if not self._by_row(shape, "integers"):
            return super().integers(low, high, None, dtype, endpoint)
        least, end = (0, low) if high is None else (low, high)
        count = np.subtract(end, least) + int(endpoint)
        if np.any(count < 1):
            raise ValueError("low >= high")
        return (least + np.minimum(np.floor(self.random(shape) * count), count - 1)).astype(dtype)

    def choice(self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True) -> Any:
        """Entries of `a`, or whole numbers below it; with probabilities p where given."""
        if not self._by_row(size, "choice"):
            return super().choice(a, None, replace, p, axis, shuffle)
        if not replace:
            raise PolicyError("rng.choice has no streams for each row without replacement; rank rng.random((N, n)) instead")
        entries = np.arange(a) if np.ndim(a) == 0 else np.asarray(a)
        count = entries.shape[axis]
        if p is None:
            index = self.integers(count, size=size)
        else:
            index = np.minimum(np.searchsorted(np.cumsum(p), self.random(size), side="right"), count - 1)
        return np.take(entries, index, axis=axis)

    def _by_row(self, size: Any, name: str) -> bool:
        """Whether an array (N, ...) is drawn, not one number. PolicyError for an array of another shape."""
        if size is None or np.size(size) == 0:
            return False
        if int(np.ravel(size)[0]) == len(self._keys):
            return True
        raise PolicyError(
            f"rng.{name} was asked for numbers of shape {tuple(np.ravel(size).tolist())}, for {len(self._keys)} rows: expected "
            f"the rows as the first axis, as in rng.{name}(size=(len(observations), ...)), or one number for all rows (no size)"
        )


def _refuse_out(name: str) -> None:
    raise PolicyError(f"rng.{name}(out=...) does not draw row by row: give size=(len(observations), ...)")


def _refusing(name: str) -> Callable[..., Any]:
    """The method of this name of NumPy's generator, which draws one number, or refuses."""
    method = getattr(np.random.Generator, name)

    @functools.wraps(method)
    def draw(self: RowGenerator, *arguments: Any, **options: Any) -> Any:
        numbers = None if name in _ARRAYS_ALONE else method(self, *arguments, **options)
        if numbers is None or np.shape(numbers):
            raise PolicyError(
                f"rng.{name} has no stream for each row, so that what a row draws would depend on the other rows; draw by "
                "random, uniform, normal, standard_normal, integers or choice, and transform what they give"
            )
        return numbers

    return draw


for _name in _WITHOUT_STREAMS:
    setattr(RowGenerator, _name, _refusing(_name))


class EpisodeStreams:
    """A stream of random numbers for each episode: by evaluation seed, context and number of the episode, or by `of_seeds`.

    Args:
        seed: of the evaluation, >= 0.
        contexts: (K, p).
        episodes: M, per context. Episode m of context k is row k M + m.
        purpose: what the numbers are for; other purposes have other streams. 0 is the scored episodes.
    """

    def __init__(self, seed: int, contexts: Contexts, episodes: int, purpose: int = 0) -> None:
        self._seed, self._purpose = int(seed), purpose
        salt = hashlib.sha256(f"{self._seed}{f' purpose {purpose}' if purpose else ''}".encode()).digest()
        rows = np.asarray(contexts, dtype=np.float64) + 0.0  # -0.0 and 0.0 are the same context
        digests = [hashlib.sha256(salt + row.tobytes()).digest()[:8] for row in rows]
        of_context = np.array([int.from_bytes(digest, "little") for digest in digests], dtype=np.uint64)
        self._keys = _mixed(of_context[:, None] + _GOLDEN * np.arange(1, episodes + 1, dtype=np.uint64)).ravel()

    @classmethod
    def of_seeds(cls, seed: int, seeds: npt.NDArray[Any]) -> "EpisodeStreams":
        """A stream for each episode by its own seed (E,), such as those of `offctx.envs.rollout.episode_seeds`.

        Args:
            seed: of what is common to the episodes, >= 0.
            seeds: whole numbers >= 0.
        """
        streams = cls(seed, np.zeros((0, 1)), 0)
        streams._keys = _mixed(np.asarray(seeds).astype(np.uint64) + _GOLDEN)
        return streams

    def at(self, t: int, rows: npt.NDArray[Any]) -> RowGenerator:
        """Returns the generator of time step t for the episodes with these indices (N,)."""
        return RowGenerator(
            _mixed(self._keys[rows] + _GOLDEN * np.array([t + 1], dtype=np.uint64)), [self._seed, 2 + self._purpose, t]
        )


def _mixed(words: Words) -> Words:
    """The output function of SplitMix64: every bit of a word changes about half of the bits of its hash."""
    mixed = words ^ (words >> np.uint64(30))
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _shape(size: Any, *parameters: Any) -> Any:
    """What NumPy draws: `size`, or where that is None, the common shape of the parameters."""
    return np.broadcast_shapes(*map(np.shape, parameters)) or None if size is None else size

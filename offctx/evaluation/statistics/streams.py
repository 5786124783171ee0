"""The random generators of resampling."""

import zlib

import numpy as np


def statistic_rng(seed: int, split: str, statistic: str) -> np.random.Generator:
    """Returns the generator for one statistic of one split.

    Each statistic has a stream of its own, so that no number depends on which others were computed before. Methods share the
    stream: their intervals then differ by their returns, not by the draw.
    """
    return np.random.default_rng([seed, zlib.crc32(split.encode()), zlib.crc32(statistic.encode())])

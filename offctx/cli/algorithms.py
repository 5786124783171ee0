"""The algorithms of `offctx train --algorithm`, as a table: to import them takes seconds, and lists and shells need only names.

A test compares the table with `offctx.training.names.algorithms`.
"""

from typing import NamedTuple


class AlgorithmRow(NamedTuple):
    """What is known of an algorithm.

    Attributes:
        package: "d3rlpy" or "offctx".
        actions: "continuous" or "discrete".
    """

    package: str
    actions: str


_NAMES = {
    AlgorithmRow("d3rlpy", "continuous"): """
        awac bc bcq bear calql cql crr ddpg decisiontransformer iql plas plaswithperturbation prdc rebrac sac tacr td3 td3plusbc
    """,
    AlgorithmRow("d3rlpy", "discrete"): """
        discretebc discretebcq discretecql discretedecisiontransformer discretesac doubledqn dqn nfq
    """,
    AlgorithmRow("offctx", "continuous"): """
        concat corro csro da dma dma-pearl dma-star dma-star-sh dmash dr focal gentle perm pppo unicorn
    """,
    AlgorithmRow("offctx", "discrete"): """
        discreteperm discretepppo linearperm linearpevi linearpppo
    """,
}

ALGORITHMS = {name: row for row, names in _NAMES.items() for name in names.split()}

"""Keep the notices of other libraries out of what a tool prints."""

import logging
import warnings


def quiet_libraries() -> None:
    """Silence gym, d3rlpy, Minari and Gymnasium below errors. Call it before the first import of d3rlpy.

    d3rlpy imports gym, which prints that it is unmaintained, and logs each fit. Minari warns of missing authors.
    """
    import gym_notices.notices
    import gymnasium
    import structlog

    gym_notices.notices.notices.clear()
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    gymnasium.logger.min_level = gymnasium.logger.ERROR

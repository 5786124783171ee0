"""The contract of a contextual environment as a test suite, for everybody who writes an environment: `check_contextual_env`.

suite.py lists the properties in order; each of the other files tests some of them on the random episodes of case.py.
"""

from offctx.envs.testing.suite import check_contextual_env

__all__ = ["check_contextual_env"]

"""A family whose contexts do nothing in one mode of use is caught, and the message names the mode."""

from typing import Any

import numpy as np
import pytest
import torch

from offctx.contexts.space import ContextSpace
from offctx.envs import ContextualEnv, SimpleDirection
from offctx.envs.testing import check_contextual_env
from tests.envs.testing.test_suite import Drift, Plain


class Wind(Drift):
    """With bounds, so that contexts beyond them are tried."""

    context_space = ContextSpace(["wind"], -1.0, 1.0, 0.0, ["m/s"])


class FirstRowOnly(Wind):
    def transition(self, state, action, context):
        return state + 0.1 * (action + torch.sin(context[0]))


class OneRowOnly(Plain):
    def simulate(self, states, actions, contexts, noise=None):
        used = contexts if len(states) == 1 else np.ones_like(contexts)
        return super().simulate(states, actions, used, noise)


class BatchesOnly(Plain):
    def simulate(self, states, actions, contexts, noise=None):
        used = contexts if len(states) > 1 else np.ones_like(contexts)
        return super().simulate(states, actions, used, noise)


class MixedContextsOnly(Plain):
    """A short cut for rows of one context that forgets which."""

    def simulate(self, states, actions, contexts, noise=None):
        one = len(states) > 1 and (contexts == contexts[0]).all()
        return super().simulate(states, actions, np.ones_like(contexts) if one else contexts, noise)


class OneContextOnly(Plain):
    def simulate(self, states, actions, contexts, noise=None):
        one = (contexts == contexts[0]).all()
        return super().simulate(states, actions, contexts if one else np.ones_like(contexts), noise)


class ResetOnly(Plain):
    def simulate(self, states, actions, contexts, noise=None):
        return super().simulate(states, actions, np.tile(self.context, (len(states), 1)), noise)


class WithinBoundsOnly(Wind):
    def transition(self, state, action, context):
        return super().transition(state, action, context.clamp(-1.0, 1.0))


class DerivativesOfBatchesOnly(Plain):
    def derivatives(self, states, actions, contexts, noise=None):
        dnext, dreward = super().derivatives(states, actions, contexts, noise)
        return (dnext, dreward) if len(states) > 1 else (0 * dnext, 0 * dreward)


class NotInExpand(Wind):
    def expand(self, states, actions, contexts, dstates, dactions, dcontexts, noise=None):
        return super().expand(states, actions, contexts, dstates, dactions, None if dcontexts is None else 0 * dcontexts, noise)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (FirstRowOnly, r"Every row is simulated in the context of the first row: .*context\[\.\.\., 0\], not by context\[0\]"),
        (OneRowOnly, "Contexts do nothing where `simulate` gets several rows of different contexts or several rows of one"),
        (BatchesOnly, "Contexts do nothing where `simulate` gets one row alone"),
        (MixedContextsOnly, "Contexts do nothing where `simulate` gets several rows of one context"),
        (OneContextOnly, "Contexts do nothing where `simulate` gets several rows of different contexts"),
        (ResetOnly, r"`simulate` ignores its argument `contexts`; it must use that one, not self\.context"),
        (WithinBoundsOnly, "WithinBoundsOnly: context coordinate 'wind' does nothing beyond its bound -1, although reset"),
        (DerivativesOfBatchesOnly, "`derivatives` of next observations are 0 for one row alone"),
        (NotInExpand, "NotInExpand: `expand` along the context gives 0 for all next observations"),
    ],
)
def test_a_mode_in_which_contexts_do_nothing_is_named(family: type[ContextualEnv], message: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        check_contextual_env(family)


@pytest.mark.parametrize("family", [Wind, SimpleDirection])
def test_families_whose_contexts_do_the_same_in_all_modes_pass(family: Any) -> None:
    check_contextual_env(family)

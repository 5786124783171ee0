"""What a quantifier's bonus returns is an array of real numbers, or a sentence says so in every use."""

from typing import Any

import numpy as np
import pytest
import torch

from offctx.errors import LinearError
from offctx.linear import EllipticalUncertainty, LinearCMDP, ppe
from offctx.uncertainty.gamma import real_tensor
from offctx.uncertainty.quantifier import UncertaintyQuantifier


class Returns(UncertaintyQuantifier):
    """Returns whatever it is told to."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def fit(self, features: Any, counts: Any = None) -> "Returns":
        return self

    update = fit

    def bonus(self, features: Any, *, paired: bool = False) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "found NoneType"), ("one", "found str"), (torch.ones(2, dtype=torch.complex64), "complex64"),
     (torch.ones(2, dtype=torch.int64), "int64"), (torch.ones(2, dtype=torch.bool), "bool")],
)  # fmt: skip
def test_other_types_are_refused_in_a_sentence(value: Any, message: str) -> None:
    with pytest.raises(LinearError, match=f"from the bonus of .*{message}"):
        real_tensor(value, Returns(value))
    with pytest.raises(LinearError, match=message):
        Returns(value).bonus_by_block(torch.ones(2, 3, 4), 1)
    with pytest.raises(LinearError, match=message):
        Returns(value).bonus_of_rows(torch.ones(2, 4), torch.zeros(2, dtype=torch.int64))


def test_beta_takes_the_name_of_a_quantifier() -> None:
    cmdp = LinearCMDP.random_tabular(2, 3, 2, 2, np.random.default_rng(0))
    policy = np.full((2, 3, 2), 0.5)
    data = cmdp.sample(policy, 10, np.random.default_rng(0), bernoulli=True)
    named = ppe(*data, policy, cmdp.features, beta="elliptical")
    assert np.array_equal(named.q, ppe(*data, policy, cmdp.features, beta=EllipticalUncertainty(1.0)).q)
    with pytest.raises(LinearError, match="expected beta as one finite number"):
        ppe(*data, policy, cmdp.features, beta="large")

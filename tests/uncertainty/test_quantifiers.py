"""All registered quantifiers against the contract, and contracts that are broken on purpose."""

from typing import Any

import numpy as np
import pytest
import torch

from offctx.errors import LinearError
from offctx.uncertainty import (
    EllipticalUncertainty,
    EnsembleUncertainty,
    NoUncertainty,
    UncertaintyQuantifier,
    make_quantifier,
    quantifier_names,
    register_quantifier,
)
from offctx.uncertainty.gamma import DeferredCheck, check_gamma
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.registry import as_quantifier, describe, require_features
from offctx.uncertainty.testing import check_quantifier


@pytest.mark.parametrize("name", [name for name in quantifier_names() if not name.startswith("test_")])
def test_every_registered_quantifier_keeps_the_contract(name: str) -> None:
    check_quantifier(make_quantifier(name))


def test_settings_other_than_the_defaults_keep_it_too() -> None:
    check_quantifier(EllipticalUncertainty(0.3, ridge=0.01), d=6, seed=1)
    check_quantifier(EnsembleUncertainty(2.0))


class Visits(UncertaintyQuantifier):
    """beta / sqrt(number of rows + 1), whatever the features."""

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = beta

    def fit(self, features: Any, counts: Any = None) -> "Visits":
        rows = torch.as_tensor(features)[..., 0] * 0 + 1 if counts is None else torch.as_tensor(counts)
        return self.with_tensors({"rows": rows.double().sum(dim=-1)})

    def update(self, features: Any, counts: Any = None) -> "Visits":
        return self.with_tensors({"rows": self.rows + self.fit(features, counts).rows})

    def bonus(self, features: Any, *, paired: bool = False) -> Any:
        shape = features.shape[:-1]
        lead = self.rows.reshape((*self.rows.shape, *[1] * (len(shape) - (self.rows.ndim if paired else 0))))
        shape = shape if paired else (*self.rows.shape, *shape)
        gamma = (self.beta / (lead + 1).sqrt()).expand(shape)
        return gamma if isinstance(features, torch.Tensor) else gamma.numpy()


def test_a_small_quantifier_keeps_the_contract() -> None:
    check_quantifier(Visits(0.5))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("bonus", lambda self, features, paired=False: -Visits.bonus(self, features, paired=paired), "found values from -"),
        ("bonus", lambda self, features, paired=False: Visits.bonus(self, features, paired=paired) * np.nan, "nan"),
        ("bonus", lambda self, features, paired=False: Visits.bonus(self, features), "paired|shape"),
        ("fit", lambda self, features, counts=None: Visits.fit(self, features), "counts"),
        ("update", lambda self, features, counts=None: self.fit(features, counts), "update"),
        ("settings", lambda self: {}, "settings"),
        ("tensors", lambda self: {}, "select"),
    ],
)
def test_a_broken_contract_is_seen(name: str, change: Any, message: str) -> None:
    broken = type("Broken", (Visits,), {name: change})
    with pytest.raises((AssertionError, AttributeError, LinearError), match=message):
        check_quantifier(broken(0.5))


def test_padding_gives_each_group_its_own_rows() -> None:
    rows = torch.arange(8.0).reshape(4, 2)
    grouped = GroupedFeatures(_Same(), rows, None, torch.tensor([2, 0, 2, 2]), (2, 2))
    features, counts = grouped.padded()
    assert features.shape == (2, 2, 3, 2) and counts.tolist() == [[[1, 0, 0], [0, 0, 0]], [[1, 1, 1], [0, 0, 0]]]
    torch.testing.assert_close(features[1, 0], rows[[0, 2, 3]])
    torch.testing.assert_close(features[0, 0, 0], rows[1])
    torch.testing.assert_close(grouped.gram()[1, 0], (rows[[0, 2, 3]].T @ rows[[0, 2, 3]]).double())


class _Same(torch.nn.Module):
    size = 2

    def forward(self, observations: torch.Tensor, actions: torch.Tensor | None = None) -> torch.Tensor:
        return observations


# The check of Gamma


@pytest.mark.parametrize("odd", [-0.1, float("nan"), float("inf"), -float("inf")])
def test_gamma_that_is_negative_or_not_finite_is_refused(odd: float) -> None:
    gamma = torch.tensor([0.5, odd, 0.1])
    with pytest.raises(LinearError, match=r"expected a bonus >= 0 of shape \(3,\), finite, from NoUncertainty; found values"):
        check_gamma(gamma, _Named())
    with pytest.raises(LinearError, match="what it was computed from is not finite either"):
        check_gamma(gamma, _Named(), (3,), (torch.tensor([torch.nan]),))
    with pytest.raises(LinearError, match=r"of shape \(2,\) from NoUncertainty; found \(3,\)"):
        check_gamma(gamma, _Named(), (2,))


class _Named:
    def __repr__(self) -> str:
        return "NoUncertainty"


def test_gamma_that_is_fine_is_returned() -> None:
    gamma = torch.tensor([0.0, 3.0])
    assert check_gamma(gamma, _Named(), (2,)) is gamma and check_gamma(torch.zeros(0), _Named()).shape == (0,)


def test_on_a_cpu_each_query_is_checked_at_once() -> None:
    check = DeferredCheck(_Named())
    check(torch.ones(2), (2,))
    with pytest.raises(LinearError, match="found values from -1 to 1"):
        check(torch.tensor([1.0, -1.0]), (2,))


@pytest.mark.parametrize("odd", [-0.1, float("nan"), float("inf")])
def test_on_an_accelerator_the_check_comes_later(odd: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeferredCheck, "_waits", staticmethod(lambda gamma: True))
    check = DeferredCheck(_Named())
    check(torch.tensor([1.0, odd]), (2,))
    for _ in range(62):
        check(torch.ones(2), (2,))
    with pytest.raises(LinearError, match="from NoUncertainty"):
        check(torch.ones(2), (2,))
    check(torch.ones(2), (2,))
    check.settle()
    check(torch.tensor([odd, 1.0]), (2,))
    with pytest.raises(LinearError, match="from NoUncertainty"):
        check.settle()
    with pytest.raises(LinearError, match=r"of shape \(3,\)"):
        check(torch.ones(2), (3,))


# The registry


def test_names_are_unique_and_a_class_may_be_registered_anew() -> None:
    register_quantifier("test_visits")(Visits)
    register_quantifier("test_visits")(Visits)
    assert "test_visits" in quantifier_names() and describe(Visits(0.5)) == ("test_visits", {"beta": 0.5})
    assert isinstance(as_quantifier("test_visits"), Visits)
    with pytest.raises(LinearError, match=r"the name 'elliptical' belongs to offctx.uncertainty.elliptical"):
        register_quantifier("elliptical")(Visits)
    with pytest.raises(LinearError, match="expected a subclass of UncertaintyQuantifier"):
        register_quantifier("test_number")(int)  # type: ignore[type-var]


def test_what_is_no_quantifier_is_refused() -> None:
    with pytest.raises(LinearError, match=r"one of \['none', 'elliptical', 'ensemble'.*found 'eliptical'"):
        make_quantifier("eliptical")
    with pytest.raises(LinearError, match="does not take these settings"):
        make_quantifier("ensemble", ridge=1.0)
    with pytest.raises(LinearError, match="expected a quantifier or one of the names"):
        as_quantifier(3.0)  # type: ignore[arg-type]
    unknown = type("Unknown", (Visits,), {})
    with pytest.raises(LinearError, match="expected a registered quantifier, so that it can be saved; found Unknown"):
        describe(unknown())
    with pytest.raises(LinearError, match="must be numbers and strings"):
        describe(Visits(beta=torch.ones(2)))  # type: ignore[arg-type]
    with pytest.raises(LinearError, match=r"needs the values of a deep critic's members, and a buffer has no critic"):
        require_features(EnsembleUncertainty(), "a buffer")
    assert isinstance(require_features(NoUncertainty(), "a buffer"), NoUncertainty)

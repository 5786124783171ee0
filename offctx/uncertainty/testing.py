"""The contract of a quantifier as a test suite, for everybody who writes one: `check_quantifier`.

Dimensions: N rows of data, M rows of a query, d features, n groups, k members.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from offctx.errors import LinearError
from offctx.uncertainty.gamma import check_gamma
from offctx.uncertainty.groups import GroupedFeatures
from offctx.uncertainty.quantifier import UncertaintyQuantifier

_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}
_BATCH = (2, 3)


def check_quantifier(quantifier: UncertaintyQuantifier, d: int = 4, seed: int = 0) -> None:
    """Tests that a quantifier keeps the contract of `UncertaintyQuantifier`.

    Args:
        quantifier: not fitted.
        d: how many features it is tested with, in [2, 100].
        seed: of random features, of norm at most 1.

    Raises:
        AssertionError: a property does not hold; the message says which.

    Example::

        def test_my_quantifier() -> None:
            check_quantifier(MyQuantifier(beta=0.5))
    """
    rng = np.random.default_rng(seed)
    if quantifier.needs == "members":
        _check_members(quantifier, rng)
    else:
        case = _Case(quantifier, _features(rng, *_BATCH, 12, d), _features(rng, 7, d))
        for check in (_check_values, _check_counts, _check_batch, _check_update, _check_purity, _check_state, _check_groups):
            check(case)
    _check_settings(quantifier)


class _Case:
    """A quantifier, data (2, 3, 12, d) and a query (7, d), float64."""

    def __init__(self, quantifier: UncertaintyQuantifier, data: Tensor, query: Tensor) -> None:
        self.quantifier, self.data, self.query = quantifier, data, query


def _check_values(case: _Case) -> None:
    fitted = case.quantifier.fit(case.data[0, 0])
    _gamma(fitted, case.query, (7,))
    _gamma(fitted, case.query[0], ())
    _gamma(case.quantifier.fit(case.data[0, 0, :0]), case.query, (7,))
    array = case.quantifier.fit(case.data[0, 0].numpy()).bonus(case.query.numpy())
    assert isinstance(array, np.ndarray), f"expected a NumPy bonus of NumPy features; found {type(array).__name__}"
    _assert_close(array, fitted.bonus(case.query), "NumPy features", "the same features as a tensor")


def _check_counts(case: _Case) -> None:
    rows, counts = case.data[0, 0], torch.arange(12) % 4
    fitted = case.quantifier.fit(rows, counts)
    repeated = case.quantifier.fit(rows.repeat_interleave(counts, dim=0))
    _assert_close(_gamma(fitted, case.query, (7,)), repeated.bonus(case.query), "counts", "rows repeated as often")
    batch = torch.stack([counts, counts.flip(0)])
    shared = _gamma(case.quantifier.fit(rows, batch), case.query, (2, 7))
    for own, gamma in zip(batch, shared, strict=True):
        _assert_close(gamma, case.quantifier.fit(rows, own).bonus(case.query), "counts (*batch, N)", "one after the other")


def _check_batch(case: _Case) -> None:
    fitted = case.quantifier.fit(case.data)
    shared = _gamma(fitted, case.query, (*_BATCH, 7))
    own_queries = case.query.expand(*_BATCH, 7, -1) * torch.arange(1, 7).reshape(*_BATCH, 1, 1) / 6
    paired = fitted.bonus(own_queries, paired=True)
    check_gamma(paired, fitted, (*_BATCH, 7))
    for index in np.ndindex(*_BATCH):
        alone = case.quantifier.fit(case.data[index])
        _assert_close(shared[index], alone.bonus(case.query), "a batch", "one after the other")
        _assert_close(paired[index], alone.bonus(own_queries[index]), "paired queries", "one after the other")
        _assert_close(fitted.select(index).bonus(case.query), shared[index], "select(index)", "the same index of the bonus")


def _check_update(case: _Case) -> None:
    whole = case.quantifier.fit(case.data)
    first = case.quantifier.fit(case.data[:, :, :5])
    before = first.bonus(case.query)
    _assert_close(first.update(case.data[:, :, 5:]).bonus(case.query), whole.bonus(case.query), "update", "a fit to all data")
    _assert_close(first.bonus(case.query), before, "a quantifier after its update", "before")


def _check_purity(case: _Case) -> None:
    once = case.quantifier.fit(case.data[1, 1]).bonus(case.query)
    refitted = case.quantifier.fit(case.data[0, 0]).fit(case.data[1, 1]).bonus(case.query)
    _assert_close(refitted, once, "a second fit", "a first fit to the same data")


def _check_state(case: _Case) -> None:
    fitted = case.quantifier.fit(case.data)
    tensors = fitted.tensors()
    for name, tensor in tensors.items():
        assert tensor.shape[:2] == _BATCH, f"expected {name} of shape (*batch, ...), {_BATCH}; found {tuple(tensor.shape)}"
    restored = type(case.quantifier)(**case.quantifier.settings()).with_tensors(tensors)
    _assert_close(restored.bonus(case.query), fitted.bonus(case.query), "settings() and tensors()", "what was saved")
    _assert_close(fitted.to(torch.float32).bonus(case.query.float()), fitted.bonus(case.query), "float32", "float64")


class _Itself(nn.Module):
    """Features that are the observation itself."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.size = d

    def forward(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """The observations."""
        return observations


def _check_groups(case: _Case) -> None:
    rows = case.data.flatten(0, 2)
    groups = (torch.arange(len(rows)) ** 2 % 7).clamp(max=5)  # of unequal sizes, group 3 without rows
    grouped = GroupedFeatures(_Itself(rows.shape[1]), rows, None, groups, _BATCH)
    fitted = case.quantifier.fit_groups(grouped)
    gamma = _gamma(fitted, case.query, (*_BATCH, 7))
    for group, index in enumerate(np.ndindex(*_BATCH)):
        alone = case.quantifier.fit(rows[groups == group])
        _assert_close(gamma[index], alone.bonus(case.query), "fit_groups", "each group alone")
    blocks = fitted.bonus_by_block(case.query.expand(2, 7, -1), 3)
    _assert_close(blocks, gamma.movedim(1, -1), "bonus_by_block", "bonus")
    flat = case.quantifier.fit_groups(GroupedFeatures(grouped.features, rows, None, groups, (6,)))
    of_rows = flat.bonus_of_rows(case.query, torch.tensor([5, 0, 3, 3, 1, 2, 4]))
    expected = gamma.flatten(0, 1)[torch.tensor([5, 0, 3, 3, 1, 2, 4]), torch.arange(7)]
    _assert_close(of_rows, expected, "bonus_of_rows", "bonus")


def _check_members(quantifier: UncertaintyQuantifier, rng: np.random.Generator) -> None:
    members = torch.from_numpy(rng.standard_normal((2, 5, 3)))
    gamma = _gamma(quantifier, members, (2, 5))
    _assert_close(quantifier.bonus(members.numpy()), gamma, "NumPy members", "the same members as a tensor")
    try:
        quantifier.fit(members)
    except LinearError:
        return
    raise AssertionError("expected fit of a quantifier of members to be refused with LinearError; found it accepted")


def _check_settings(quantifier: UncertaintyQuantifier) -> None:
    settings = quantifier.settings()
    restored_settings = type(quantifier)(**settings).settings()
    assert restored_settings == settings, (
        f"expected settings that make the same quantifier, {settings}; found {restored_settings}"
    )


def _features(rng: np.random.Generator, *shape: int) -> Tensor:
    rows = rng.standard_normal(shape)
    return torch.from_numpy(rows / np.maximum(1, np.linalg.norm(rows, axis=-1, keepdims=True)))


def _gamma(fitted: UncertaintyQuantifier, query: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The checked bonus."""
    try:
        return check_gamma(fitted.bonus(query), fitted, shape)
    except LinearError as error:
        raise AssertionError(str(error)) from error


def _assert_close(actual: Any, expected: Any, what: str, other: str) -> None:
    one, two = torch.as_tensor(actual), torch.as_tensor(expected)
    tolerance = max(_TOLERANCES.get(tensor.dtype, 1e-3) for tensor in (one, two))
    if one.shape != two.shape or not torch.allclose(one.double(), two.double(), rtol=tolerance, atol=tolerance):
        raise AssertionError(f"expected the same Gamma of {what} and of {other}; found {one.tolist()} and {two.tolist()}"[:500])

"""The elliptical quantifier against np.linalg.inv, and theory's beta against numbers worked out by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from offctx.errors import LinearError
from offctx.linear import EllipticalUncertainty, UncertaintyQuantifier, beta_perm, beta_pevi, beta_pppo

RNG = np.random.default_rng(0)


def by_inverse(data: np.ndarray, asked: np.ndarray, beta: float, ridge: float) -> np.ndarray:
    """beta sqrt(phi^T Lambda^{-1} phi), one row at a time."""
    inverse = np.linalg.inv(sum(np.outer(phi, phi) for phi in data) + ridge * np.eye(data.shape[-1]))
    return np.array([beta * np.sqrt(phi @ inverse @ phi) for phi in asked])


def test_one_data_set_against_the_inverse() -> None:
    data, asked = RNG.standard_normal((30, 5)), RNG.standard_normal((7, 5))
    bonus = EllipticalUncertainty(0.7, 0.3).fit(data).bonus(asked)
    np.testing.assert_allclose(bonus, by_inverse(data, asked, 0.7, 0.3), rtol=1e-12)


def test_no_data_leaves_the_ridge_alone() -> None:
    """Lambda = 4 I, so the bonus is beta |phi| / 2."""
    bonus = EllipticalUncertainty(3.0, 4.0).fit(np.zeros((0, 2))).bonus(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(bonus, [7.5, 0.0])


@pytest.mark.parametrize("paired", [False, True])
def test_a_batch_is_as_many_quantifiers(paired: bool) -> None:
    data = RNG.standard_normal((2, 3, 20, 4))
    asked = RNG.standard_normal((2, 3, 5, 6, 4) if paired else (5, 6, 4))
    bonus = EllipticalUncertainty(1.5).fit(data).bonus(asked, paired=paired)
    assert bonus.shape == (2, 3, 5, 6)
    for i in range(2):
        for h in range(3):
            own = asked[i, h] if paired else asked
            np.testing.assert_allclose(bonus[i, h].ravel(), by_inverse(data[i, h], own.reshape(-1, 4), 1.5, 1), rtol=1e-12)


def test_counts_are_repetitions() -> None:
    rows, counts = RNG.standard_normal((6, 3)), RNG.integers(0, 4, (2, 5, 6))
    shared = EllipticalUncertainty(1.0).fit(rows, counts).bonus(rows)
    each = EllipticalUncertainty(1.0).fit(np.broadcast_to(rows, (2, 5, 6, 3)), counts).bonus(rows)
    np.testing.assert_allclose(shared, each, rtol=1e-12)
    for i, h in np.ndindex(2, 5):
        np.testing.assert_allclose(shared[i, h], by_inverse(np.repeat(rows, counts[i, h], axis=0), rows, 1, 1), rtol=1e-12)


def test_more_matrices_than_are_worked_on_at_a_time() -> None:
    """130 of them, in blocks of 64: the last is a short one."""
    rows, counts = RNG.standard_normal((6, 3)), RNG.integers(0, 4, (10, 13, 6))
    fitted = EllipticalUncertainty(1.0, 0.5).fit(rows, counts)
    precision = np.einsum("ihm,md,me->ihde", counts, rows, rows) + 0.5 * np.eye(3)
    np.testing.assert_allclose(fitted.cholesky, np.linalg.cholesky(precision), rtol=1e-12, atol=1e-14)
    square = np.einsum("md,ihde,me->ihm", rows, np.linalg.inv(precision), rows)
    np.testing.assert_allclose(fitted.bonus(rows), np.sqrt(square), rtol=1e-11)


def test_updating_is_refitting() -> None:
    data, asked = RNG.standard_normal((3, 40, 6)), RNG.standard_normal((9, 6))
    first = EllipticalUncertainty(1.0, 0.5).fit(data[:, :10])
    whole = EllipticalUncertainty(1.0, 0.5).fit(data)
    step_by_step = first
    for k in range(10, 40):
        step_by_step = step_by_step.update(data[:, k : k + 1])
    np.testing.assert_allclose(step_by_step.bonus(asked), whole.bonus(asked), rtol=1e-12)
    np.testing.assert_allclose(first.update(data[:, 10:]).bonus(asked), whole.bonus(asked), rtol=1e-12)
    np.testing.assert_allclose(EllipticalUncertainty(1.0, 0.5).update(data).bonus(asked), whole.bonus(asked), rtol=1e-12)
    assert (first.bonus(asked) > whole.bonus(asked)).all(), "more data, less uncertainty; and the first must stay as it was"


def test_fit_forgets_and_leaves_the_prototype_alone() -> None:
    data, asked = RNG.standard_normal((2, 10, 3)), np.eye(3)
    prototype = EllipticalUncertainty(1.0)
    np.testing.assert_array_equal(
        prototype.fit(data[0]).fit(data[1]).bonus(asked), prototype.fit(data[1]).bonus(asked)
    )  # fmt: skip
    with pytest.raises(LinearError, match="has seen no data; use what its fit"):
        prototype.bonus(asked)


@pytest.mark.parametrize("paired", [False, True])
def test_tensors_give_tensors_and_gradients(paired: bool) -> None:
    """The gradient is beta Lambda^{-1} phi / sqrt(phi^T Lambda^{-1} phi)."""
    data = RNG.standard_normal((20, 4))
    phi = torch.tensor(RNG.standard_normal((5, 4)), requires_grad=True)
    bonus = EllipticalUncertainty(2.0).fit(data).bonus(phi, paired=paired)
    assert isinstance(bonus, torch.Tensor)
    (slope,) = torch.autograd.grad(bonus.sum(), phi)
    inverse, rows = np.linalg.inv(data.T @ data + np.eye(4)), phi.detach().numpy()
    by_hand = 2 * rows @ inverse / np.sqrt(np.einsum("nd,de,ne->n", rows, inverse, rows))[:, None]
    np.testing.assert_allclose(slope.numpy(), by_hand, rtol=1e-10)
    float32 = EllipticalUncertainty(2.0).fit(torch.tensor(data, dtype=torch.float32)).bonus(phi.float())
    assert float32.dtype == torch.float64, "float64 inside, whatever comes"


def test_many_rows_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    quantifier, asked = EllipticalUncertainty(1.0).fit(RNG.standard_normal((2, 9, 3))), RNG.standard_normal((50, 3))
    at_once = quantifier.bonus(asked)
    monkeypatch.setattr("offctx.uncertainty.arrays.CHUNK", 24)  # four rows of six numbers
    np.testing.assert_allclose(quantifier.bonus(asked), at_once, rtol=1e-13)


def test_it_is_the_interface() -> None:
    assert issubclass(EllipticalUncertainty, UncertaintyQuantifier)
    with pytest.raises(TypeError, match="abstract"):
        UncertaintyQuantifier()  # type: ignore[abstract]


def test_betas_by_hand() -> None:
    """d H sqrt(log(2 d H K / delta)) and its kin, for d = 2, H = 3, n = 5, K = 10, A = 4, delta = 0.1."""
    assert beta_pevi(2, 3, 10, 0.1) == pytest.approx(6 * np.sqrt(np.log(1200)))
    assert beta_perm(2, 3, 5, 10, 0.1, 7.0) == pytest.approx(6 * np.sqrt(np.log(6000) + 7))
    assert beta_pppo(2, 3, 5, 10, 4, 0.1, c=0.5) == pytest.approx(3 * np.sqrt(np.log(24000)))
    assert beta_perm(2, 3, 5, 10, 0.1, np.log(4)) == pytest.approx(beta_pppo(2, 3, 5, 10, 4, 0.1)), "|A| in |Pi|'s place"


BAD: list[tuple[Any, str]] = [
    (lambda: EllipticalUncertainty(-0.1), "expected beta >= 0; found -0.1"),
    (lambda: EllipticalUncertainty(float("nan")), "expected beta as one finite number >= 0; found nan"),
    (lambda: EllipticalUncertainty(1, 0), "expected ridge > 0; found 0"),
    (lambda: EllipticalUncertainty(1).fit(np.zeros(3)), r"features of shape \(N, d\).* found \(3,\)"),
    (lambda: EllipticalUncertainty(1).fit(np.array([[np.nan, 1]])), "expected finite features; found nan or inf"),
    (lambda: EllipticalUncertainty(1).fit(np.eye(3), np.ones(2)), r"expected counts >= 0 .* found shape \(2,\)"),
    (lambda: EllipticalUncertainty(1).fit(np.eye(3), -np.ones(3)), "expected counts >= 0 .* least -1"),
    (lambda: EllipticalUncertainty(1, 1e-30).fit(np.ones((5, 2))), "singular in float64 with ridge 1e-30"),
    (lambda: EllipticalUncertainty(1).fit(np.eye(3)).bonus(np.eye(2)), r"\(\.\.\., 3\), as fitted; found \(2, 2\)"),
    (lambda: EllipticalUncertainty(1).fit(np.zeros((2, 1, 3))).bonus(np.zeros((4, 3)), paired=True), r"\(2,\) \+ .*\(4, 3\)"),
    (lambda: EllipticalUncertainty(1).fit(np.eye(3)).update(np.eye(2)), "expected more data for .* 3 features; found .* 2 f"),
    (lambda: beta_pevi(2, 3, 10, 1.5), "0 < delta < 1; found 1.5"),
    (lambda: beta_pevi(2, 0, 10, 0.1), "expected H as a whole number >= 1; found 0"),
    (lambda: beta_perm(2, 3, 5, 10, 0.1, -1.0), "expected log_covering >= 0; found -1"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_told(call: Any, message: str) -> None:
    with pytest.raises(LinearError, match=message):
        call()

"""Feature maps against kernels and numbers worked out by hand; Gram matrices against one group after the other."""

import numpy as np
import pytest
import torch
from torch import nn

from offctx.errors import LinearError
from offctx.linear import EllipticalUncertainty
from offctx.uncertainty.features import admit_features, make_features
from offctx.uncertainty.fourier import FourierFeatures
from offctx.uncertainty.gram import gram_matrices
from offctx.uncertainty.identity import IdentityFeatures


def rows(n: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Observations in very different units, and actions."""
    rng = np.random.default_rng(seed)
    observations = rng.standard_normal((n, 3)) * [1.0, 50.0, 0.01] + [0.0, 300.0, 2.0]
    return torch.tensor(observations, dtype=torch.float32), torch.tensor(rng.uniform(-1, 1, (n, 2)), dtype=torch.float32)


# --- Fourier features -------------------------------------------------------------------------------------------------


def test_fourier_features_are_cosines_and_sines_of_standardised_inputs() -> None:
    observations, actions = rows()
    features = FourierFeatures(3, 2, size=10, bandwidth=1.5, seed=3).double().fit(observations, actions)
    x = torch.cat([observations, actions], dim=1).double().numpy()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    drawn = torch.randn(5, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64).numpy()
    angles = z @ drawn / 1.5
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(5)
    np.testing.assert_allclose(features(observations.double(), actions.double()), expected, rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1)


def test_their_products_are_the_kernel() -> None:
    """exp(-|z - z'|^2 / 2 b^2); 4000 frequencies leave an error of about 1 / sqrt(4000)."""
    observations, actions = rows(60)
    phi = FourierFeatures(3, 2, size=8000, bandwidth=2.0).fit(observations, actions)(observations, actions)
    x = torch.cat([observations, actions], dim=1).double()
    z = (x - x.mean(dim=0)) / x.std(dim=0, correction=0)
    kernel = torch.exp(-torch.cdist(z, z).square() / (2 * 2.0**2))
    assert (phi @ phi.T - kernel).abs().max() < 0.08
    assert kernel.std() > 0.1


def test_the_bandwidth_is_the_median_distance_of_standardised_rows() -> None:
    """0 and 2 standardise to -1 and 1, at distance 2; a coordinate that never changes counts nothing."""
    data = torch.tensor([[0.0, 7.0], [2.0, 7.0]])
    found, given = (FourierFeatures(2, size=6, bandwidth=b).fit(data) for b in (None, 2.0))
    torch.testing.assert_close(found.frequencies, given.frequencies)
    torch.testing.assert_close(found.std, torch.ones(2))


def test_equal_rows_have_no_median_distance() -> None:
    phi = FourierFeatures(2, size=6).fit(torch.ones(5, 2))(torch.ones(5, 2))
    assert phi.isfinite().all()


def test_the_seed_decides_the_frequencies_and_no_other_generator() -> None:
    observations, actions = rows(1500)
    before = torch.get_rng_state()
    made = [FourierFeatures(3, 2, seed=seed).fit(observations, actions)(observations, actions) for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(made[0], made[1]) and not torch.allclose(made[0], made[2], atol=0.1)


# --- given features ---------------------------------------------------------------------------------------------------


def test_identity_features_are_the_observation_and_the_action() -> None:
    x, a = torch.tensor([[0.6, 0.0]]), torch.tensor([[0.8]])
    features = IdentityFeatures(2, 1).fit(x, a)
    assert features.size == 3
    assert features(x, a).tolist() == torch.tensor([[0.6, 0.0, 0.8]]).tolist()
    assert IdentityFeatures(2).fit(x)(x).tolist() == x.tolist()


def test_given_features_that_are_too_long_are_told_or_divided() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    with pytest.raises(LinearError, match=r"norm at most 1.*norm 5: use IdentityFeatures.*normalise=True"):
        IdentityFeatures(2).fit(x)
    np.testing.assert_allclose(IdentityFeatures(2, normalise=True).fit(x)(x), [[0.6, 0.8], [0.0, 0.4]], rtol=1e-6)
    assert IdentityFeatures(2, normalise=True).fit(torch.zeros(3, 2))(torch.zeros(1, 2)).tolist() == [[0, 0]]


# --- both -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: FourierFeatures(3, 2, size=16), lambda: IdentityFeatures(3, 2, normalise=True)])
def test_a_state_dict_holds_all_that_was_fitted(make) -> None:
    observations, actions = rows()
    features, loaded = make().fit(observations, actions), make()
    loaded.load_state_dict(features.state_dict())
    assert torch.equal(loaded(observations, actions), features(observations, actions))


@pytest.mark.parametrize("make", [lambda: FourierFeatures(3, 2, size=8), lambda: IdentityFeatures(3, 2, normalise=True)])
def test_gradients_are_those_of_finite_differences(make) -> None:
    observations, actions = (part[:4].double() for part in rows())
    features = make().double().fit(observations, actions)
    inputs = (observations.requires_grad_(), actions.requires_grad_())
    assert torch.autograd.gradcheck(features, inputs, eps=1e-7, atol=1e-4, rtol=1e-3)


def test_any_leading_dimensions() -> None:
    observations, actions = rows(24)
    features = FourierFeatures(3, 2, size=8).fit(observations, actions)
    packed = features(observations.reshape(2, 3, 4, 3), actions.reshape(2, 3, 4, 2))
    torch.testing.assert_close(packed.reshape(24, 8), features(observations, actions))


def test_read_only_numpy_arrays_are_data_too() -> None:
    data = np.eye(3)
    data.flags.writeable = False
    assert IdentityFeatures(3).fit(data).is_fitted


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FourierFeatures(3)(torch.zeros(1, 3)), r"FourierFeatures has not been fitted: call fit"),
        (lambda: FourierFeatures(3).fit(torch.zeros(4, 2)), r"of sizes \(3,\); found \(2,\)"),
        (lambda: FourierFeatures(3, 1).fit(torch.zeros(4, 3)), r"observations and actions of sizes \(3, 1\); found \(3,\)"),
        (lambda: FourierFeatures(3).fit(torch.zeros(4, 3), torch.zeros(4, 1)), r"observations alone \(action_size is 0\)"),
        (lambda: FourierFeatures(3).fit(torch.zeros(0, 3)), r"rows \(N, 3\); found \(0, 3\)"),
        (lambda: FourierFeatures(1).fit(torch.tensor([[torch.nan]])), "finite observations"),
        (lambda: FourierFeatures(3, size=7), "even size"),
        (lambda: FourierFeatures(3, bandwidth=0.0), "bandwidth > 0"),
        (lambda: FourierFeatures(0), "observation_size"),
        (lambda: make_features("wavelets", 3), r"\['fourier', 'observation'\], or a feature map; found 'wavelets'"),
    ],
)
def test_what_does_not_fit_is_told(call, message: str) -> None:
    with pytest.raises(LinearError, match=message):
        call()


# --- a user's own -----------------------------------------------------------------------------------------------------


class Tiles(nn.Module):
    """Which half of the line the first coordinate lies in."""

    size = 2

    def forward(self, observations: torch.Tensor, actions: torch.Tensor | None = None) -> torch.Tensor:
        right = observations[..., :1] > 0
        return torch.cat([right, ~right], dim=-1).float()


class Long(Tiles):
    def forward(self, observations: torch.Tensor, actions: torch.Tensor | None = None) -> torch.Tensor:
        return 2 * super().forward(observations, actions)


class Wide(Tiles):
    size = 3


def test_any_module_with_a_size_serves() -> None:
    x = torch.tensor([[1.0], [-1.0], [2.0]])
    assert admit_features(Tiles(), x) == 2
    assert gram_matrices(Tiles(), x, None, torch.zeros(3, dtype=torch.int64), 1).tolist() == [[[2, 0], [0, 1]]]
    for bad, message in ((Long(), "norm 2: divide"), (Wide(), r"give \(N, 3\).*found \(2, 2\)"), (nn.ReLU(), "size of ReLU")):
        with pytest.raises(LinearError, match=message):
            admit_features(bad, x[:2])


def test_admitting_fits_what_is_not_fitted_and_leaves_what_is() -> None:
    x = rows()[0]
    fresh, fitted = FourierFeatures(3, size=4), FourierFeatures(3, size=4).fit(x[:10])
    mean = fitted.mean.clone()
    admit_features(fresh, x), admit_features(fitted, x)
    assert torch.equal(fitted.mean, mean) and not torch.allclose(fresh.mean, mean)


# --- Gram matrices ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[5, 0, 1], [1, 1, 900, 33], [17], [0, 600, 16, 2, 2]])
def test_gram_matrices_are_those_of_each_group(sizes: list[int]) -> None:
    observations, actions = rows(sum(sizes))
    order = np.random.default_rng(1).permutation(sum(sizes))
    groups = torch.tensor(np.repeat(np.arange(len(sizes)), sizes)[order])
    features = FourierFeatures(3, 2, size=6).fit(observations, actions)
    grams = gram_matrices(features, observations, actions, groups, len(sizes))
    phi = features(observations, actions).double()
    for i, gram in enumerate(grams):
        torch.testing.assert_close(gram, phi[groups == i].T @ phi[groups == i], rtol=1e-12, atol=1e-12)


def test_gram_matrices_do_not_depend_on_how_much_is_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    observations, actions = rows(300)
    groups = torch.arange(300) % 7
    features = FourierFeatures(3, 2, size=6).fit(observations, actions)
    whole = gram_matrices(features, observations, actions, groups, 7)
    monkeypatch.setattr("offctx.uncertainty.arrays.CHUNK", 1)
    torch.testing.assert_close(gram_matrices(features, observations, actions, groups, 7), whole)
    assert admit_features(features, observations, actions) == 6


def test_gram_matrices_without_rows_are_zero() -> None:
    features = IdentityFeatures(2).fit(torch.zeros(1, 2))
    grams = gram_matrices(features, torch.zeros(0, 2), None, torch.zeros(0, dtype=torch.int64), 3)
    assert grams.shape == (3, 2, 2) and not grams.any()


@pytest.mark.parametrize("groups", [[0, 3], [-1, 0], [0]])
def test_groups_out_of_range_are_told(groups: list[int]) -> None:
    features = IdentityFeatures(2).fit(torch.zeros(2, 2))
    with pytest.raises(LinearError, match=r"groups of shape \(2,\) in 0..2"):
        gram_matrices(features, torch.zeros(2, 2), None, torch.tensor(groups), 3)


def test_a_quantifier_of_gram_matrices_is_the_one_of_their_data() -> None:
    observations, actions = rows(90)
    features = FourierFeatures(3, 2, size=6).double().fit(observations, actions)
    phi = features(observations, actions).reshape(3, 30, 6)
    groups = torch.arange(3).repeat_interleave(30)
    made = EllipticalUncertainty.from_gram(gram_matrices(features, observations, actions, groups, 3), 0.7, 0.1)
    fitted = EllipticalUncertainty(0.7, 0.1).fit(phi)
    torch.testing.assert_close(made.cholesky, fitted.cholesky, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(made.bonus(phi, paired=True), fitted.bonus(phi, paired=True), rtol=1e-10, atol=1e-12)
    lengths = torch.linalg.vector_norm(phi @ made.whitening.mT, dim=-1)
    torch.testing.assert_close(0.7 * lengths, fitted.bonus(phi, paired=True), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("gram", "message"),
    [(np.ones((2, 3)), r"\(..., d, d\)"), (np.full((2, 2), np.nan), "finite"), (-9 * np.eye(2), "larger ridge")],
)
def test_what_is_no_gram_matrix_is_told(gram: np.ndarray, message: str) -> None:
    with pytest.raises(LinearError, match=message):
        EllipticalUncertainty.from_gram(gram, 1.0)

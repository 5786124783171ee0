"""A user's own quantifier, one class and one registration, in every use; and broken ones, refused in every use."""

from typing import Any

import d3rlpy
import numpy as np
import pytest
import torch
from d3rlpy.models import VectorEncoderFactory

import offctx
from offctx.algos import (
    DiscretePERMConfig,
    DiscretePPPOConfig,
    EllipticalUncertaintyFactory,
    EnsembleUncertaintyFactory,
    LinearPERMConfig,
    LinearPEVIConfig,
    LinearPPPOConfig,
    PERMConfig,
    PPPOConfig,
    QuantifierFactory,
)
from offctx.errors import AlgorithmError, LinearError, OffctxError
from offctx.linear import EllipticalUncertainty, LinearCMDP, perm, pevi, ppe, pppo
from offctx.uncertainty import UncertaintyQuantifier, register_quantifier
from offctx.uncertainty.testing import check_quantifier


@register_quantifier("test_nearest")
class Nearest(UncertaintyQuantifier):
    """Gamma = beta times the distance to the nearest row of the data, at most `most`."""

    def __init__(self, beta: float = 1.0, most: float = 2.0) -> None:
        self.beta, self.most = beta, most

    def fit(self, features: Any, counts: Any = None) -> "Nearest":
        rows = torch.as_tensor(features)
        seen = torch.ones(rows.shape[:-1], dtype=torch.bool) if counts is None else torch.as_tensor(counts) > 0
        return self.with_tensors({"rows": rows.expand(*seen.shape, rows.shape[-1]).clone(), "seen": seen})

    def update(self, features: Any, counts: Any = None) -> "Nearest":
        more = self.fit(features, counts)
        return self.with_tensors({"rows": torch.cat([self.rows, more.rows], -2), "seen": torch.cat([self.seen, more.seen], -1)})

    def bonus(self, features: Any, *, paired: bool = False) -> Any:
        query = torch.as_tensor(features)
        batch, shape = self.seen.shape[:-1], query.shape[self.seen.ndim - 1 : -1] if paired else query.shape[:-1]
        rows = query.reshape(*batch, -1, query.shape[-1]) if paired else query.reshape(-1, query.shape[-1])
        distances = torch.cdist(rows.expand(*batch, *rows.shape[-2:]), self.rows.to(query.dtype))
        far = torch.full((*distances.shape[:-1], 1), self.most, dtype=query.dtype)  # where there are no data too
        nearest = torch.cat([distances.masked_fill(~self.seen[..., None, :], self.most), far], dim=-1).amin(dim=-1)
        gamma = self.beta * nearest.reshape((*batch, *shape))
        return gamma if isinstance(features, torch.Tensor) else gamma.numpy()


@register_quantifier("test_broken")
class Broken(Nearest):
    """Gamma as above, but `odd` where it is largest."""

    def __init__(self, odd: float = -1.0) -> None:
        super().__init__()
        self.odd = odd

    def bonus(self, features: Any, *, paired: bool = False) -> Any:
        gamma = torch.as_tensor(super().bonus(features, paired=paired)).clone()
        gamma[gamma == gamma.max()] = self.odd
        return gamma if isinstance(features, torch.Tensor) else gamma.numpy()


SMALL = {name: VectorEncoderFactory([16]) for name in ("actor_encoder_factory", "critic_encoder_factory")} | {"batch_size": 16}
QUIET = {"logger_adapter": d3rlpy.logging.NoopAdapterFactory(), "show_progress": False}
ODD = [-1.0, float("nan")]
DEEP = {
    "perm": (PERMConfig, "pendulum", {"evaluation": "policy"}),
    "perm, discrete": (DiscretePERMConfig, "chooser", {"evaluation": "policy"}),
    "pppo": (PPPOConfig, "pendulum", {"evaluation_steps": 2, "improvement_steps": 1}),
    "pppo, discrete": (DiscretePPPOConfig, "chooser", {"evaluation_steps": 2, "improvement_steps": 1}),
}
LINEAR = {"pevi": LinearPEVIConfig, "perm": LinearPERMConfig, "pppo": LinearPPPOConfig}


def test_it_keeps_the_contract() -> None:
    check_quantifier(Nearest(0.7))


# Exact theory


def theory() -> tuple[LinearCMDP, Any, np.ndarray]:
    cmdp = LinearCMDP.random_tabular(3, 3, 2, 2, np.random.default_rng(0))
    policy = np.full((2, 3, 2), 0.5)
    return cmdp, cmdp.sample(policy, 3, np.random.default_rng(1)), policy


def test_in_theory_gamma_is_subtracted_from_the_regression() -> None:
    """On one-hot features the distance is 0 to what was seen, sqrt(2) to all else."""
    cmdp, data, policy = theory()
    result = ppe(*data, policy, cmdp.features, beta=Nearest(0.5))
    seen = np.zeros(result.bonus.shape, dtype=bool)
    for i, k, h in np.ndindex(*data.actions.shape):
        seen[i, h, data.states[i, k, h], data.actions[i, k, h]] = True
    np.testing.assert_allclose(result.bonus, np.where(seen, 0, 0.5 * np.sqrt(2)), atol=1e-7)
    plain = ppe(*data, policy, cmdp.features, beta=0.0)
    assert (result.v <= plain.v + 1e-12).all() and not seen.all()
    pevi(*data, cmdp.features, beta=Nearest(0.5))
    perm(*data, cmdp.features, initial=cmdp.initial, beta=Nearest(0.5), seed=0)
    pppo(*data, cmdp.features, beta=Nearest(0.5), seed=0, split=False)


@pytest.mark.parametrize("odd", ODD)
def test_in_theory_a_broken_one_is_refused(odd: float) -> None:
    cmdp, data, policy = theory()
    for learn in (pevi, lambda *a, **o: ppe(*a[:3], policy, a[3], **o), lambda *a, **o: pppo(*a, seed=0, split=False, **o)):
        with pytest.raises(LinearError, match=r"expected a bonus >= 0 .*, finite, from .*Broken"):
            learn(*data, cmdp.features, beta=Broken(odd))


# Learners on features


@pytest.mark.parametrize("stationary", [False, True])
@pytest.mark.parametrize("kind", LINEAR)
def test_a_linear_learner_takes_it_and_is_saved_with_it(kind: str, stationary: bool, library: Any, tmp_path: Any) -> None:
    dataset = library.datasets["chooser"]
    buffer = dataset.replay_buffer(context="hidden")
    options = {"n_features": 8, "horizon": 3, "stationary": stationary}
    options |= {"iterations": 3, "restarts": 2} if kind == "perm" else {}
    learner = LINEAR[kind](uncertainty=Nearest(0.5), **options).create()
    learner.fit(buffer, **QUIET)
    learner.save(str(tmp_path / "learner.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "learner.d3"))
    observations, actions = dataset.observations[:9], dataset.actions[:9]
    np.testing.assert_array_equal(loaded.predict(observations), learner.predict(observations))
    np.testing.assert_array_equal(loaded.predict_value(observations, actions), learner.predict_value(observations, actions))
    assert isinstance(loaded.config.uncertainty, Nearest) and loaded.config.uncertainty.settings() == {"beta": 0.5, "most": 2.0}
    none, plain = (LINEAR[kind](**options, **more).create() for more in ({"uncertainty": "none"}, {"beta": 0.0}))
    for other in (none, plain):
        other.fit(buffer, **QUIET)
    np.testing.assert_array_equal(none.predict_value(observations, actions), plain.predict_value(observations, actions))
    far = observations + 10
    assert (learner.predict_value(far, actions) <= none.predict_value(far, actions)).all()


@pytest.mark.parametrize("kind", LINEAR)
def test_a_linear_learner_with_the_default_given_is_the_default(kind: str, library: Any) -> None:
    dataset = library.datasets["chooser"]
    buffer = dataset.replay_buffer(context="hidden")
    options = {"n_features": 8, "horizon": 3} | ({"iterations": 2} if kind == "perm" else {})
    one = LINEAR[kind](beta=0.3, ridge=0.5, **options).create()
    other = LINEAR[kind](uncertainty=EllipticalUncertainty(0.3, 0.5), ridge=0.5, **options).create()
    values = []
    for learner in (one, other):
        learner.fit(buffer, **QUIET)
        values.append(learner.predict_value(dataset.observations, dataset.actions))
    np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", LINEAR)
def test_a_linear_learner_refuses_a_broken_one(kind: str, odd: float, library: Any) -> None:
    learner = LINEAR[kind](uncertainty=Broken(odd), n_features=8, horizon=3).create()
    with pytest.raises(LinearError, match=r"expected a bonus >= 0 .* from .*Broken"):
        learner.fit(library.datasets["chooser"].replay_buffer(context="hidden"), **QUIET)


# Deep critics


def deep(kind: str, uncertainty: Any, library: Any) -> tuple[Any, Any]:
    config, name, options = DEEP[kind]
    return config(uncertainty=uncertainty, **SMALL, **options).create(), library.datasets[name].replay_buffer(context="hidden")


def trained(learner: Any, buffer: Any, steps: int = 4) -> Any:
    learner.fit(buffer, n_steps=steps, n_steps_per_epoch=steps, save_interval=1000, **QUIET)
    return learner


@pytest.mark.parametrize("kind", DEEP)
def test_deep_critics_take_it_and_are_saved_with_it(kind: str, library: Any, tmp_path: Any) -> None:
    learner, buffer = deep(kind, QuantifierFactory(Nearest(0.5), size=8), library)
    trained(learner, buffer)
    learner.save(str(tmp_path / "learner.d3"))
    loaded = d3rlpy.load_learnable(str(tmp_path / "learner.d3"))
    batch = buffer.sample_transition_batch(16)
    values = [one.predict_value(batch.observations, batch.actions) for one in (learner, loaded)]
    np.testing.assert_array_equal(*values)
    factory = loaded.config.uncertainty
    assert factory.quantifier.settings() == {"beta": 0.5, "most": 2.0} and factory.size == 8
    trained(loaded, buffer, steps=2)
    far = batch.observations + 10
    pessimistic = learner.predict_value(far, batch.actions)
    learner.impl.modules.critics.uncertainty.fitted.prototype.beta = 0.0
    assert (pessimistic < learner.predict_value(far, batch.actions)).all()


@pytest.mark.parametrize("given", [Nearest(0.5), "test_nearest"])
def test_a_config_takes_the_quantifier_or_its_name(given: Any, library: Any) -> None:
    learner, buffer = deep("perm", given, library)
    assert isinstance(learner.config.uncertainty, QuantifierFactory)
    trained(learner, buffer, steps=1)
    assert PERMConfig(uncertainty=EllipticalUncertainty(0.5, 2.0)).uncertainty == EllipticalUncertaintyFactory(0.5, 2.0)
    assert PERMConfig(uncertainty="ensemble").uncertainty == EnsembleUncertaintyFactory()
    with pytest.raises(AlgorithmError, match="uncertainty must be a quantifier, one of the names"):
        PERMConfig(uncertainty=0.5)
    with pytest.raises(LinearError, match=r"found 'nearby'"):
        PERMConfig(uncertainty="nearby")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", DEEP)
def test_deep_critics_refuse_a_broken_one(kind: str, odd: float, library: Any) -> None:
    learner, buffer = deep(kind, QuantifierFactory(Broken(odd), size=8), library)
    with pytest.raises(LinearError, match=r"expected a bonus >= 0 .* from .*Broken"):
        trained(learner, buffer)


# Rewards


@pytest.mark.parametrize("name", ["pendulum", "chooser"])
def test_rewards_lose_it(name: str, library: Any) -> None:
    dataset = library.datasets[name]
    plain = dataset.replay_buffer(seed=1).sample_transition_batch(32)
    lower = dataset.replay_buffer(augmentation=offctx.Pessimism(0.5, size=8, quantifier=Nearest(2.0)), seed=1)
    np.testing.assert_allclose(lower.sample_transition_batch(32).rewards, plain.rewards, atol=1e-2)  # all transitions were seen
    elsewhere = dataset.replay_buffer(augmentation=(pessimism := offctx.Pessimism(0.5, size=8, quantifier="test_nearest")))
    batch = elsewhere.batch(np.arange(8))
    moved = type(batch)(**{**vars(batch), "observations": batch.observations + 5})
    assert (pessimism.gamma(moved) > 0).all() and (pessimism.gamma(moved) <= 1).all()
    default = offctx.Pessimism(0.5, size=8, ridge=0.5)
    given = offctx.Pessimism(0.5, size=8, quantifier=EllipticalUncertainty(1.0, 0.5))
    for one in (default, given):
        one.prepare(dataset)
    np.testing.assert_array_equal(default.gamma(moved), given.gamma(moved))


@pytest.mark.parametrize("odd", ODD)
def test_rewards_refuse_a_broken_one(odd: float, library: Any) -> None:
    buffer = library.datasets["chooser"].replay_buffer(augmentation=offctx.Pessimism(1.0, size=8, quantifier=Broken(odd)))
    with pytest.raises(LinearError, match=r"expected a bonus >= 0 .* from .*Broken"):
        buffer.sample_transition_batch(32)


# What a use cannot serve


def test_a_quantifier_of_members_is_refused_where_there_is_no_critic(library: Any) -> None:
    cmdp, data, policy = theory()
    ensemble = offctx.uncertainty.EnsembleUncertainty()
    for use in (
        lambda: ppe(*data, policy, cmdp.features, beta=ensemble),
        lambda: LinearPEVIConfig(uncertainty=ensemble),
        lambda: LinearPEVIConfig(uncertainty="ensemble"),
        lambda: offctx.Pessimism(1.0, quantifier="ensemble"),
    ):
        with pytest.raises(LinearError, match=r"EnsembleUncertainty needs the values of a deep critic's members"):
            use()


def test_features_that_change_need_fit_gram() -> None:
    with pytest.raises(LinearError, match=r"Nearest cannot follow features that change.*no fit_gram"):
        QuantifierFactory(Nearest(), features="critic")


def test_what_could_not_be_saved_is_refused_at_once() -> None:
    unregistered = type("Unregistered", (Nearest,), {})
    for use in (lambda: PERMConfig(uncertainty=unregistered()), lambda: LinearPEVIConfig(uncertainty=unregistered())):
        with pytest.raises(OffctxError, match="expected a registered quantifier"):
            use()
    with pytest.raises(LinearError, match="beta is the scale of the default quantifier"):
        LinearPEVIConfig(uncertainty=Nearest(), beta=0.5)

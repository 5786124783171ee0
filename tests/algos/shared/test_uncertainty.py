"""The quantifiers of deep learners against `offctx.linear.EllipticalUncertainty`, and numbers worked out by hand."""

import copy
import dataclasses

import pytest
import torch
from d3rlpy.serializable_config import SerializableConfig
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from offctx.algos.shared.uncertainty import Uncertainty
from offctx.algos.shared.uncertainty_config import (
    EllipticalUncertaintyFactory,
    EnsembleUncertaintyFactory,
    NoUncertaintyFactory,
    make_uncertainty_field,
    register_uncertainty_factory,
)
from offctx.algos.shared.uncertainty_factory import UncertaintyFactory
from offctx.errors import LinearError, OffctxError
from offctx.linear import EllipticalUncertainty

O, A, H = 3, 2, 6  # observation, action (numbers of them where discrete), features of the critic
GROUPS = 4
NONE = torch.zeros(0)  # what a kind does not look at


def data(n: int = 400, seed: int = 0, *, discrete: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Observations (n, O), actions (n, A) or (n,), groups (n,) of unequal sizes, the last of them empty."""
    generator = torch.Generator().manual_seed(seed)
    observations = torch.randn(n, O, generator=generator)
    actions = torch.randint(A, (n,), generator=generator) if discrete else torch.rand(n, A, generator=generator) * 2 - 1
    return observations, actions, (torch.rand(n, generator=generator) ** 3 * (GROUPS - 1)).long()


def packed(m: int = 5, seed: int = 1) -> dict[str, Tensor]:
    """What a learner asks about; features like those of a ReLU network, but never all zero."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "observations": torch.randn(GROUPS, m, O, generator=generator),
        "actions": torch.rand(GROUPS, m, A, generator=generator) * 2 - 1,
        "features": torch.randn(GROUPS, m, H, generator=generator).relu() * 10 + 1e-3,
        "members": torch.randn(3, GROUPS, m, generator=generator),
    }


def quantifier(*, discrete: bool = False, **options) -> Uncertainty:
    return EllipticalUncertaintyFactory(**options).create(GROUPS, O, A, discrete, H)


# --- fixed features ---------------------------------------------------------------------------------------------------


def test_fixed_features_give_the_gamma_of_linear() -> None:
    observations, actions, groups = data()
    u = quantifier(beta=0.7, ridge=0.1, size=32)
    u.prepare(observations, actions, groups)
    asked = packed()
    gamma = u(**asked)
    assert gamma.shape == (GROUPS, 5) and gamma.dtype == torch.float32
    phi = u.features(observations, actions)
    for i in range(GROUPS):
        exact = EllipticalUncertainty(0.7, 0.1).fit(phi[groups == i])
        expected = exact.bonus(u.features(asked["observations"][i], asked["actions"][i]))
        torch.testing.assert_close(gamma[i].double(), expected, rtol=1e-5, atol=0)


def test_fixed_features_give_the_gamma_of_linear_for_all_discrete_actions() -> None:
    observations, actions, groups = data(discrete=True)
    u = quantifier(beta=0.7, ridge=0.1, size=32, discrete=True)
    u.prepare(observations, actions, groups)
    asked = packed() | {"actions": None}
    gamma = u(**asked)
    assert gamma.shape == (GROUPS, 5, A)
    psi = u.features(observations)
    for i in range(GROUPS):
        # e_a (x) psi spelt out: the whole Lambda, with its blocks of zeros
        phi = (one_hot(actions, A)[:, :, None] * psi[:, None]).flatten(1)[groups == i]
        exact = EllipticalUncertainty(0.7, 0.1).fit(phi)
        own = u.features(asked["observations"][i])
        for a in range(A):
            expected = exact.bonus((one_hot(torch.tensor(a), A)[:, None] * own[:, None]).flatten(1))
            torch.testing.assert_close(gamma[i, :, a].double(), expected, rtol=1e-5, atol=0)


def test_accuracy_with_much_data_and_little_ridge() -> None:
    """L^{-1} in float32 keeps Gamma right to a few roundings, though Lambda is ill conditioned."""
    observations, actions, groups = data(20_000)
    u = quantifier(ridge=1e-3, size=64, bandwidth=10.0)
    u.prepare(observations, actions, groups)
    asked = packed()
    features = copy.deepcopy(u.features).double()
    exact = EllipticalUncertainty(1.0, 1e-3).fit(features(observations, actions)[groups == 0])
    assert torch.linalg.cond(exact.cholesky @ exact.cholesky.mT) > 1e6
    expected = exact.bonus(features(asked["observations"][0], asked["actions"][0]))
    torch.testing.assert_close(u(**asked)[0].double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("discrete", [False, True])
def test_one_hot_observations_are_tabular(discrete: bool) -> None:
    """Gamma = beta / sqrt(count + ridge), counts of each group's own states (and actions)."""
    states = torch.tensor([0, 0, 0, 1, 2, 2])
    groups = torch.tensor([0, 0, 1, 1, 1, 3])
    actions = torch.tensor([0, 1, 0, 0, 0, 0]) if discrete else torch.zeros(6, A)
    u = quantifier(beta=2.0, ridge=1.0, features="observation", discrete=discrete)
    u.prepare(torch.eye(O)[states], actions, groups)
    every = torch.eye(O).expand(GROUPS, O, O)
    gamma = u(every, None if discrete else torch.zeros(GROUPS, O, A), NONE, NONE)
    both = one_hot(actions, A) if discrete else torch.ones(6, 1)
    counts = torch.zeros(GROUPS, O, both.shape[1]).index_put_((groups, states), both.float(), accumulate=True)
    expected = 2 / (counts + 1).sqrt()
    torch.testing.assert_close(gamma, expected if discrete else expected[..., 0])
    assert gamma[2].eq(2).all()  # a group without data


def test_gamma_is_differentiable_in_actions() -> None:
    observations, actions, groups = data()
    u = quantifier(size=16).double()
    u.prepare(observations, actions, groups)
    asked = {name: part[:, :2].double() for name, part in packed().items() if name != "members"}
    taken = asked.pop("actions").requires_grad_()
    assert torch.autograd.gradcheck(lambda a: u(actions=a, members=NONE, **asked), taken, eps=1e-6, atol=1e-6)


def test_zero_features_have_no_gradient_that_is_not_a_number() -> None:
    u = quantifier(features="observation")
    u.prepare(torch.zeros(2, O), torch.zeros(2, A), torch.zeros(2, dtype=torch.int64))
    zeros = torch.zeros(GROUPS, 1, A, requires_grad=True)
    u(torch.zeros(GROUPS, 1, O), zeros, NONE, NONE).sum().backward()
    assert zeros.grad.eq(0).all()


def test_fixed_features_ask_for_data_first() -> None:
    with pytest.raises(OffctxError, match=r"seen no data: fit the learner on .*, or call prepare"):
        quantifier()(**packed())


@pytest.mark.parametrize(("groups", "actions"), [([0, GROUPS], [0, 1]), ([-1, 0], [0, 1]), ([0, 1], [0, A]), ([0, 1], [-1, 0])])
def test_groups_and_actions_out_of_range_are_told(groups: list[int], actions: list[int]) -> None:
    u = quantifier(discrete=True)
    with pytest.raises(LinearError, match=r"groups of shape|discrete actions in 0\.\.1"):
        u.prepare(torch.zeros(2, O), torch.tensor(actions), torch.tensor(groups))


def test_observations_that_are_too_long_for_given_features_are_told() -> None:
    with pytest.raises(LinearError, match="norm 5"):
        quantifier(features="observation").prepare(torch.tensor([[3.0, 4, 0]]), torch.zeros(1, A), torch.zeros(1).long())


# --- the critic's features --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("discrete", [False, True])
def test_batches_of_all_data_give_the_exact_lambda(discrete: bool) -> None:
    """Then M_i is the data's second moment, and N_i M_i + ridge I what `offctx.linear` has on features of norm 1."""
    m = 9
    asked = packed(m)
    actions = torch.arange(GROUPS * m).reshape(GROUPS, m) % A if discrete else asked["actions"]
    u = quantifier(features="critic", beta=0.7, ridge=0.1, interval=1, discrete=discrete)
    groups = torch.arange(GROUPS).repeat_interleave(m)
    u.prepare(asked["observations"].flatten(0, 1), actions.flatten(0, 1), groups)
    for _ in range(3):
        u.observe(asked["observations"], actions, asked["features"], torch.ones(GROUPS, m, dtype=torch.bool))
    gamma = u(**asked)
    psi = normalize(asked["features"].double(), dim=-1)
    for a in range(A if discrete else 1):
        taken = (actions == a if discrete else torch.ones(GROUPS, m)).double()
        exact = EllipticalUncertainty(0.7, 0.1).fit(psi, taken)
        found = gamma[..., a] if discrete else gamma
        torch.testing.assert_close(found.double(), exact.bonus(psi, paired=True), rtol=1e-5, atol=0)


def observe(u: Uncertainty, features: Tensor, mask: list[bool] | None = None) -> None:
    """A batch of one slot a group: features (GROUPS, H)."""
    filled = torch.tensor(mask or [True] * GROUPS)[:, None]
    u.observe(torch.zeros(GROUPS, 1, O), torch.zeros(GROUPS, 1, A), features[:, None], filled)


def axis(k: int) -> Tensor:
    """Features along one axis, of any length: (GROUPS, H)."""
    return torch.eye(H)[k].expand(GROUPS, H) * 3.0


def test_the_second_moment_is_a_plain_mean_at_first_and_an_exponential_one_after() -> None:
    """momentum 1/2: batches 1 and 2 are averaged; the third then counts half, and so on."""
    u = quantifier(features="critic", momentum=0.5)
    expected = [(1, 0, 0), (1 / 2, 1 / 2, 0), (1 / 4, 1 / 4, 1 / 2), (1 / 8, 1 / 8, 3 / 4)]
    for k, numbers in zip((0, 1, 2, 2), expected, strict=True):
        observe(u, axis(k))
        diagonal = torch.tensor([*numbers, 0.0, 0.0, 0.0])
        torch.testing.assert_close(u.moments, diagonal.diag().expand(GROUPS, 1, H, H))


def test_groups_absent_from_a_batch_stay_as_they_are() -> None:
    u = quantifier(features="critic", interval=1)
    observe(u, axis(0))
    before = u.moments.clone()
    observe(u, axis(1), mask=[True, False, False, True])
    assert torch.equal(u.moments[1:3], before[1:3]) and not torch.equal(u.moments[0], before[0])
    assert u.updates.tolist() == [2, 1, 1, 2]


def test_empty_slots_count_nothing() -> None:
    u, v = (quantifier(features="critic") for _ in range(2))
    asked = packed(4)
    mask = torch.ones(GROUPS, 4, dtype=torch.bool)
    mask[:, 2:] = False
    u.observe(asked["observations"], asked["actions"], asked["features"], mask)
    v.observe(*(asked[name][:, :2] for name in ("observations", "actions", "features")), mask[:, :2])
    torch.testing.assert_close(u.moments, v.moments)
    assert torch.equal(u.transitions, v.transitions)


def test_lambda_is_factored_at_the_first_batch_and_every_interval() -> None:
    u = quantifier(features="critic", interval=3)
    changed = []
    for k in range(7):
        before = u.fitted.quantifier.whitening.clone()
        observe(u, axis(k % H))
        changed.append(not torch.equal(before, u.fitted.quantifier.whitening))
    assert changed == [True, False, False, True, False, False, True]


def test_before_any_batch_all_is_uncertain() -> None:
    """Lambda = ridge I, and directions have length 1."""
    gamma = quantifier(features="critic", beta=3.0, ridge=4.0)(**packed())
    torch.testing.assert_close(gamma, torch.full_like(gamma, 1.5))


@pytest.mark.parametrize("prepared", [True, False])
def test_the_size_of_the_data_is_told_or_counted(prepared: bool) -> None:
    """After three batches along one axis Gamma there is 1 / sqrt(N + 1)."""
    u = quantifier(features="critic", interval=1)
    if prepared:
        u.prepare(torch.zeros(100, O), torch.zeros(100, A), torch.zeros(100, dtype=torch.int64))
    for _ in range(3):
        observe(u, axis(0), mask=[True, True, True, False])
    gamma = u(NONE, NONE, axis(0)[:, None], NONE)[:, 0]
    counts = torch.tensor([100.0, 0, 0, 0] if prepared else [3.0, 3, 3, 0])
    torch.testing.assert_close(gamma, (counts + 1).rsqrt())


def test_only_the_direction_of_the_critics_features_counts() -> None:
    u, v = (quantifier(features="critic", interval=1) for _ in range(2))
    asked = packed()
    mask = torch.ones(GROUPS, 5, dtype=torch.bool)
    u.observe(asked["observations"], asked["actions"], asked["features"], mask)
    v.observe(asked["observations"], asked["actions"], asked["features"] * 1000, mask)
    torch.testing.assert_close(u(**asked), v(**asked | {"features": asked["features"] / 7}))


def test_gamma_is_differentiable_in_the_critics_features_also_where_all_are_zero() -> None:
    u = quantifier(features="critic", interval=1)
    asked = packed(1)
    features = asked["features"].clone()
    features[0] = 0
    u.observe(asked["observations"], asked["actions"], asked["features"] + 1, torch.ones(GROUPS, 1, dtype=torch.bool))
    features.requires_grad_()
    u(**asked | {"features": features}).sum().backward()
    assert features.grad.isfinite().all() and features.grad[0].eq(0).all() and features.grad[1:].abs().sum() > 0


# --- the ensemble, and none -------------------------------------------------------------------------------------------


def test_the_ensemble_is_beta_standard_deviations() -> None:
    members = torch.tensor([[[1.0, 5.0]], [[3.0, 5.0]], [[5.0, 5.0]]], requires_grad=True)
    gamma = EnsembleUncertaintyFactory(beta=0.5).create(1, O, A, False, H)(NONE, NONE, NONE, members)
    torch.testing.assert_close(gamma, torch.tensor([[1.0, 0.0]]))
    gamma.sum().backward()
    torch.testing.assert_close(members.grad[:, 0], torch.tensor([[-0.25, 0.0], [0.0, 0.0], [0.25, 0.0]]))


def test_an_ensemble_of_one_is_told() -> None:
    with pytest.raises(OffctxError, match="at least two members"):
        EnsembleUncertaintyFactory().create(1, O, A, False, H)(NONE, NONE, NONE, torch.zeros(1, 1, 2))


def test_none_is_zero() -> None:
    u = NoUncertaintyFactory().create(GROUPS, O, A, True, H)
    u.prepare(*data(discrete=True))
    gamma = u(NONE, None, NONE, torch.full((2, GROUPS, 5, A), torch.nan))
    assert gamma.shape == (GROUPS, 5, A) and not gamma.any()


# --- saving -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("features", ["fourier", "critic", "observation"])
def test_a_loaded_quantifier_continues_identically(features: str, discrete: bool) -> None:
    u, v = (quantifier(features=features, size=8, interval=3, seed=s, discrete=discrete) for s in (1, 2))
    observations, actions, groups = data(discrete=discrete)
    u.prepare(observations / 10, actions if discrete else actions / 2, groups)
    steps = [packed(seed=seed) for seed in range(9)]
    mask = torch.tensor([[True] * 5] * 3 + [[False] * 5])

    def go_on(own: Uncertainty, several: list[dict[str, Tensor]]) -> list[Tensor]:
        found = []
        for step in several:
            taken = (step["actions"][..., 0] > 0).long() if discrete else step["actions"]
            own.observe(step["observations"], taken, step["features"], mask)
            found.append(own(**step))
        return found

    go_on(u, steps[:4])
    v.load_state_dict(u.state_dict())
    pairs = zip(go_on(u, steps[4:]), go_on(v, steps[4:]), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert all(torch.equal(part, v.state_dict()[name]) for name, part in u.state_dict().items())


@dataclasses.dataclass()
class Config(SerializableConfig):
    """As a learner's."""

    uncertainty: UncertaintyFactory = make_uncertainty_field()


@pytest.mark.parametrize(
    "factory",
    [
        NoUncertaintyFactory(),
        EnsembleUncertaintyFactory(0.3),
        EllipticalUncertaintyFactory(beta=2.0, features="critic", momentum=0.1, interval=7),
        EllipticalUncertaintyFactory(bandwidth=1.5, size=64, seed=4),
    ],
)
def test_configs_are_saved_the_way_of_d3rlpy(factory: UncertaintyFactory) -> None:
    assert Config.deserialize(Config(factory).serialize()).uncertainty == factory
    assert Config().uncertainty == NoUncertaintyFactory()


def test_a_users_own_kind_can_be_registered() -> None:
    @dataclasses.dataclass()
    class Constant(UncertaintyFactory):
        gamma: float = 1.0

        @staticmethod
        def get_type() -> str:
            return "test_constant"

    register_uncertainty_factory(Constant)
    assert Config.deserialize(Config(Constant(0.2)).serialize()).uncertainty == Constant(0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": -1.0}, "beta >= 0"),
        ({"ridge": 0.0}, "ridge > 0"),
        ({"features": "pixels"}, r"\['fourier', 'critic', 'observation'\]; found 'pixels'"),
        ({"size": 9}, "even size"),
        ({"bandwidth": -1.0}, "bandwidth > 0"),
        ({"momentum": 0.0}, "momentum > 0"),
        ({"momentum": 1.5}, "momentum <= 1; found 1.5"),
        ({"interval": 0}, "interval"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_out_of_range_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(LinearError, match=message):
        EllipticalUncertaintyFactory(**options)


def test_an_ensemble_with_negative_beta_is_told() -> None:
    with pytest.raises(LinearError, match="beta >= 0"):
        EnsembleUncertaintyFactory(-0.1)


def test_files_that_name_the_whitening_as_before_are_read() -> None:
    for features in ("fourier", "critic"):
        u, v = (quantifier(features=features, size=8, seed=s) for s in (1, 2))
        u.prepare(*data())
        state = {name.replace("fitted.whitening", "whitening"): tensor for name, tensor in u.state_dict().items()}
        assert "whitening" in state
        v.load_state_dict(state)
        assert torch.equal(u(**packed()), v(**packed()))

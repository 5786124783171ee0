"""The step of a learner is a function from tensors to tensors: it reads no number back, and does the same for any batch."""

import dataclasses
from typing import Any

import d3rlpy
import pytest
import torch
from d3rlpy.torch_utility import TorchMiniBatch
from torch.utils._python_dispatch import TorchDispatchMode

import offctx.algos.shared.critic_features
from offctx.algos import DiscretePERMConfig, DiscretePPPOConfig, PERMConfig, PPPOConfig
from offctx.algos.shared.metrics import as_numbers
from offctx.algos.shared.uncertainty_config import EllipticalUncertaintyFactory
from offctx.errors import AlgorithmError
from offctx.uncertainty.gamma import DeferredCheck

READS_NUMBERS = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "_unique2", "item"}
QUANTIFIERS: dict[str, dict[str, Any]] = {
    "none": {},
    "fourier": {"uncertainty": EllipticalUncertaintyFactory(features="fourier", size=8)},
    "critic": {"uncertainty": EllipticalUncertaintyFactory(features="critic")},
    "ensemble": {"uncertainty": "ensemble", "n_critics": 3},
}
PERM_VARIANTS = {
    "as it stands": {},
    "deterministic": {"policy": "deterministic", "evaluation": "policy", "extraction": "gradient"},
    "policy, gradient": {"evaluation": "policy", "extraction": "gradient"},
    "two groups": {"groups": 2},
    "bounds": {"reward_bounds": (-100.0, 100.0)},
    "fourier": QUANTIFIERS["fourier"],
    "critic": QUANTIFIERS["critic"],
    "ensemble": QUANTIFIERS["ensemble"],
}


class Recorder(TorchDispatchMode):
    """Records the operations that run, with the shapes of their arguments, and refuses those that read numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert name not in READS_NUMBERS, f"{func} makes an accelerator wait"
        shapes = [tuple(x.shape) for x in torch.utils._pytree.tree_leaves(args) if isinstance(x, torch.Tensor)]
        self.operations.append(f"{func} {shapes}")
        return func(*args, **kwargs or {})


@pytest.fixture
def as_on_an_accelerator(monkeypatch):
    """Leaves out the checks that read numbers on a CPU only, where this costs nothing."""
    monkeypatch.setattr(DeferredCheck, "_waits", staticmethod(lambda gamma: True))
    monkeypatch.setattr(offctx.algos.shared.critic_features, "chosen_actions", lambda actions, size: actions.long())
    monkeypatch.setattr(torch.nn.functional, "one_hot", lambda index, size: (index[..., None] == torch.arange(size)).long())


def fitted(config, dataset, steps=4):
    """A learner after some steps, and the batches that its own sampler would draw next, on the device."""
    learner, buffer = config.create(), dataset.replay_buffer(context="hidden", seed=1)
    d3rlpy.seed(0)
    options = {"show_progress": False, "logger_adapter": d3rlpy.logging.NoopAdapterFactory()}
    learner.fit(buffer, n_steps=steps, n_steps_per_epoch=steps, **options)
    drawn = learner._with_sampler(buffer)
    batches = []
    for _ in range(3):
        batch = drawn.sample_transition_batch(config.batch_size)
        device = {"gamma": config.gamma, "compute_returns_to_go": False, "device": "cpu"}
        batches.append(learner.impl._grouping.of(TorchMiniBatch.from_batch(batch, **device))[0])
    learner.impl.modules.set_train()
    learner.impl.modules.critics.state_dict()  # settles the check that the quantifier defers
    return learner, batches


def operations_of(step, batch):
    with Recorder() as recorder:
        losses = step(batch)
    assert all(isinstance(loss, torch.Tensor) and loss.ndim == 0 and not loss.requires_grad for loss in losses.values())
    return recorder.operations


@pytest.mark.usefixtures("as_on_an_accelerator")
@pytest.mark.parametrize("variant", PERM_VARIANTS)
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_the_step_of_perm_is_the_same_for_all_balanced_batches(kind, variant, small, data):
    config = {"continuous": PERMConfig, "discrete": DiscretePERMConfig}[kind](**small | PERM_VARIANTS[variant])
    learner, batches = fitted(config, data(kind))
    first, second, third = (operations_of(learner.impl.step, batch) for batch in batches)
    assert first == second == third and len(first) > 50


@pytest.mark.usefixtures("as_on_an_accelerator")
@pytest.mark.parametrize("quantifier", QUANTIFIERS)
@pytest.mark.parametrize("phase", ["evaluation", "improvement"])
@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_the_steps_of_pppo_are_the_same_for_all_balanced_batches(phase, kind, quantifier, small, data):
    settings = {name: value for name, value in small.items() if not name.startswith("value")}
    config = {"continuous": PPPOConfig, "discrete": DiscretePPPOConfig}[kind](
        **settings, **QUANTIFIERS[quantifier], evaluation_steps=8, improvement_steps=8
    )
    learner, batches = fitted(config, data(kind), steps=4 if phase == "evaluation" else 12)
    assert learner.turn.phase == phase
    step = learner.impl.evaluation_step if phase == "evaluation" else learner.impl.improvement_step
    batches = [batch.as_single_group() for batch in batches] if phase == "evaluation" else batches
    first, second, third = (operations_of(step, batch) for batch in batches)
    assert first == second == third and len(first) > 30


@pytest.mark.slow
def test_a_compiled_step_is_the_step(small, data, assert_equal_weights):
    """To the last bit; and torch compiles all of it but the optimisers' steps, which it never takes into a graph."""
    from torch._dynamo import explain  # seconds

    config = PERMConfig(**small)
    learner, compiled = (fitted(config, data()) for _ in range(2))
    for (each, batches), step in ((learner, lambda each: each.impl.step), (compiled, lambda each: explain(each.impl.step))):
        d3rlpy.seed(3)
        result = step(each)(batches[0])
    assert_equal_weights(compiled[0], learner[0])
    places = {reason.user_stack[-1].name for reason in result.break_reasons}
    assert places == {"minimise"}, result.break_reasons


def test_names_in_saved_files_stay(small, data):
    """Files of earlier versions load by these names."""
    settings = {name: value for name, value in small.items() if not name.startswith("value")}
    shared = {"policy", "critics", "membership", "actor_optim", "critic_optim"}
    counts = {"membership": {"seen"}, "schedule": {"updates"}, "snapshots": {"shown"}}
    for config, own in ((PERMConfig(**small), {"values"}), (PPPOConfig(**settings), {"base", "snapshots", "schedule"})):
        modules = fitted(config, data())[0].impl.modules
        assert {field.name for field in dataclasses.fields(modules)} == shared | own
        for name in counts.keys() & (shared | own):
            assert getattr(modules, name).state_dict().keys() == counts[name]


def test_losses_become_numbers_in_one_transfer():
    losses = {"one": torch.tensor(1.5), "other": torch.tensor(2.0)}
    with Recorder() as recorder:
        assert as_numbers(losses) == {"one": 1.5, "other": 2.0}
    assert [operation.split()[0] for operation in recorder.operations] == ["aten.stack.default"]
    with pytest.raises(AlgorithmError, match=r"the losses .*'one': nan.*not finite, or training has diverged"):
        as_numbers({"one": torch.tensor(float("nan"))})


@pytest.mark.parametrize("policy", ["stochastic", "deterministic"])
def test_a_learner_that_diverges_says_so(policy, small, data):
    with pytest.raises(AlgorithmError, match="training has diverged"):
        fitted(PERMConfig(**small, policy=policy, critic_learning_rate=1e20), data(), steps=20)


@pytest.mark.parametrize("read", [float, torch.nonzero, lambda x: x[x > 0], lambda x: bool(x > 0)])
def test_the_recorder_would_notice(read):
    with pytest.raises(AssertionError, match="makes an accelerator wait"), Recorder():
        read(torch.tensor(1.0))

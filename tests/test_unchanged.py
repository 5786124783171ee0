"""What the library computes, to the last bit: checksums recorded at commit 4b30bc7, before its files moved into their rooms.

    python tests/test_unchanged.py          prints the checksums of this checkout as JSON
    python tests/test_unchanged.py NAME     prints one of them

Only public names are used, so that the same file runs on older commits. Floating point results depend on the processor and on
the installed versions. So `_canary` computes with PyTorch and MuJoCo alone; where its checksum differs from the recorded one,
the machine differs, and the comparison is skipped. To record again, on purpose: write the output to `unchanged.json`.
"""

import hashlib
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import d3rlpy
import gymnasium
import mujoco
import numpy as np
import pytest
import structlog
import torch

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
)
from offctx.linear import EllipticalUncertainty, LinearCMDP, perm, pevi, ppe, pppo

RECORD = Path(__file__).with_name("unchanged.json")
PENDULUM, CART, DIRECTION = "offctx/PendulumGoal-v0", "offctx/CartGoal-v0", "offctx/SimpleDirection-v0"
CHEETAH, VELOCITY = "offctx/HalfCheetahPhysics-v0", "offctx/CheetahVelocity-v0"

Result = Iterator[Any]  # arrays, in an order that does not change
CASES: dict[str, Callable[[], Result]] = {}


def case(function: Callable[[], Result]) -> Callable[[], Result]:
    """Registers a computation under the name of its function."""
    CASES[function.__name__] = function
    return function


def checksum(arrays: Iterator[Any]) -> str:
    """SHA-256 over dtype, shape and bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        value = np.ascontiguousarray(array.detach().cpu().numpy() if isinstance(array, torch.Tensor) else array)
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


# --- data ------------------------------------------------------------------------------------------------------------------


def _collect(env: Any, name: str, **options: Any) -> offctx.ContextualDataset:
    return offctx.collect(env, f"unchanged/{name}-v0", **{"seed": 3, "progress": False} | options)


def _pendulum(contexts: int = 4) -> offctx.ContextualDataset:
    env = gymnasium.make(PENDULUM, max_episode_steps=50)
    space = env.unwrapped.context_space
    return _collect(env, "pendulum", contexts=space.sample(np.random.default_rng(1), contexts), episodes_per_context=5)


def _cart() -> offctx.ContextualDataset:
    env = gymnasium.make(CART, max_episode_steps=40)
    return _collect(env, "cart", contexts=env.unwrapped.context_space.sweep("goal", 3), episodes_per_context=6)


def _columns(dataset: offctx.ContextualDataset) -> Result:
    yield dataset.observations
    yield dataset.actions
    yield dataset.rewards
    yield dataset.next_observations
    yield dataset.terminations
    yield dataset.truncations
    yield dataset.contexts
    yield dataset.context_ids
    if dataset.has_derivatives:
        yield dataset.dnext_observation_dcontext
        yield dataset.dreward_dcontext


@case
def datasets_closed_form() -> Result:
    for number, env in enumerate((PENDULUM, CART, DIRECTION, "offctx/SimpleDirectionStochastic-v0")):
        space = gymnasium.make(env).unwrapped.context_space
        contexts = space.sample(np.random.default_rng(2), 3)
        yield from _columns(_collect(env, f"closed{number}", contexts=contexts, episodes_per_context=2))


@case
def datasets_mujoco() -> Result:
    for number, name in enumerate((CHEETAH, VELOCITY, "offctx/HopperPhysics-v0", "offctx/AntDirection-v0")):
        env = gymnasium.make(name, max_episode_steps=8)
        contexts = env.unwrapped.context_space.sample(np.random.default_rng(2), 2)
        yield from _columns(_collect(env, f"mujoco{number}", contexts=contexts))


# --- batches ---------------------------------------------------------------------------------------------------------------


def _batches(dataset: offctx.ContextualDataset, augmentation: Any, **options: Any) -> Result:
    buffer = dataset.replay_buffer(augmentation=augmentation, seed=5, **options)
    for _ in range(3):
        batch = buffer.sample_transition_batch(32)
        yield from (batch.observations, batch.actions, batch.rewards, batch.next_observations, batch.terminals)
        yield from (batch.contexts, batch.context_ids)


@case
def batches_plain() -> Result:
    dataset = _pendulum()
    for context in ("append", "hidden"):
        yield from _batches(dataset, None, context=context)
    buffer = dataset.replay_buffer(seed=5)
    stratified = buffer.stratified(buffer.table["context_ids"])
    for _ in range(3):
        yield stratified.sample_transition_batch(30).observations


@case
def batches_augmented() -> Result:
    dataset, cart = _pendulum(), _cart()
    yield from _batches(dataset, offctx.CSE(radius=0.5))
    yield from _batches(dataset, offctx.CSE(radius=[0.5, 0.1, 0.0, 0.2], perturbation="sphere"))
    yield from _batches(dataset, offctx.CSE(radius=0.3, exact=PENDULUM))
    yield from _batches(dataset, offctx.CSE(radius=0.3, exact=PENDULUM, action="random", state_radius=0.05))
    yield from _batches(dataset, offctx.CSE(radius=0.3, env=PENDULUM, action="random", action_radius=0.2))
    yield from _batches(dataset, offctx.CSE(radius="auto"))
    yield from _batches(cart, offctx.CSE(radius=0.2, exact=CART, action="random"))
    yield from _batches(dataset, offctx.Pessimism(beta=1.0, size=32))
    yield from _batches(dataset, offctx.Pessimism(beta=1.0, size=32, per_context=False))
    yield from _batches(cart, offctx.Pessimism(beta=0.5, size=32), context="hidden")


# --- learners --------------------------------------------------------------------------------------------------------------


def _trained(config: Any, buffer: Any, steps: int = 100) -> Result:
    d3rlpy.seed(7)
    learner = config.create()
    options = {"n_steps_per_epoch": steps, "show_progress": False, "save_interval": 1000}
    learner.fit(buffer, n_steps=steps, logger_adapter=d3rlpy.logging.NoopAdapterFactory(), **options)
    modules = learner.impl.modules
    for name in ("policy", "critics", "values", "q_funcs", "targ_q_funcs"):
        module = getattr(modules, name, None)
        if module is not None:
            for _, weights in sorted((key, value) for key, value in module.named_parameters()):
                yield weights
    yield learner.predict(buffer.sample_transition_batch(16).observations)


def _scaled(**options: Any) -> dict[str, Any]:
    return {"action_scaler": d3rlpy.preprocessing.MinMaxActionScaler(minimum=-2.0, maximum=2.0), "batch_size": 64} | options


@case
def weights_perm() -> Result:
    yield from _trained(PERMConfig(**_scaled()), _pendulum().replay_buffer(context="hidden", seed=5))


@case
def weights_perm_variants() -> Result:
    buffer = _pendulum().replay_buffer(context="hidden", seed=5)
    bounds = {"reward_bounds": (-20.0, 0.0)}
    fourier = EllipticalUncertaintyFactory(beta=0.5, size=32)
    yield from _trained(PERMConfig(**_scaled(evaluation="policy", extraction="gradient", uncertainty=fourier)), buffer, 30)
    critic = EllipticalUncertaintyFactory(beta=0.5, features="critic", interval=7)
    yield from _trained(PERMConfig(**_scaled(uncertainty=critic, **bounds)), buffer, 30)
    yield from _trained(PERMConfig(**_scaled(uncertainty=EnsembleUncertaintyFactory(beta=0.5), groups=2)), buffer, 30)
    yield from _trained(PERMConfig(**_scaled(policy="deterministic", balance=False)), buffer, 30)
    cart = _cart().replay_buffer(context="hidden", seed=5)
    yield from _trained(DiscretePERMConfig(batch_size=64, uncertainty=fourier, evaluation="policy"), cart, 30)


@case
def weights_pppo() -> Result:
    config = PPPOConfig(**_scaled(evaluation_steps=10, improvement_steps=5))
    yield from _trained(config, _pendulum().replay_buffer(context="hidden", seed=5))


@case
def weights_pppo_variants() -> Result:
    buffer, steps = _pendulum().replay_buffer(context="hidden", seed=5), {"evaluation_steps": 5, "improvement_steps": 3}
    fourier = EllipticalUncertaintyFactory(beta=0.5, size=32)
    yield from _trained(PPPOConfig(**_scaled(uncertainty=fourier, output="mixture", **steps)), buffer, 40)
    critic = EllipticalUncertaintyFactory(beta=0.5, features="critic", interval=4)
    yield from _trained(PPPOConfig(**_scaled(uncertainty=critic, groups=2, scale_free=False, **steps)), buffer, 40)
    cart = _cart().replay_buffer(context="hidden", seed=5)
    yield from _trained(DiscretePPPOConfig(batch_size=64, uncertainty=fourier, output="random", **steps), cart, 40)


@case
def weights_td3_cse() -> Result:
    buffer = _pendulum().replay_buffer(augmentation=offctx.CSE(radius=0.5), seed=5)
    config = d3rlpy.algos.TD3Config(observation_scaler=buffer.observation_scaler(), **_scaled())
    yield from _trained(config, buffer)


@case
def weights_sac_transported() -> Result:
    cse = offctx.CSE(radius=0.3, exact=PENDULUM, action="transported", policy=_Later())
    buffer = _pendulum().replay_buffer(augmentation=cse, seed=5)
    d3rlpy.seed(7)
    learner = d3rlpy.algos.SACConfig(**_scaled()).create()
    learner.build_with_dataset(buffer)
    cse.policy = learner
    for _ in range(5):
        learner.update(buffer.sample_transition_batch(32))
        batch = buffer.sample_transition_batch(32)
        yield from (batch.actions, batch.next_observations)


class _Later:
    """Stands for the policy until there is one."""


@case
def linear_learners() -> Result:
    buffer = _cart().replay_buffer(context="hidden", seed=5)
    shared = {"beta": 0.3, "n_features": 16, "horizon": 20}
    extra = {LinearPERMConfig: {"iterations": 5, "restarts": 1}}
    for kind in (LinearPEVIConfig, LinearPPPOConfig, LinearPERMConfig):
        for more in ({}, {"stationary": True, "gamma": 0.95}):
            learner = kind(**shared, **more, **extra.get(kind, {})).create()
            learner.fit(buffer, logger_adapter=d3rlpy.logging.NoopAdapterFactory())
            observations = buffer.sample_transition_batch(8).observations
            yield learner.predict(observations)
            yield learner.predict_value(observations, np.zeros((8, 1)))


# --- theory ----------------------------------------------------------------------------------------------------------------


@case
def linear_theory() -> Result:
    rng = np.random.default_rng(4)
    cmdp = LinearCMDP.random_tabular(5, 4, 3, 3, rng)
    behaviour = np.full((3, 4, 3), 1 / 3)
    data = cmdp.sample(behaviour, 50, np.random.default_rng(0), bernoulli=True)
    yield from data
    evaluation = ppe(*data, behaviour, cmdp.features, beta=0.3)
    yield from (evaluation.q, evaluation.v)
    yield pevi(*data, cmdp.features, beta=0.3).policy
    yield perm(*data, cmdp.features, initial=cmdp.initial, beta=0.3, seed=0, restarts=2, iterations=10).policy
    yield pppo(*data, cmdp.features, beta=0.3, seed=0, step_size=0.1).policy
    features = rng.normal(size=(2, 40, 6)) / 5
    fitted = EllipticalUncertainty(0.5, 0.1).fit(features)
    yield fitted.bonus(features[0])
    yield fitted.update(features).bonus(features, paired=True)
    counts = rng.integers(0, 4, (3, 40))
    yield EllipticalUncertainty(0.5, 0.1).fit(features[0], counts).bonus(torch.tensor(features[0]))


# --- analysis and evaluation -----------------------------------------------------------------------------------------------


@case
def analysis() -> Result:
    dataset = _pendulum()
    sensitivity = offctx.context_sensitivity(dataset)
    yield from (sensitivity.scale, sensitivity.next_observation_metrics, sensitivity.reward_metrics)
    yield sensitivity.distance({"g": 1.0}, {"g": 4.0})
    report = offctx.radius_report(dataset, samples=300)
    yield np.asarray(report.radius)


@case
def evaluation() -> Result:
    env = gymnasium.make(PENDULUM, max_episode_steps=30)
    report = offctx.evaluate("random", env, episodes=4, seed=2)
    for split in sorted(report.returns):
        yield report.returns[split]
        yield np.array([report.aer(split), report.iqm(split).estimate])
    yield np.array([report.gap("sweep_g")])
    env = gymnasium.make(CHEETAH, max_episode_steps=5)
    space = env.unwrapped.context_space
    policy = lambda observations, contexts, rng: np.tanh(observations[:, :6])  # noqa: E731
    yield offctx.evaluate(policy, env, space.sample(np.random.default_rng(0), 3), episodes=2, seed=2).returns["test"]


# --- the comparison --------------------------------------------------------------------------------------------------------


def _canary() -> Result:
    """What neither offctx nor d3rlpy has a part in: a network trained by Adam, and a simulated body."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.Tanh())
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    x = torch.randn(64, 5)
    for _ in range(30):
        optimiser.zero_grad()
        (net(x).square().mean() + torch.sin(3 * net(x)).mean()).backward()
        optimiser.step()
    yield from net.parameters()
    yield torch.linalg.cholesky(torch.eye(40, dtype=torch.float64) + net(x)[:, :40].double().T @ net(x)[:, :40].double())
    model = gymnasium.make("HalfCheetah-v5").unwrapped.model
    data = mujoco.MjData(model)
    data.ctrl[:] = 0.5
    for _ in range(50):
        mujoco.mj_step(model, data)
    yield data.qpos


def compute(name: str) -> str:
    """The checksum of one case."""
    function = _canary if name == "canary" else CASES[name]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", folder)
        try:
            return checksum(function())
        finally:
            torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recorded() -> dict[str, str]:
    """The recorded checksums, where this machine computes as the recording one did."""
    record: dict[str, str] = json.loads(RECORD.read_text())
    if compute("canary") != record["canary"]:
        pytest.skip(
            "this processor, or the installed PyTorch or MuJoCo, computes other last bits than where these were recorded"
        )
    return record


@pytest.mark.parametrize("name", CASES)
def test_results_are_what_they_were_to_the_last_bit(name: str, recorded: dict[str, str]) -> None:
    assert compute(name) == recorded[name]


ROOT = Path(__file__).parents[1]
CARDS = dict(re.findall(r"^\| (\S+\.toml) \| `([0-9a-f]{64})` \|$", (ROOT / "datasets" / "CARDS.md").read_text(), re.MULTILINE))
SLOW_RECIPES = ("ant-", "cheetah-", "half-cheetah-")  # minutes of physics


@pytest.mark.parametrize(
    "recipe", [pytest.param(name, marks=[pytest.mark.slow] if name.startswith(SLOW_RECIPES) else []) for name in CARDS]
)
def test_a_recipe_makes_the_data_of_its_card(recipe: str, recorded: dict[str, str], tmp_path: Path, monkeypatch: Any) -> None:
    from offctx.data.collection.from_recipe import collect_recipe
    from offctx.data.collection.recipe_options import RecipeOptions

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    options = RecipeOptions(progress=False)
    dataset = collect_recipe(ROOT / "datasets" / recipe, load_agent=offctx.algos.load_agent, options=options)
    assert dataset.metadata is not None and dataset.metadata.sha256 == CARDS[recipe]


def test_every_recipe_has_a_checksum() -> None:
    assert set(CARDS) == {path.name for path in (ROOT / "datasets").glob("*.toml")}


def test_every_recorded_case_is_computed() -> None:
    assert {"canary", *CASES} == set(json.loads(RECORD.read_text()))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    wanted = sys.argv[1:] or ["canary", *CASES]
    print(json.dumps({name: compute(name) for name in wanted}, indent=2))

"""What the tests of learners share: small networks, one-hot encoders, parts of datasets, weights to compare."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory
from d3rlpy.models.torch import Encoder
from torch import nn

import offctx
from offctx.algos.context_inference.hypernetwork import Hypernetwork
from offctx.data.choice.part import take_episodes

TINY = VectorEncoderFactory([16])


class Identity(Encoder):
    """Features are the observation: with a linear head on top, a linear critic."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))  # d3rlpy asks an encoder's parameters for their device

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@dataclasses.dataclass()
class IdentityFactory(EncoderFactory):
    """No encoder, so that networks are linear."""

    def create(self, observation_shape: Any) -> Identity:
        return Identity()

    @staticmethod
    def get_type() -> str:
        return "identity_of_tests"


register_encoder_factory(IdentityFactory)


@pytest.fixture
def linear() -> IdentityFactory:
    """The encoder that makes networks linear."""
    return IdentityFactory()


@pytest.fixture
def small() -> dict[str, Any]:
    """Settings of small networks and batches, for IQL and for ours."""
    return {
        "actor_encoder_factory": TINY,
        "critic_encoder_factory": TINY,
        "value_encoder_factory": TINY,
        "batch_size": 16,
    }


@pytest.fixture
def data(library: Any) -> Callable[..., offctx.ContextualDataset]:
    """The dataset of a kind of actions; continuous ones have four contexts, discrete ones two."""
    names = {"continuous": "pendulum", "discrete": "chooser"}
    return lambda kind="continuous": library.datasets[names[kind]]


def _weights_of(learner: Any) -> dict[str, np.ndarray]:
    return {
        f"{part}.{key}": value.detach().numpy().copy()
        for part, module in learner.impl.modules.get_torch_modules().items()
        for key, value in module.state_dict().items()
    }


@pytest.fixture
def weights_of() -> Callable[[Any], dict[str, np.ndarray]]:
    """All that a learner's networks hold, copied, by name."""
    return _weights_of


@pytest.fixture
def assert_equal_weights() -> Callable[[Any, Any], None]:
    """That two learners hold the same, to the bit."""

    def check(one: Any, other: Any) -> None:
        found, expected = _weights_of(one), _weights_of(other)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=key)

    return check


@pytest.fixture
def episodes_of() -> Callable[[offctx.ContextualDataset, list[int]], offctx.ContextualDataset]:
    """Some of a dataset's episodes, as a dataset in which context ids are as they were."""
    return lambda dataset, episodes: take_episodes(dataset, np.array(episodes))


def randomise_adapters(hypernetwork: Hypernetwork) -> None:
    """Gives a hypernetwork adapters that are not the identity."""
    for weight in hypernetwork.last.weights:
        nn.init.normal_(weight, std=0.3)

"""The policies that collect the data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offctx.contexts.space import Contexts
from offctx.envs.policies import Mixture
from tools.provenance import ROOT
from tools.reproduce.cse.settings import Floats


@dataclass(frozen=True)
class Balance:
    """A hand-made controller of CartGoal. It balances the pole and brings the cart to a place; it does not see the context.

    Attributes:
        place: target position of the cart [m].
        random: the share of random actions.
    """

    place: float
    random: float

    @property
    def __name__(self) -> str:
        return f"balance at {self.place:g} m, {self.random:.0%} random"

    def __call__(self, observations: Floats, contexts: Contexts, rng: np.random.Generator) -> NDArray[np.int64]:
        """Push to the side that the pole falls to. The gains were tuned by hand."""
        x, x_dot, theta, theta_dot = observations.T
        lean = np.clip(x - self.place, -0.6, 0.6) + 1.5 * x_dot + 10 * theta + 2.5 * theta_dot
        careless = rng.random(len(observations)) < self.random
        return np.where(careless, rng.integers(0, 2, len(observations)), lean > 0).astype(np.int64)


def balancing() -> Mixture:
    """Each episode has one of five places and one of two shares of random actions. Random actions alone fall within 0.5 s."""
    return Mixture([Balance(place, random) for place in (-2.0, -1.0, 0.0, 1.0, 2.0) for random in (0.3, 0.6)])


WEIGHTS = ROOT / "datasets" / "weights"


def ladder(*actors: str) -> Mixture:
    """Random actions and trained policies, one of them in each episode. They do not see the context."""
    from offctx.algos.shared.actor_files import load_actor

    return Mixture(["random", *(load_actor(WEIGHTS / f"{actor}.safetensors") for actor in actors)])

"""Linear contextual MDPs: made, solved exactly, and sampled; all contexts at once.

One context is one finite-horizon MDP; all of them share their states, actions and features phi (S, A, d) on the simplex:

    P_{i,h}(x' | x, a) = sum_k phi_k(x, a) mu_{i,h,k}(x')        each mu_{i,h,k} a distribution over states
    r_{i,h}(x, a) = < phi(x, a), theta_{i,h} >                   theta in [0, 1]^d

so that the Bellman operator of any value function is linear in phi (arXiv 2012.15085, Definition 4.3). A tabular CMDP is one
whose features are the S A unit vectors.

Dimensions: n contexts, K trajectories, H horizon, S states, A actions, d features.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from offctx.checks import Floats, Ints, at_least, count, floats, probabilities
from offctx.errors import LinearError
from offctx.linear.checks import feature_map
from offctx.linear.problem import PPEProblem
from offctx.linear.sampling import Trajectories, sample_trajectories


class Optimum(NamedTuple):
    """Each context's own optimal policy (n, H, S, A) and its values q (n, H, S, A), v (n, H+1, S)."""

    policy: Floats
    q: Floats
    v: Floats


@dataclass(frozen=True, eq=False)
class LinearCMDP:
    """n linear MDPs, one for each context.

    Attributes:
        features: phi (S, A, d), each a distribution over d.
        measures: mu (n, H, d, S), each a distribution over S.
        reward_weights: theta (n, H, d) in [0, 1].
        initial: distributions of the first state (n, S).

    Raises:
        LinearError: shapes do not fit, or something is no distribution or out of its range.
    """

    features: Floats
    measures: Floats
    reward_weights: Floats
    initial: Floats

    def __post_init__(self) -> None:
        phi = feature_map(self.features)
        probabilities(phi, "features", (phi.shape,))
        S, _, d = phi.shape
        theta = floats(self.reward_weights, "reward_weights", "(n, H, d)")
        if theta.ndim != 3 or 0 in theta.shape or theta.shape[2] != d:
            raise LinearError(f"expected reward_weights of shape (n, H, {d}), none of them 0; found {theta.shape}")
        if theta.min() < 0 or theta.max() > 1:
            raise LinearError(f"expected reward_weights in [0, 1]; found {theta.min():g} to {theta.max():g}")
        mu = probabilities(self.measures, "measures", ((*theta.shape, S),))
        initial = probabilities(self.initial, "initial", ((S,), (len(theta), S)))
        initial = np.broadcast_to(initial, (len(theta), S))
        for name, array in (("features", phi), ("measures", mu), ("reward_weights", theta), ("initial", initial)):
            own = array.copy()
            own.flags.writeable = False
            object.__setattr__(self, name, own)

    @classmethod
    def random(
        cls,
        n: int,
        S: int,
        A: int,
        d: int,
        H: int,
        rng: np.random.Generator,
        *,
        difference: float = 1.0,
        concentration: float = 0.5,
    ) -> "LinearCMDP":
        """Features, measures and initial distributions from Dirichlet(concentration), reward weights uniform in [0, 1].

        Args:
            n, S, A, d, H: sizes.
            rng: source of randomness.
            difference: of the contexts, in [0, 1]: each is (1 - difference) times one they share plus difference times its own.
            concentration: the smaller, the more deterministic.
        """
        features = rng.dirichlet(np.full(d, concentration), size=(S, A))
        return cls._draw(features, n, H, rng, difference, concentration)

    @classmethod
    def random_tabular(
        cls,
        n: int,
        S: int,
        A: int,
        H: int,
        rng: np.random.Generator,
        *,
        difference: float = 1.0,
        concentration: float = 0.5,
    ) -> "LinearCMDP":
        """As `random`, with the S A unit vectors as features."""
        return cls._draw(np.eye(S * A).reshape(S, A, S * A), n, H, rng, difference, concentration)

    @classmethod
    def tabular(cls, transitions: ArrayLike, rewards: ArrayLike, initial: ArrayLike) -> "LinearCMDP":
        """From tables.

        Args:
            transitions: (n, H, S, A, S).
            rewards: (n, H, S, A) in [0, 1].
            initial: (S,) or (n, S).
        """
        r = floats(rewards, "rewards", "(n, H, S, A)")
        if r.ndim != 4:
            raise LinearError(f"expected rewards of shape (n, H, S, A); found {r.shape}")
        n, H, S, A = r.shape
        P = probabilities(transitions, "transitions", ((n, H, S, A, S),))
        features = np.eye(S * A).reshape(S, A, S * A)
        return cls(features, P.reshape(n, H, S * A, S), r.reshape(n, H, S * A), np.asarray(initial))

    @classmethod
    def _draw(
        cls, features: Floats, n: int, H: int, rng: np.random.Generator, difference: float, concentration: float
    ) -> "LinearCMDP":
        S, _, d = features.shape
        if at_least(difference, 0, "difference") > 1:
            raise LinearError(f"expected difference in [0, 1]; found {difference:g}")
        at_least(concentration, 0, "concentration", strictly=True)
        sizes = (count(n, 1, "n"), count(H, 1, "H"), d)

        def mixed(draw: NDArray[np.float64]) -> Floats:
            return (1 - difference) * draw[:1] + difference * draw[1:]

        measures = mixed(rng.dirichlet(np.full(S, concentration), size=(n + 1, *sizes[1:])))
        weights = mixed(rng.random((n + 1, *sizes[1:])))
        return cls(features, measures, weights, mixed(rng.dirichlet(np.full(S, concentration), size=n + 1)))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """n, H, S, A."""
        S, A, _ = self.features.shape
        return len(self.initial), self.measures.shape[1], S, A

    @property
    def transitions(self) -> Floats:
        """P (n, H, S, A, S), which may be large: nothing else here makes it."""
        return np.asarray(np.einsum("sad,nhdt->nhsat", self.features, self.measures, optimize=True))

    @property
    def rewards(self) -> Floats:
        """Expected rewards (n, H, S, A)."""
        return np.asarray(np.einsum("sad,nhd->nhsa", self.features, self.reward_weights))

    def __len__(self) -> int:
        return len(self.initial)

    def __getitem__(self, contexts: slice | Ints | list[int]) -> "LinearCMDP":
        """Some of the contexts; a single one as a slice or a list of one."""
        if isinstance(contexts, (int, np.integer)):
            raise LinearError(f"expected a slice or a list of contexts; found the number {contexts}")
        return LinearCMDP(self.features, self.measures[contexts], self.reward_weights[contexts], self.initial[contexts])

    def values(self, policy: ArrayLike) -> tuple[Floats, Floats]:
        """Exact q (n, H, S, A) and v (n, H+1, S) of a policy (H, S, A), or of one for each context (n, H, S, A)."""
        pi = self._policy(policy)
        q, v = self._empty()
        for h in reversed(range(q.shape[1])):
            q[:, h] = self._bellman(h, v[:, h + 1])
            v[:, h] = (pi[:, h] * q[:, h]).sum(axis=-1)
        return q, v

    def returns(self, policy: ArrayLike) -> Floats:
        """Expected return in each context (n,), from its initial distribution."""
        return np.asarray((self.values(policy)[1][:, 0] * self.initial).sum(axis=1))

    def optimal(self) -> Optimum:
        """Each context's own optimum; of equal actions the first."""
        q, v = self._empty()
        for h in reversed(range(q.shape[1])):
            q[:, h] = self._bellman(h, v[:, h + 1])
            v[:, h] = q[:, h].max(axis=-1)
        return Optimum(np.eye(q.shape[-1])[q.argmax(axis=-1)], q, v)

    def occupancy(self, policy: ArrayLike) -> Floats:
        """Probability of each state and action at each step, (n, H, S, A)."""
        pi = self._policy(policy)
        n, H, S, A = self.shape
        occupancy = np.empty((n, H, S, A))
        states = self.initial
        for h in range(H):
            occupancy[:, h] = states[:, :, None] * pi[:, h]
            latent = occupancy[:, h].reshape(n, S * A) @ self.features.reshape(S * A, -1)
            states = (latent[:, None] @ self.measures[:, h])[:, 0]
        return occupancy

    def problem(self) -> PPEProblem:
        """Exact evaluation as a `PPEProblem`: the true weights, no bonus. `maximise` of it is the oracle."""
        arrays = (self.features, np.zeros(self.shape), self.reward_weights, self.measures)
        return PPEProblem(*(torch.from_numpy(array.copy()) for array in arrays))

    def sample(self, behaviour: ArrayLike, episodes: int, rng: np.random.Generator, *, bernoulli: bool = False) -> Trajectories:
        """K trajectories in each context.

        Args:
            behaviour: policy (H, S, A), or one for each context (n, H, S, A).
            episodes: K.
            rng: source of randomness.
            bernoulli: rewards are zero or one, with the expected reward as probability, rather than the expected reward.
        """
        return sample_trajectories(self, self._policy(behaviour), episodes, rng, bernoulli=bernoulli)

    def _policy(self, policy: ArrayLike) -> Floats:
        pi = probabilities(policy, "policy", (self.shape[1:], self.shape))
        return np.broadcast_to(pi, self.shape)

    def _empty(self) -> tuple[Floats, Floats]:
        n, H, S, A = self.shape
        return np.zeros((n, H, S, A)), np.zeros((n, H + 1, S))

    def _bellman(self, h: int, v: Floats) -> Floats:
        """(B_h V)(x, a) of values (n, S): (n, S, A)."""
        weights = self.reward_weights[:, h] + (self.measures[:, h] @ v[:, :, None])[:, :, 0]
        return np.asarray(np.einsum("sad,nd->nsa", self.features, weights))

"""Soft actor-critic (arXiv 1801.01290, with the temperature of arXiv 1812.05905): n independent agents, trained as one.

Agent i plays in context i alone and learns from its own replay alone. Their networks are stacked, so that one update of all
of them costs little more than one update of one.

Dimensions: n agents, m transitions of each in a batch, o observation, a action.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from offctx.algos.shared.losses import td_loss, td_targets
from tools.reproduce.perm.tasks import Floats

_HIDDEN = (64, 64)
_RATE = 1e-3
_TAU = 0.01  # of the target update
_LOG_STD = (-4.0, 1.0)  # the least and the largest


class _Networks(nn.Module):
    """n networks of one shape, as batched matrix products; with inputs (n, m, in), outputs are (n, m, out)."""

    def __init__(self, n: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        layers = [[nn.Linear(*pair) for pair in pairwise(sizes)] for _ in range(n)]  # for torch's own initial weights
        same = list(zip(*layers, strict=True))  # the layers in the same place of all networks
        self.weights = nn.ParameterList([torch.stack([layer.weight.detach().T for layer in each]) for each in same])
        self.biases = nn.ParameterList([torch.stack([layer.bias.detach()[None] for layer in each]) for each in same])

    def forward(self, inputs: Tensor) -> Tensor:
        x = inputs
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x.relu() if k else x, weight)
        return x


class SoftActorCritics:
    """n agents.

    Args:
        agents: n.
        observation_size: o.
        action_size: a.
        bound: actions are in [-bound, bound].
        gamma: discount.
        seed: of weights and actions.
    """

    def __init__(self, agents: int, observation_size: int, action_size: int, bound: float, gamma: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.bound, self.gamma, self.target_entropy = bound, gamma, -float(action_size)
        self.actor = _Networks(agents, (observation_size, *_HIDDEN, 2 * action_size))
        critic_sizes = (observation_size + action_size, *_HIDDEN, 1)
        self.critic, self.target = (_Networks(2 * agents, critic_sizes) for _ in range(2))  # two critics for each agent
        self.target.load_state_dict(self.critic.state_dict())
        self.log_alpha = torch.zeros(agents, 1, requires_grad=True)
        parameters = (self.actor.parameters(), self.critic.parameters(), [self.log_alpha])
        self._optimisers = [torch.optim.Adam(each, _RATE, fused=True) for each in parameters]

    @torch.no_grad()
    def act(self, observations: Floats) -> Floats:
        """Sampled actions (n, m, a) at observations (n, m, o)."""
        actions, _ = self._sample(torch.as_tensor(observations, dtype=torch.float32))
        return self.bound * actions.double().numpy()

    def update(self, observations: Tensor, actions: Tensor, rewards: Tensor, next_observations: Tensor) -> None:
        """One step of critics, actors and temperatures, on batches (n, m, ...). Episodes end by their time limit alone."""
        alpha = self.log_alpha.detach().exp()
        with torch.no_grad():
            next_actions, next_logs = self._sample(next_observations)
            next_values = self._values(self.target, next_observations, next_actions).amin(dim=0) - alpha * next_logs
            targets = td_targets(rewards, next_values, torch.zeros(()), torch.tensor(self.gamma))
        # The sum over agents trains each of them as if it were alone: no weight is shared, and Adam's steps have no scale.
        errors = td_loss(self._values(self.critic, observations, actions / self.bound), targets)
        self._minimise(1, errors.mean(dim=-1).sum())
        sampled, logs = self._sample(observations)
        values = self._values(self.critic.requires_grad_(False), observations, sampled).amin(dim=0)
        self._minimise(0, (alpha * logs - values).mean(dim=-1).sum())
        self.critic.requires_grad_(True)
        self._minimise(2, -(self.log_alpha * (logs.detach() + self.target_entropy)).mean(dim=-1).sum())
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target.parameters()), list(self.critic.parameters()), _TAU)

    def _sample(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Actions in [-1, 1] (n, m, a), and their log densities (n, m)."""
        means, raw = self.actor(observations).chunk(2, dim=-1)
        low, high = _LOG_STD
        stds = (low + (high - low) * (raw.tanh() + 1) / 2).exp()
        noise = torch.randn_like(means)
        before = means + stds * noise
        density = -(noise.square() / 2 + stds.log() + math.log(2 * math.pi) / 2)
        squashing = 2 * (math.log(2) - before - nn.functional.softplus(-2 * before))  # log(1 - tanh^2)
        return before.tanh(), (density - squashing).sum(dim=-1)

    def _values(self, critics: _Networks, observations: Tensor, actions: Tensor) -> Tensor:
        """The values of both critics, (2, n, m)."""
        inputs = torch.cat([observations, actions], dim=-1)
        values: Tensor = critics(inputs.repeat(2, 1, 1))
        return values.reshape(2, *inputs.shape[:2])

    def _minimise(self, which: int, loss: Tensor) -> None:
        """One step of an optimiser."""
        self._optimisers[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        self._optimisers[which].step()

"""Context sample enhancement (CSE): move a sampled batch to nearby contexts.

Source: arXiv 2507.07348. For a sample (s, a, r, s') at context c and a perturbation dc of it, to first order

    s'_bar = s' + d_c f dc                               transition
    r_bar  = r + d_c R dc + d_s' R d_c f dc              reward: its total derivative along dc
    c_bar  = c + dc                                      what the agent sees as context, before and after

where the dataset's `dnext_observation_dcontext` is d_c f (of the observation) and `dreward_dcontext` is the total
derivative of r; or exactly, s'_bar and r_bar simulated at c_bar. Each sample expands around its own context. Its action may
change by da and its simulator state by ds as well: then s'_bar = s' + d_s f ds + d_a f da + d_c f dc, r_bar adds its total
derivative along all three, and both come from `ContextualEnv.expand`; or exactly, the new action is simulated from the new
state. Terminations are simulated anew where exact, and left as they are to first order.

Departures from the paper: (1) the radius may differ between coordinates, which have units; the ball becomes an
ellipsoid. (2) A perturbed context that is not valid is drawn again, and drawn towards c where that does not help.
(3) Discrete coordinates of a context stay where they are.

Dimensions: B batch, o observation, a action, s state, p context.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from offctx.analysis.radius import RadiusReport, radius_report
from offctx.buffers.augmentation import DERIVATIVES, Augmentation
from offctx.contexts.redraw import redraw_until_valid
from offctx.contexts.space import ContextSpace
from offctx.envs.base import Array, ContextualEnv
from offctx.envs.resolve import EnvLike, resolve
from offctx.errors import ContextError, DerivativeError, EnvError, PolicyError

if TYPE_CHECKING:
    from offctx.buffers.batch import ContextualMiniBatch
    from offctx.data.dataset import ContextualDataset

ActionChange = Literal["unchanged", "random", "resampled", "transported"]
_REDRAWS = 20
_HALVINGS = 30
_TANH_LIMIT = 0.999999  # how far d3rlpy follows the inverse of tanh


# What d3rlpy's implementations make of a policy network's mu and logstd, by class name: nearest parent first. Gaussian: about
# tanh(mu), or tanh(mu) itself where there is no logstd; squashed: tanh of a Gaussian about mu.
_KINDS = {
    "SACImpl": "squashed",
    "AWACImpl": "gaussian",
    "IQLImpl": "gaussian",
    "CRRImpl": "gaussian",
    "BCImpl": "gaussian",
    "DDPGImpl": "gaussian",
}


class CSE(Augmentation):
    """Context sample enhancement, a function from batch to batch.

    Use it as ``dataset.replay_buffer(augmentation=CSE(radius=0.5))``: every d3rlpy algorithm then trains on it.

    Args:
        radius: how far contexts are moved: one number, as in the paper, or one per coordinate (p,), in its units; 0 leaves
            a coordinate where it is, and one number leaves discrete ones. "auto": the largest that the data support by
            `offctx.radius_report`, found when the buffer is made; of `env` or `exact`, or the dataset's own environment.
        perturbation: "ball", uniform in the ball (the paper's definition), or "sphere", of fixed norm in a uniform
            direction (the paper's experiments). The same holds for actions and states.
        exact: the environment of the data (an id, a factory or an environment), to simulate transitions anew instead of
            expanding them to first order. Needs the simulator states in the dataset instead of the derivatives.
        env: the same, to expand along actions and states too, which needs the simulator states as well. It is there to study
            the first order: `exact` answers the same question in a fraction of the time.
        action: what becomes of it. "unchanged". "random": a + da, da drawn within `action_radius`, the sum clipped to the
            action space; of Discrete actions, any one. "resampled": drawn from `policy` at the new observation.
            "transported": a Gaussian policy's mu2 + (a - mu1) sigma2 / sigma1, (mu1, sigma1) at the old observation and
            (mu2, sigma2) at the new one, before the tanh where the policy squashes by one. All but the first need `env`
            or `exact`, and of Discrete actions `exact`: a different one is no small change.
        action_radius: for "random", one number or one per action coordinate (a,), in the action's units.
        state_radius: how far simulator states are moved (see the environment for what they hold), one number or one per
            state coordinate (s,); needs `env` or `exact`. What the agent sees of the state is computed anew.
        policy: for "resampled" and "transported": the d3rlpy algorithm that is being trained, built by the time that a batch
            is drawn. It draws with its own generator. "transported" also takes anything with gaussian(observations) ->
            mean (B, a), standard deviation (B, a).
        seed: of its own generator, used only where it is called without one; a buffer passes its own.

    Raises:
        ContextError: a radius is negative or not finite.
        EnvError: the action or the state changes and there is neither `env` nor `exact`; or there are both.
        PolicyError: `action` is unknown, lacks its policy, or is nothing that Discrete actions can do.
    """

    def __init__(
        self,
        radius: ArrayLike | Literal["auto"],
        *,
        perturbation: Literal["ball", "sphere"] = "ball",
        exact: EnvLike | None = None,
        env: EnvLike | None = None,
        action: ActionChange = "unchanged",
        action_radius: ArrayLike = 0.1,
        state_radius: ArrayLike = 0.0,
        policy: Any = None,
        seed: int = 0,
    ) -> None:
        self._auto = isinstance(radius, str) and radius == "auto"
        self._radius = None if self._auto else _checked(radius, "radius", "context")
        if perturbation not in ("ball", "sphere"):
            raise ContextError(f'CSE perturbation must be "ball" or "sphere"; found {perturbation!r}')
        if exact is not None and env is not None:
            raise EnvError("CSE takes either env=, to expand to first order, or exact=, to simulate; found both")
        self.perturbation = perturbation
        self.report: RadiusReport | None = None
        self._prepared_for: str | None = None
        self._exact = exact is not None
        given = exact if exact is not None else env
        self._env = None if given is None else resolve(given).env
        self.action, self.policy = action, policy
        self.state_radius = _checked(state_radius, "state_radius", "state")
        self.action_radius = _checked(action_radius, "action_radius", "action")
        self._moves_more = action != "unchanged" or bool(self.state_radius.any())
        self._check_options()
        self.seed = seed
        self._rng = np.random.default_rng(seed)

    def _check_options(self) -> None:
        """That the environment and the policy are there which the changes of action and state need, and can do them."""
        if self.action not in get_args(ActionChange):
            raise PolicyError(f"CSE action must be one of {list(get_args(ActionChange))}; found {self.action!r}")
        if self.action in ("resampled", "transported") and self.policy is None:
            raise PolicyError(f'CSE with action="{self.action}" needs policy=, the d3rlpy algorithm that is being trained')
        if not self._moves_more:
            return
        if self._env is None:
            what = "state_radius > 0" if self.action == "unchanged" else f'action="{self.action}"'
            raise EnvError(f"CSE with {what} needs env= (to first order) or exact= (simulated), the environment of the data")
        if isinstance(self._env.action_space, spaces.Discrete):
            if self.action == "transported":
                raise PolicyError('CSE cannot transport Discrete actions; use action="resampled" or "random" with exact=')
            if self.action != "unchanged" and not self._exact:
                raise PolicyError(
                    f'CSE with action="{self.action}" needs exact= where actions are Discrete: another action is no small '
                    f"change that an expansion to first order could follow"
                )
        elif self.action == "random" and self.action_radius.shape not in ((), self._env.action_space.shape):
            shape = self._env.action_space.shape
            raise ContextError(f"CSE action_radius has shape {self.action_radius.shape}; an action has {shape}")

    @property
    def radius(self) -> NDArray[np.float64]:
        """One number, or one per context coordinate (p,). Raises ContextError while "auto" is not resolved."""
        if self._radius is None:
            raise ContextError(
                'CSE(radius="auto") does not know its radius yet: make the buffer with it, as in '
                "dataset.replay_buffer(augmentation=cse), or call cse.prepare(dataset)"
            )
        return self._radius

    @property
    def requires(self) -> tuple[str, ...]:
        """The arrays that a dataset must have, by the names of `ContextualDataset`."""
        if self._env is None or not (self._exact or self._moves_more):
            return DERIVATIVES
        return ("states", "noise") if self._env.noise_size else ("states",)

    def prepare(self, dataset: "ContextualDataset") -> None:
        """Resolve "auto" for a dataset; else nothing. The report that it was read off is `report` afterwards.

        Raises:
            ContextError: even the smallest radius is too large; or it is resolved for another dataset already.
            DatasetError: the dataset has no simulator states, or the environment is not known.
        """
        if not self._auto or self._prepared_for == dataset.dataset_id:
            return
        if self._prepared_for is not None:
            raise ContextError(
                f'this CSE(radius="auto") was resolved for {self._prepared_for}; make another for {dataset.dataset_id}'
            )
        report = radius_report(dataset, self._env, seed=self.seed)
        if report.suggested == 0:
            raise ContextError(
                f"{dataset.dataset_id}: first order is off by {report.relative_error[0]:.2g} of the effect at the smallest "
                f"radius already, so no radius is within the tolerance of {report.tolerance:g}; use exact=, and give the radius"
            )
        self.report, self._radius, self._prepared_for = report, report.radius, dataset.dataset_id

    def __call__(self, batch: "ContextualMiniBatch", rng: np.random.Generator | None = None) -> "ContextualMiniBatch":
        """The batch moved to perturbed contexts; with radius 0, and nothing else to move, the very same batch."""
        if not (self._moves_more or self.radius.any()):
            return batch
        for name in self.requires:
            if getattr(batch, name) is None:
                raise DerivativeError(f"CSE needs a batch with {name}; make the buffer with this CSE as its augmentation")
        rng = rng or self._rng
        contexts, dc = self.perturb(batch.contexts, batch.context_space, rng)
        if self._env is not None and (self._exact or self._moves_more):
            changed = self._through(self._env, batch, contexts, dc, rng)
        else:
            changed = self._first_order(batch, dc)
        if batch.context == "append":
            changed.setdefault("observations", np.array(batch.observations))
            for name in ("observations", "next_observations"):
                changed[name][:, -dc.shape[1] :] = contexts
        return dataclasses.replace(batch, contexts=contexts, **changed)

    def _first_order(self, batch: "ContextualMiniBatch", dc: NDArray[np.float32]) -> dict[str, Any]:
        """By the derivatives in the dataset."""
        dnext, dreward = batch.dnext_observation_dcontext, batch.dreward_dcontext
        assert dnext is not None and dreward is not None
        next_observations = np.array(batch.next_observations)
        next_observations[:, : dnext.shape[1]] += np.einsum("bop,bp->bo", dnext, dc)
        return {
            "next_observations": next_observations,
            "rewards": batch.rewards + np.einsum("bp,bp->b", dreward, dc)[:, None],
        }

    def _through(
        self,
        env: ContextualEnv,
        batch: "ContextualMiniBatch",
        contexts: NDArray[np.float32],
        dc: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """By the environment, with the changed action and state; exactly or to first order."""
        assert batch.states is not None and env.observation_space.shape is not None
        n, o = len(contexts), env.observation_space.shape[0]
        states = batch.states.astype(np.float64)
        changed: dict[str, Any] = {}
        observations = np.array(batch.observations)
        ds = self._draw_states(states, rng)
        if ds is not None:
            observations[:, :o] = env.observations(states + ds)
            changed["observations"] = observations
        actions = acted = env.admit_actions(batch.actions, n)
        if self.action != "unchanged":
            if batch.context == "append":
                observations[:, -contexts.shape[1] :] = contexts
            acted = self._act(env, batch, actions, observations, rng)
            changed["actions"] = acted.reshape(n, -1).astype(np.float32)
        next_observations = np.array(batch.next_observations)
        if self._exact:
            moved = states if ds is None else states + ds
            next_states, rewards, terminations = env.simulate(moved, acted, contexts, batch.noise)
            next_observations[:, :o] = env.observations(next_states)
            changed["terminals"] = terminations[:, None].astype(np.float32)
        else:
            base = batch.contexts.astype(np.float64)
            da = None if self.action == "unchanged" else acted.astype(np.float64) - actions
            dnext, dreward = env.expand(states, actions, base, ds, da, dc.astype(np.float64), batch.noise)
            next_observations[:, :o] += dnext
            rewards = batch.rewards[:, 0] + dreward
        return {**changed, "next_observations": next_observations, "rewards": rewards[:, None].astype(np.float32)}

    def _draw_states(self, states: Array, rng: np.random.Generator) -> Array | None:
        """How far the states (B, s) are moved, or None where they stay."""
        if not self.state_radius.any():
            return None
        if self.state_radius.shape not in ((), states.shape[1:]):
            raise ContextError(f"CSE state_radius has {self.state_radius.size} numbers; a state has {states.shape[1]}")
        radius = np.broadcast_to(self.state_radius, states.shape[1:])
        return _draw(len(states), radius, rng, sphere=self.perturbation == "sphere")

    def _act(
        self,
        env: ContextualEnv,
        batch: "ContextualMiniBatch",
        actions: Array,
        observations: Array,
        rng: np.random.Generator,
    ) -> Array:
        """The changed actions, as the action space admits them: `actions` at the batch's observations before."""
        n, space = len(actions), env.action_space
        if self.action == "resampled":
            return env.admit_actions(_resampled(self.policy, observations), n)
        if self.action == "transported":
            return env.admit_actions(_transported(self.policy, actions, np.asarray(batch.observations), observations), n)
        if isinstance(space, spaces.Discrete):
            return rng.integers(space.start, space.start + space.n, n)
        assert isinstance(space, spaces.Box)
        da = _draw(n, np.broadcast_to(self.action_radius, space.shape), rng, sphere=self.perturbation == "sphere")
        return env.admit_actions(actions + da, n)

    def check(self, space: ContextSpace) -> None:
        """Checks that the radius and the environment fit the context space.

        Raises:
            ContextError: the radius has not p numbers, or moves a discrete coordinate; or the environment has another context.
        """
        self.radii(space)

    def radii(self, space: ContextSpace) -> NDArray[np.float64]:
        """The radius of each context coordinate (p,); raises as `check` does."""
        radius = self.radius
        if radius.shape not in ((), (space.size,)):
            raise ContextError(f"CSE radius has {radius.size} numbers; the context has {space.size}: {list(space.names)}")
        if self._env is not None and self._env.context_space.names != space.names:
            theirs = list(self._env.context_space.names)
            raise ContextError(f"CSE's environment has the context {theirs}; the data have {list(space.names)}")
        if not space.discrete:
            return np.broadcast_to(radius, (space.size,))
        if radius.any() and not space.continuous.any():
            raise ContextError(f"every coordinate of the context is discrete, {list(space.names)}: none is near another")
        if radius.ndim and radius[~space.continuous].any():
            k = int(np.flatnonzero(~space.continuous & (radius > 0))[0])
            raise ContextError(
                f"{space.names[k]} is discrete, so that CSE cannot move it; found radius {radius[k]:g}, expected 0"
            )
        return np.where(space.continuous, radius, 0.0)

    def perturb(
        self, contexts: NDArray[np.float32], space: ContextSpace, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Valid contexts near the given ones (B, p), and how far each was moved (B, p)."""
        radius, sphere = self.radii(space), self.perturbation == "sphere"
        base = contexts.astype(np.float64)
        within = np.clip(base, space.low, space.high)
        # float32 does not hold every bound: a context on one may come in one rounding outside it.
        base = np.where(np.abs(base - within) <= np.spacing(np.abs(contexts)), within, base)

        def propose(missing: NDArray[np.intp], attempt: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
            moves = _draw(len(missing), radius, rng, sphere=sphere) * 0.5 ** max(0, attempt - _REDRAWS)
            return moves, space.valid(base[missing] + moves)

        dc, invalid = redraw_until_valid(propose, len(base), 1 + _REDRAWS + _HALVINGS)
        dc[invalid] = 0  # a base context that is itself outside the space stays where it is
        return (base + dc).astype(np.float32), dc.astype(np.float32)

    def __repr__(self) -> str:
        if self._radius is None:
            radius = "'auto'"
        else:
            radius = np.array2string(self._radius, precision=4, separator=", ") + (" (auto)" if self._auto else "")
        parts = [f"radius={radius}", f"perturbation={self.perturbation!r}"]
        if self._env is not None:
            parts.append(f"{'exact' if self._exact else 'env'}={type(self._env).__name__}")
        if self.action != "unchanged":
            parts.append(f"action={self.action!r}")
        if self.action == "random":
            parts.append(f"action_radius={self.action_radius}")
        if self.state_radius.any():
            parts.append(f"state_radius={self.state_radius}")
        return f"CSE({', '.join(parts)})"


def _checked(radius: Any, name: str, of: str) -> NDArray[np.float64]:
    """One number >= 0 or a vector of them."""
    try:
        found = np.array(radius, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContextError(f"CSE {name} must be one number, or one per {of} coordinate; found {radius!r}") from error
    if found.ndim > 1 or not np.isfinite(found).all() or (found < 0).any():
        raise ContextError(f"CSE {name} must be one number >= 0, or one per {of} coordinate; found {radius!r}")
    return found


def _draw(n: int, radius: NDArray[np.float64], rng: np.random.Generator, *, sphere: bool) -> NDArray[np.float64]:
    """n perturbations in the ellipsoid (or on it) that the coordinates with a positive radius span."""
    moving = radius > 0
    found = np.zeros((n, len(radius)))
    if not moving.any():
        return found
    direction = rng.standard_normal((n, int(moving.sum())))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    if not sphere:
        direction *= rng.random((n, 1)) ** (1 / direction.shape[1])
    found[:, moving] = direction * radius[moving]
    return found


def _built(policy: Any) -> Any:
    """The networks of a d3rlpy algorithm, where there are any yet; the policy itself, where it is something else."""
    impl = getattr(policy, "impl", policy)
    if impl is None:
        raise PolicyError(
            f"CSE's policy {type(policy).__name__} has no networks yet: call its build_with_dataset(buffer) or fit before "
            f"a batch is drawn"
        )
    for name in ("observation_scaler", "action_scaler"):
        scaler = getattr(policy, name, None)
        if scaler is not None and not getattr(scaler, "built", True):
            raise PolicyError(
                f"the {name} of CSE's policy {type(policy).__name__} is not fitted yet: give it its numbers, or fit"
            )
    return impl


def _resampled(policy: Any, observations: Array) -> Array:
    """Actions that the policy draws at observations (B, D); its greedy ones where it cannot draw."""
    _built(policy)
    for name in ("sample_action", "predict"):
        choose = getattr(policy, name, None)
        if callable(choose):
            try:
                return np.asarray(choose(observations))
            except NotImplementedError:
                continue
    raise PolicyError(f"CSE can resample from a policy with sample_action or predict; found {type(policy).__name__}")


def _transported(policy: Any, actions: Array, before: Array, after: Array) -> Array:
    """Actions (B, a) with the same place in the policy's distribution at observations `after` (B, D) as at `before`."""
    if callable(getattr(policy, "gaussian", None)):
        (mean1, std1), (mean2, std2) = policy.gaussian(before), policy.gaussian(after)
        return transport(actions, mean1, std1, mean2, std2)
    impl = _built(policy)
    kind = next((_KINDS[parent.__name__] for parent in type(impl).__mro__ if parent.__name__ in _KINDS), None)
    if kind is None:
        raise PolicyError(
            f"CSE can transport the actions of a diagonal Gaussian or deterministic policy (d3rlpy's SAC, AWAC, IQL, CRR, TD3, "
            f"DDPG, BC and their kin), or of anything with gaussian(observations); found {type(policy).__name__}"
        )
    scaler = getattr(policy, "action_scaler", None)
    inner = actions if scaler is None else scaler.transform_numpy(actions)  # as the policy's networks have them
    mean, std = _gaussian(policy, impl, np.concatenate([before, after]), squashed=kind == "squashed")
    n = len(actions)
    if kind == "squashed":
        within = np.clip(inner, -_TANH_LIMIT, _TANH_LIMIT).astype(np.float64)
        raw = transport(np.arctanh(within), mean[:n], std[:n], mean[n:], std[n:])
        moved = np.tanh(raw) + (inner - within)  # what no tanh reaches keeps its distance: nothing moves where nothing changed
    else:
        moved = transport(inner, mean[:n], std[:n], mean[n:], std[n:])
    return np.asarray(moved if scaler is None else scaler.reverse_transform_numpy(moved))


def transport(actions: Array, mean1: Array, std1: Array, mean2: Array, std2: Array) -> Array:
    """The optimal transport map between diagonal Gaussians, mu2 + (a - mu1) sigma2 / sigma1; all (B, a)."""
    return np.asarray(mean2 + (actions - mean1) * (std2 / std1))


def _gaussian(policy: Any, impl: Any, observations: Array, *, squashed: bool) -> tuple[Array, Array]:
    """Mean and standard deviation (B, a) of a d3rlpy policy network, before the tanh where it squashes; 1 where it has none."""
    if tuple(impl.observation_shape) != observations.shape[1:]:
        raise PolicyError(
            f"CSE's policy takes inputs of shape {impl.observation_shape}; the batch has {observations.shape[1:]}"
        )
    network, scaler = impl.policy, getattr(policy, "observation_scaler", None)
    training = network.training
    network.eval()  # as d3rlpy does to predict
    with torch.no_grad():
        inputs = torch.as_tensor(observations, dtype=torch.float32, device=impl.device)
        found = network(inputs if scaler is None else scaler.transform(inputs))
        mean = (found.mu if squashed else found.squashed_mu).double().cpu().numpy()
        std = np.ones(1) if found.logstd is None else found.logstd.double().exp().cpu().numpy()
    network.train(training)
    return mean, np.broadcast_to(std, mean.shape)

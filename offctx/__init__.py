"""offctx: context-labelled offline RL, from datasets to zero-shot scores.

dataset = offctx.collect("offctx/PendulumGoal-v0", "offctx/PendulumGoal/random-v0", episodes_per_context=250, seed=0)
buffer = dataset.replay_buffer(augmentation=offctx.CSE(radius=0.5))
...any d3rlpy algorithm's fit(buffer)...
report = offctx.evaluate(agent, "offctx/PendulumGoal-v0", episodes=64, seed=0)

Importing offctx registers its Gymnasium ids and defines its public names; each is loaded on first use.
"""

import os
import sys

from offctx.lazy import lazy_exports

TYPE_CHECKING = False  # as in typing, which takes longer to import than all else here
if TYPE_CHECKING:
    from offctx import algos, envs, linear
    from offctx.algos.inferred_context import InferredContext, InferredContextPolicy
    from offctx.algos.transformer_policy import TransformerPolicy
    from offctx.analysis.context_kinds import context_kinds
    from offctx.analysis.context_sensitivity import context_distance, context_sensitivity
    from offctx.analysis.counterfactual import counterfactual
    from offctx.analysis.leakage import LeakageReport, leakage_report
    from offctx.analysis.radius import RadiusReport, radius_report
    from offctx.analysis.sensitivity import Sensitivity
    from offctx.augmentations.context_jitter import ContextJitter
    from offctx.augmentations.cse import CSE
    from offctx.augmentations.observation_noise import ObservationNoise
    from offctx.augmentations.pessimism import Pessimism
    from offctx.augmentations.reward_relabelling import RewardRelabelling
    from offctx.augmentations.simulated_outcomes import SimulatedOutcomes
    from offctx.buffers.augmentation import Augmentation
    from offctx.buffers.online import online_buffer
    from offctx.contexts.aib import aib_splits
    from offctx.contexts.space import ContextSpace
    from offctx.data.collection.collect import collect
    from offctx.data.composition.combine import combine
    from offctx.data.dataset import ContextualDataset
    from offctx.data.derivatives.attach import attach_derivatives
    from offctx.data.history.settings import History
    from offctx.data.load import load_dataset
    from offctx.data.sharing.lock_file import read_lock
    from offctx.data.sharing.pull import pull
    from offctx.data.sharing.push import push
    from offctx.data.storage.cleaning import clean
    from offctx.envs.actuator_contexts import ActuatorContexts
    from offctx.envs.observation_contexts import ObservationContexts
    from offctx.envs.policies import Mixture
    from offctx.errors import OffctxError
    from offctx.evaluation.compare import compare
    from offctx.evaluation.controls import evaluate_controls
    from offctx.evaluation.evaluator import evaluate
    from offctx.evaluation.kept_chunks import KeptChunks
    from offctx.evaluation.provenance import Provenance
    from offctx.evaluation.report import ZeroShotReport
    from offctx.evaluation.training_evaluator import ZeroShotEvaluator
    from offctx.notices import quiet
    from offctx.training.known import collect_known
    from offctx.training.online import train_online
    from offctx.training.train_encoder import train_encoder
    from offctx.version import __version__

__all__ = [
    "CSE",
    "ActuatorContexts",
    "Augmentation",
    "ContextJitter",
    "ContextSpace",
    "ContextualDataset",
    "History",
    "InferredContext",
    "InferredContextPolicy",
    "KeptChunks",
    "LeakageReport",
    "Mixture",
    "ObservationContexts",
    "ObservationNoise",
    "OffctxError",
    "Pessimism",
    "Provenance",
    "RadiusReport",
    "RewardRelabelling",
    "Sensitivity",
    "SimulatedOutcomes",
    "TransformerPolicy",
    "ZeroShotEvaluator",
    "ZeroShotReport",
    "__version__",
    "aib_splits",
    "algos",
    "attach_derivatives",
    "clean",
    "collect",
    "collect_known",
    "combine",
    "compare",
    "context_distance",
    "context_kinds",
    "context_sensitivity",
    "counterfactual",
    "envs",
    "evaluate",
    "evaluate_controls",
    "leakage_report",
    "linear",
    "load_dataset",
    "online_buffer",
    "pull",
    "push",
    "quiet",
    "radius_report",
    "read_lock",
    "train_encoder",
    "train_online",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ActuatorContexts": "offctx.envs.actuator_contexts",
        "Augmentation": "offctx.buffers.augmentation",
        "CSE": "offctx.augmentations.cse",
        "ContextJitter": "offctx.augmentations.context_jitter",
        "ContextSpace": "offctx.contexts.space",
        "ContextualDataset": "offctx.data.dataset",
        "History": "offctx.data.history.settings",
        "InferredContext": "offctx.algos.inferred_context",
        "InferredContextPolicy": "offctx.algos.inferred_context",
        "KeptChunks": "offctx.evaluation.kept_chunks",
        "LeakageReport": "offctx.analysis.leakage",
        "Mixture": "offctx.envs.policies",
        "ObservationContexts": "offctx.envs.observation_contexts",
        "ObservationNoise": "offctx.augmentations.observation_noise",
        "OffctxError": "offctx.errors",
        "Pessimism": "offctx.augmentations.pessimism",
        "Provenance": "offctx.evaluation.provenance",
        "RadiusReport": "offctx.analysis.radius",
        "RewardRelabelling": "offctx.augmentations.reward_relabelling",
        "Sensitivity": "offctx.analysis.sensitivity",
        "SimulatedOutcomes": "offctx.augmentations.simulated_outcomes",
        "TransformerPolicy": "offctx.algos.transformer_policy",
        "ZeroShotEvaluator": "offctx.evaluation.training_evaluator",
        "ZeroShotReport": "offctx.evaluation.report",
        "__version__": "offctx.version",
        "aib_splits": "offctx.contexts.aib",
        "algos": "offctx.algos",
        "attach_derivatives": "offctx.data.derivatives.attach",
        "clean": "offctx.data.storage.cleaning",
        "collect": "offctx.data.collection.collect",
        "collect_known": "offctx.training.known",
        "combine": "offctx.data.composition.combine",
        "compare": "offctx.evaluation.compare",
        "context_distance": "offctx.analysis.context_sensitivity",
        "context_kinds": "offctx.analysis.context_kinds",
        "context_sensitivity": "offctx.analysis.context_sensitivity",
        "counterfactual": "offctx.analysis.counterfactual",
        "envs": "offctx.envs",
        "evaluate": "offctx.evaluation.evaluator",
        "evaluate_controls": "offctx.evaluation.controls",
        "leakage_report": "offctx.analysis.leakage",
        "linear": "offctx.linear",
        "load_dataset": "offctx.data.load",
        "online_buffer": "offctx.buffers.online",
        "pull": "offctx.data.sharing.pull",
        "push": "offctx.data.sharing.push",
        "quiet": "offctx.notices",
        "radius_report": "offctx.analysis.radius",
        "read_lock": "offctx.data.sharing.lock_file",
        "train_encoder": "offctx.training.train_encoder",
        "train_online": "offctx.training.online",
    },
)


def _is_the_command() -> bool:
    """Whether this process is the installed command `offctx`, or `python -m offctx`."""
    script = sys.argv[0] if sys.argv else ""
    installed = os.path.dirname(os.path.abspath(script)) == os.path.dirname(os.path.abspath(sys.executable))
    as_module = script == "-m" and sys.orig_argv[-len(sys.argv) :][:1] == ["offctx"]
    return as_module or (installed and os.path.basename(script) in ("offctx", "offctx.exe"))


# The command registers the ids itself, when it is ready to be interrupted: importing Gymnasium takes a while.
if not _is_the_command():
    from offctx.envs.registry import register

    register()

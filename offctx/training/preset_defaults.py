"""What an algorithm needs where nobody says it: whether its observations have the context, and its backbone on data alone."""

from collections.abc import Mapping
from typing import Any

from offctx.algos.dmash.learner import DMASHConfig
from offctx.algos.dmash.presets import PRESETS
from offctx.envs.policies import ContextMode
from offctx.training.names import algorithms


def context_of(name: str, config: Mapping[str, Any]) -> ContextMode:
    """How observations have the context where nobody says it: "hidden" for presets that infer it or are blind, else "append".

    Args:
        name: of the algorithm, in any case.
        config: its hyperparameters, those that are not the defaults.
    """
    if not _is_dmash(name):
        return "append"
    knowledge = {"context": DMASHConfig.context, **PRESETS.get(name.lower(), {}), **config}["context"]
    return "append" if knowledge == "given" else "hidden"


def offline_settings(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters for training on data alone: presets of DMASH, whose backbone is SAC online, have TD3+BC.

    Args:
        name: of the algorithm, in any case.
        config: its hyperparameters; a backbone that is named stays.
    """
    return {**({"backbone": "td3bc"} if _is_dmash(name) else {}), **config}


def _is_dmash(name: str) -> bool:
    return algorithms().get(name.lower()) is DMASHConfig

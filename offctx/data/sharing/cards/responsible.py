"""What Croissant's responsible-AI fields and PROV-O say of a dataset: only what its metadata and arrays tell."""

import json
from typing import Any

from offctx.data.about import About
from offctx.data.dataset import ContextualDataset
from offctx.data.metadata import Metadata
from offctx.words import count, one_line


def responsible_ai(dataset: ContextualDataset) -> dict[str, Any]:
    """Returns the `rai:` fields. Of plain Minari data, of which is not known how they were made, only what the arrays tell."""
    metadata, number = dataset.metadata, len(dataset.unique_contexts)
    limitations = ["The data show what these policies did; states that they did not reach are not in the data."]
    if number == 1:
        limitations.append("All episodes are in one context: data of other contexts are not here.")
    if metadata and metadata.derivatives and metadata.derivatives.flagged:
        limitations.append(
            f"The context derivatives of {count(metadata.derivatives.flagged, 'transition')} are flagged: their estimated "
            f"relative error is above {metadata.derivatives.tolerance or 0:g}."
        )
    fields: dict[str, Any] = {
        "rai:dataUseCases": [
            "Offline reinforcement learning in contextual Markov decision processes",
            "Zero-shot generalization to contexts that are not in the data",
        ],
        "rai:dataLimitations": limitations,
    }
    return fields if metadata is None else fields | _of_metadata(dataset, metadata)


def _of_metadata(dataset: ContextualDataset, metadata: Metadata) -> dict[str, Any]:
    policies = ", ".join(
        f"{one_line(name, 100)} ({weight:.0%})"
        for name, weight in zip(metadata.behaviour.policies, metadata.behaviour.weights, strict=False)
    )
    preposition = "with" if metadata.behaviour.context == "append" else "without"
    fields: dict[str, Any] = {
        "rai:dataCollection": (
            f"Simulated: policies played {count(dataset.num_episodes, 'episode')} of at most "
            f"{count(metadata.horizon, 'step')} of {one_line(metadata.env, 200)} in "
            f"{count(len(dataset.unique_contexts), 'context')}. Policies: {policies}, {preposition} "
            f"the context in their observations."
        ),
        "rai:dataCollectionType": ["Experiments", "Software Collection"],
        "rai:dataCollectionMissingData": "None: every step of every episode is in the data.",
        "rai:dataBiases": [f"Actions and visited states are those of the behaviour: {policies}."],
        "rai:personalSensitiveInformation": ["None: the data come from a simulator."],
    }
    if metadata.derivatives:
        fields["rai:dataAnnotationProtocol"] = [
            "Each transition carries the derivatives of its next observation and its reward by the context, computed by "
            f"{one_line(metadata.derivatives.source, 100)}."
        ]
        fields["rai:machineAnnotationTools"] = [f"offctx {_version(metadata, 'offctx')}"]
    return fields


def provenance(dataset: ContextualDataset, about: About) -> dict[str, Any]:
    """Returns where the data came from in PROV-O: the recipe, the derivatives, and the software with its versions."""
    metadata = dataset.metadata
    if metadata is None:
        return {}
    activities = [_activity("collection", _recipe_text(metadata), metadata, about)]
    if metadata.derivatives:
        derivatives = metadata.derivatives.model_dump(exclude_none=True)
        activities.append(_activity("context derivatives", _json_text(derivatives), metadata, about))
    return {"prov:wasGeneratedBy": activities}


def _activity(name: str, description: str, metadata: Metadata, about: About) -> dict[str, Any]:
    agents = [
        {"@type": "prov:SoftwareAgent", "name": one_line(package, 100), "version": one_line(version, 100)}
        for package, version in metadata.packages.items()
    ]
    used = {"prov:used": one_line(about.code_permalink, 300)} if about.code_permalink else {}
    return {"@type": "prov:Activity", "name": name, "description": description, **used, "prov:wasAssociatedWith": agents}


def _recipe_text(metadata: Metadata) -> str:
    return f"offctx.collect in {one_line(metadata.env, 200)} with {_json_text(metadata.recipe)}"


def _json_text(data: dict[str, Any]) -> str:
    return one_line(json.dumps(data, sort_keys=True, ensure_ascii=False, default=str), 4000)


def _version(metadata: Metadata, package: str) -> str:
    return one_line(metadata.packages.get(package, ""), 60)

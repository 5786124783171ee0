"""What an augmentation requires of a dataset, and of an environment online."""

from offctx.buffers.augmentation import DERIVATIVES, OPTIONAL_ARRAYS, Augmentation
from offctx.buffers.augmentation_list import members_of
from offctx.buffers.multi_step import MultiStep
from offctx.data.context_levels import ContextLevel
from offctx.data.dataset import ContextualDataset
from offctx.data.history.settings import History
from offctx.envs.labels import LabelTransitions
from offctx.errors import DatasetError, DerivativeError


def prepare_augmentation(augmentation: Augmentation | None, dataset: ContextualDataset) -> None:
    """Prepares an augmentation on a dataset, and checks that the dataset has what the augmentation requires.

    Raises:
        DatasetError: the augmentation requires an array that no batch carries.
        DerivativeError: the dataset lacks an array that the augmentation requires.
        OffctxError: the augmentation refuses the dataset or its context space.
    """
    for member in members_of(augmentation):
        if len(dataset):
            member.prepare(dataset)
        member.check(dataset.context_space)
        for array in member.requires:
            if array not in OPTIONAL_ARRAYS:
                raise DatasetError(f"{member.name} requires {array!r}; expected some of {list(OPTIONAL_ARRAYS)}")
            if getattr(dataset, array) is None:
                advice = "offctx.collect(..., gradients=True)" if array in DERIVATIVES else "offctx.collect, which stores it"
                raise DerivativeError(
                    f"{member.name} needs {array}, which {dataset.dataset_id} does not have: collect it with {advice}"
                )


def check_windows(augmentation: Augmentation | None, history: History | None, level: ContextLevel) -> None:
    """Checks that an augmentation does right by the history windows of a buffer, where there are any, and has those it reads.

    Raises:
        DatasetError: it does not say so, or reads windows where there are none; or windows within contexts are asked of
            contexts that are withheld; or z of windows that may hold their row is appended to observations.
    """
    if history is not None and history.within == "context" and level == "withheld":
        raise DatasetError(
            'context="withheld" tells not even which transitions share a context, so that no window can be drawn within '
            'one: use context="anonymous", or History(..., within="episode")'
        )
    for member in members_of(augmentation):
        if history is not None and history.include_row and member.appends:
            raise DatasetError(
                f"{member.name} appends to an observation what it reads in its window; windows that may hold their row would "
                f"tell of the next observation: leave include_row out"
            )
        if history is None and member.history is not None:
            raise DatasetError(f"{member.name} reads history windows, and this buffer would have none: give it a history")
        if history is not None and not member.handles_history:
            raise DatasetError(
                f"{member.name} does not say what it does to history windows, and this buffer has them (history=): a window "
                f"must stay in the context of its row. Make it an offctx.Augmentation whose handles_history is True, and "
                f"change batch.history as the rows are changed; or leave out either of the two"
            )


def check_steps(augmentation: Augmentation | None, multi_step: MultiStep | None) -> None:
    """Checks that transitions of several steps are not augmented.

    Raises:
        DerivativeError: they are.
    """
    if augmentation is not None and multi_step is not None:
        raise DerivativeError(
            f"{augmentation.name} changes single transitions; it cannot change returns of n steps, as this buffer's "
            f"MultiStepTransitionPicker makes them (n_steps={multi_step.steps}): leave out the augmentation, or make "
            f"the buffer without transition_picker"
        )


def check_trajectories(augmentation: Augmentation | None) -> None:
    """Checks that trajectories are not augmented.

    Raises:
        DerivativeError: they are.
    """
    if augmentation is not None:
        raise DerivativeError(
            f"{augmentation.name} augments single transitions, not trajectories: make the buffer for trajectory "
            f"algorithms without an augmentation"
        )


def check_unlabelled(augmentation: Augmentation | None) -> None:
    """Checks that an augmentation requires nothing that steps lack which are appended without labels.

    Raises:
        DerivativeError: it does.
    """
    for member in members_of(augmentation):
        if member.requires:
            raise DerivativeError(
                f"{member.name} needs {', '.join(member.requires)}, which steps appended online do not bring by "
                f"themselves: call buffer.connect(env) with the environment in offctx.envs.LabelTransitions, and give "
                f"fit_online that one"
            )


def check_labels(augmentation: Augmentation | None, labels: LabelTransitions) -> None:
    """Checks that an environment labels its transitions with what an augmentation requires.

    Raises:
        DerivativeError: derivatives or noise are required, and the environment does not provide them.
    """
    for member in members_of(augmentation):
        derivatives = [array for array in member.requires if array in DERIVATIVES]
        if derivatives and not labels.gradients:
            raise DerivativeError(
                f"{member.name} needs {', '.join(derivatives)}: wrap the environment by LabelTransitions(env, gradients=True)"
            )
        if "noise" in member.requires and not labels.contextual.noise_size:
            raise DerivativeError(
                f"{member.name} needs noise; {type(labels.contextual).__name__} is deterministic and has none"
            )

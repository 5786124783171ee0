"""What history windows hold: the settings that a buffer, or a report, draws them by."""

from dataclasses import dataclass
from typing import Literal, get_args

from offctx.checks import check_choice, check_flag, whole_number
from offctx.errors import DatasetError

_LONGEST = 1_000_000  # windows, and rows that share one

Within = Literal["episode", "context"]
Draw = Literal["last", "run", "random"]
Spacing = Literal["random", "even"]


@dataclass(frozen=True)
class History:
    """Which other transitions a batch carries for each row: its window.

    A window holds transitions of one context. It never holds its row, nor what followed the row in its episode: the next
    transition there begins at the row's next observation, which an encoder must not see (`include_row` allows the row, for
    comparison). Slots are in order of time, the newest last. Slots that are not filled come first, are zero, and are marked in
    the mask.

    Args:
        length: K, the largest number of transitions in a window, at least 1.
        within: "episode": only transitions that precede the row in its episode, as an agent has them that begins afresh in
            each episode. "context": these, and all transitions of other episodes of the same context, as an agent has them
            that keeps its memory while the context lasts; where a context is unknown, those of the episode.
        draw: which of them. "last": the last K before the row; within="context" goes on into the episode of the context that
            began before the row's in the buffer, and so on (DMA*-SH, arXiv 2602.06550). "run": K successive ones that end at
            a random place. "random": K different ones, each set with the same probability (FOCAL, arXiv 2010.01112, CSRO,
            UNICORN, with within="context").
        shortest: each window has a random number of transitions, uniform from this one to K, so that a cold start is trained;
            None for as many as there are up to K.
        rows_per_window: m rows share one window; they are of one context (of one episode for within="episode"), and none of
            them is in it. The size of a batch must be a multiple of m.
        keep: the number of slots of a window. A window of more transitions is thinned to so many; None for K.
        spacing: which transitions are kept: a "random" subset, or "even"ly spaced ones up to the newest.
        shuffle: put the transitions of a window into random order instead of order of time.
        include_row: the row itself may stand in its window, as the one that follows those before it. An encoder then sees what
            it is to predict: a fault of the public code of arXiv 2602.06550, kept for comparison.

    Raises:
        DatasetError: a number is out of range, a choice is unknown, or `keep` is given for draw="random".

    Source:
        arXiv 2602.06550 (DMA*-SH) keeps a random, shuffled fifth of the last 128: History(128, "context", keep=25,
        shuffle=True), and evenly spaced ones when it acts. Its public code leaves the row itself in the window: `include_row`.

    Example::

        buffer = dataset.replay_buffer(context="hidden", history=offctx.History(length=24, within="episode", shortest=0))
        history = buffer.sample_transition_batch(240).history
        history.observations.shape, history.mask.shape  # (240, 24, o), (240, 24)
    """

    length: int
    within: Within = "episode"
    draw: Draw = "last"
    shortest: int | None = None
    rows_per_window: int = 1
    keep: int | None = None
    spacing: Spacing = "random"
    shuffle: bool = False
    include_row: bool = False

    def __post_init__(self) -> None:
        plain: dict[str, object] = {  # Python's own numbers, which a run's config.json can hold
            "length": whole_number(self.length, "length of a History", 1, DatasetError, most=_LONGEST),
            "rows_per_window": whole_number(self.rows_per_window, "rows_per_window", 1, DatasetError, most=_LONGEST),
        }
        for name, value, least in (("shortest", self.shortest, 0), ("keep", self.keep, 1)):
            plain[name] = None if value is None else whole_number(value, name, least, DatasetError)
            if value is not None and value > self.length:
                raise DatasetError(f"{name} must be at most the length of the History, {self.length}; found {value}")
        for name, choice, choices in (
            ("within", self.within, Within),
            ("draw", self.draw, Draw),
            ("spacing", self.spacing, Spacing),
        ):
            check_choice(choice, name, get_args(choices), DatasetError)
        for name, flag in (("shuffle", self.shuffle), ("include_row", self.include_row)):
            plain[name] = check_flag(flag, name, DatasetError)
        for name, checked in plain.items():
            object.__setattr__(self, name, checked)
        if self.keep is not None and self.draw == "random":
            raise DatasetError(
                f'draw="random" draws single transitions, of which none is left out: give length={self.keep}, no keep'
            )

    @property
    def slots(self) -> int:
        """The number of slots of a window."""
        return self.length if self.keep is None else self.keep


def check_history(history: object) -> History | None:
    """A History or None; DatasetError for anything else."""
    if history is not None and not isinstance(history, History):
        raise DatasetError(f"expected history as offctx.History(length=...), or None; found {history!r}")
    return history

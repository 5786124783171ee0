"""The content of a written report, before it becomes Markdown or HTML: sentences, tables and pictures in their order."""

from dataclasses import dataclass

from offctx.evaluation.pages.adaptation import adaptation_picture, warm_notes, warm_table
from offctx.evaluation.pages.notes import column_notes, distance_note, intervals_note, subject_note
from offctx.evaluation.pages.pictures import distance_picture, picture_names, split_picture
from offctx.evaluation.pages.tables import (
    ReportTable,
    context_table,
    kinds_table,
    provenance_table,
    sensitivity_table,
    summary_table,
)
from offctx.evaluation.pages.verdicts import seed_table, verdict_notes, verdict_table
from offctx.evaluation.verdicts import JudgedRuns
from offctx.evaluation.warm import has_warm_ups

_DISTANCE = "distance.png"  # the names of the splits' pictures begin otherwise


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Attributes:
        file: name of the PNG.
        png: for report.md.
        svg: for report.html.
        alt: what the picture shows, in words.
    """

    file: str
    png: bytes
    svg: bytes
    alt: str


@dataclass(frozen=True)
class SplitSection:
    """A split: its picture and its table of contexts."""

    split: str
    picture: Picture
    contexts: ReportTable


@dataclass(frozen=True)
class DistanceSection:
    """Return against distance from the data; no picture where no distance is finite."""

    note: str
    picture: Picture | None
    sensitivity: ReportTable


@dataclass(frozen=True)
class AdaptationSection:
    """Cold and warm: the scores after each warm-up; no picture of a split in which no method adapts."""

    notes: tuple[str, ...]
    table: ReportTable
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class ReportPage:
    """Everything that report.md and report.html show. Renderers read this record and nothing else.

    Attributes:
        heading: the title.
        subject: what was played.
        intervals: how the intervals were computed.
        splits: one section a split.
        distance: return against distance; None where no sensitivity was given.
        summary: the aggregates.
        columns: what the columns of the summary mean.
        provenance: where the numbers come from; None where that was not given.
        verdicts: what is concluded of each method; None where there is nothing to judge against.
        verdict_notes: what the verdicts mean, and what is missing.
        seeds: the return of each training run; None where no method has several.
        adaptation: cold and warm; None where no warm-up was asked.
        kinds: returns by what the context changes; None where that tells nothing.
    """

    heading: str
    subject: str
    intervals: str
    splits: tuple[SplitSection, ...]
    distance: DistanceSection | None
    summary: ReportTable
    columns: tuple[str, ...]
    provenance: ReportTable | None = None
    verdicts: ReportTable | None = None
    verdict_notes: tuple[str, ...] = ()
    seeds: ReportTable | None = None
    adaptation: AdaptationSection | None = None
    kinds: ReportTable | None = None

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, in their order."""
        pictures = [*(() if self.adaptation is None else self.adaptation.pictures)]
        pictures += [section.picture for section in self.splits]
        if self.distance is not None and self.distance.picture is not None:
            pictures.append(self.distance.picture)
        return pictures


def report_page(runs: JudgedRuns) -> ReportPage:
    """Collects the content of the written report; draws its pictures."""
    return ReportPage(
        heading=runs.heading,
        subject=subject_note(runs),
        intervals=intervals_note(runs),
        splits=tuple(
            SplitSection(split, Picture(file, *split_picture(runs, split)), context_table(runs, split))
            for split, file in picture_names(runs.splits).items()
        ),
        distance=_distance_section(runs),
        summary=summary_table(runs),
        columns=tuple(column_notes(runs)),
        provenance=None if runs.provenance is None else provenance_table(runs.provenance),
        verdicts=verdict_table(runs),
        verdict_notes=tuple(verdict_notes(runs)),
        seeds=seed_table(runs),
        adaptation=_adaptation_section(runs),
        kinds=kinds_table(runs),
    )


def _adaptation_section(runs: JudgedRuns) -> AdaptationSection | None:
    if not has_warm_ups(runs):
        return None
    names = picture_names(runs.splits, "adaptation")
    drawings = {file: adaptation_picture(runs, split) for split, file in names.items()}
    pictures = tuple(Picture(file, *drawing) for file, drawing in drawings.items() if drawing is not None)
    return AdaptationSection(tuple(warm_notes(runs)), warm_table(runs), pictures)


def _distance_section(runs: JudgedRuns) -> DistanceSection | None:
    if runs.sensitivity is None:
        return None
    drawing = distance_picture(runs)
    picture = None if drawing is None else Picture(_DISTANCE, *drawing)
    return DistanceSection(distance_note(runs), picture, sensitivity_table(runs.sensitivity))

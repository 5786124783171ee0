"""Methods side by side, beside null controls."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

from offctx.analysis.sensitivity import Sensitivity
from offctx.errors import EvaluationError, OffctxWarning
from offctx.evaluation.fields import lookup
from offctx.evaluation.kept_chunks import Resume, kept_chunks
from offctx.evaluation.missing_controls import LEFT_OUT, play_missing
from offctx.evaluation.pages.notes import lookalike_notes, repeated_notes
from offctx.evaluation.provenance import Provenance
from offctx.evaluation.report import Comparison, ZeroShotReport
from offctx.evaluation.run import EvaluatedRun
from offctx.workers.engine import Backend, Workers


def compare(
    reports: Mapping[str, ZeroShotReport | Sequence[ZeroShotReport]],
    *,
    baseline: str | None = None,
    reference: str | None = None,
    confidence: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
    title: str | None = None,
    sensitivity: Sensitivity | None = None,
    provenance: Provenance | None = None,
    controls: bool | Sequence[str] = True,
    progress: bool | None = None,
    n_jobs: int = 1,
    backend: Backend = "loky",
    resume: Resume = None,
) -> Comparison:
    """Sets methods side by side on the same contexts, beside null controls, and judges them.

    A method is "above" where the whole interval of its difference lies above 0 against the baseline and against each null
    control (`offctx.evaluation.rule`). A verdict holds against the controls that are there. The context hidden and the jitter
    (`offctx.ContextJitter`, the placebo) must be trained, so that they are never played here; a report names those it lacks.
    Shares of a gain start at the strongest of baseline and null controls in the split, the one with the highest mean return,
    and end at the reference: from a weak baseline, a placebo closes a gap too.

    Intervals are over training seeds and evaluation episodes together (docs/statistics.md).

    By default the zero action and a random action are played too, with the contexts, episodes and seed of the reports: a
    method that is not above them has learnt nothing. That needs an environment that is registered with Gymnasium, and takes as
    long as two more evaluations without networks: seconds in closed form. In physics simulators a control plays as many
    episodes per context as fit into 500,000 steps, 8 at least. That is minutes for 60 contexts of Ant (480,000 steps), with a
    progress bar. `controls=False` leaves them out. `evaluate_controls` plays them for other environments, and once for several
    comparisons. Where a comparison of many agents may be interrupted, `offctx.KeptChunks` keeps what agents and controls have
    played until all is compared.

    Args:
        reports: method -> its report, or one report for each of its training runs.
        baseline: the method that verdicts judge against beside the null controls.
        reference: the method at which the gap is closed that starts at the strongest of baseline and null controls; it needs
            a baseline.
        confidence: of the intervals, in (0, 1).
        replicates: of the standard error of interquartile means where units are drawn (8 or more), at least 2.
        seed: of these replicates.
        title: of the written report; the environment's id where not given.
        sensitivity: `offctx.context_sensitivity` of the data that the methods were trained on; adds to the written report the
            return against the distance from the contexts of the data.
        provenance: where the numbers come from, for example of `offctx.Provenance.collect`; adds a section to the written
            report, which has none otherwise.
        controls: whether null controls that are not among the reports are played; or names of methods that are null controls
            besides those with the names of `offctx.evaluation.arms`, such as "context hidden".
        progress: show progress bars of the controls; where not given, of long ones.
        n_jobs: chunks of contexts that are played at a time, as for `evaluate`.
        backend: who plays them, as for `evaluate`.
        resume: a folder that keeps finished chunks of the controls until the call succeeds, or `offctx.KeptChunks`, as for
            `evaluate`.

    Returns:
        the comparison; print it or save it.

    Warns:
        OffctxWarning: runs of a method have identical returns, so that they are no independent seeds; or the name of a method
            looks like that of a null control, and `controls` does not name it.

    Raises:
        EvaluationError: reports differ in environment, context names, splits, contexts or numbers of episodes; baseline or
            reference or one of the controls is not one of the methods; the sensitivity is of other contexts; or the folder of
            `resume` cannot be written to.

    Example::

        reports = {name: offctx.evaluate(agent, env, episodes=20, seed=0) for name, agent in agents.items()}
        comparison = offctx.compare(reports, baseline="hidden", reference="expert")
        print(comparison)
        comparison.save("reports/gravity")
    """
    methods = {name: (report,) if isinstance(report, EvaluatedRun) else tuple(report) for name, report in reports.items()}
    if isinstance(controls, str) or not isinstance(controls, (bool, Sequence)):
        raise EvaluationError(f"expected controls as True, False or several names of methods, found {controls!r}")
    named = () if isinstance(controls, bool) else tuple(controls)
    workers = Workers.check(n_jobs, backend, EvaluationError)
    alone = Comparison(
        methods, baseline, reference, confidence, replicates, seed, title, sensitivity, provenance, controls=named
    )  # checks everything before a control is played
    for name in named:
        lookup(methods, name, "method")
    for sentence in (*repeated_notes(alone), *lookalike_notes(alone)):
        warnings.warn(sentence, OffctxWarning, stacklevel=2)
    with kept_chunks(resume) as kept:
        playing = {"n_jobs": workers.n_jobs, "backend": workers.backend, "resume": kept}
        played, note = ({}, LEFT_OUT) if controls is False else play_missing(methods, progress, playing)
    return replace(alone, methods={**methods, **played}, controls_note=note)

"""Zero-shot evaluation: returns on contexts that a policy has not seen, with intervals, and reports of them.

From episodes to files, each module reads those above it only:

    statistics/     estimates and intervals of arrays of returns; a new statistic is a file here
    run             the episodes of one policy                         EvaluatedRun
    comparison      the numbers of several methods side by side        ComparedRuns
    arms            the names of null controls and references
    rule            when a method is above its nulls; experiments judge by it too
    controlled      null controls, references, shares, the summary     ControlledRuns
    verdicts        what is concluded of each method                   JudgedRuns
    plots/          pictures; `style` is the one style of all pictures, of tools too
    markdown, text  the one writer of Markdown tables, of tools too; tables for terminals
    pages/          a comparison in sentences and tables; `page` is the content, which `markdown` and `html` render
    report_json     report.json and the way back
    report          what users print, save and load                    ZeroShotReport, Comparison
    kept_chunks     what calls that go on have finished                KeptChunks
    evaluator       policies play                                      evaluate
    controls        null controls that need no training play           evaluate_controls
    compare         methods side by side, beside the controls          compare
    training_evaluator                                                 ZeroShotEvaluator

`radius` and `plots.radius` are the words and pictures of `offctx.analysis.radius`.
"""

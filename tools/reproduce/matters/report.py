"""The report: matters.md and matters.json."""

import json
from collections.abc import Sequence

from offctx.envs.registry import ENVIRONMENTS as SHIPPED
from offctx.files import write_file
from tools.reproduce.cse.by_hand import GAINS
from tools.reproduce.cse.environments import BY_NAME, WITHDRAWN
from tools.reproduce.cse.head import fact_lines, missing_lines
from tools.reproduce.cse.matters import Proof, proofs
from tools.reproduce.cse.records import report_record
from tools.reproduce.cse.results import gather
from tools.reproduce.cse.settings import Environment
from tools.reproduce.cse.tables import proof_table
from tools.reproduce.frame.cells import Results
from tools.reproduce.frame.experiment import Destination
from tools.reproduce.frame.markdown import paragraph

_QUESTION = (
    "Feedback replaces the knowledge of many contexts: a policy that is not told the context can do as well as one that is. "
    "Where it can, no method that uses the context can show a gain beyond its controls. Told: LDR (trained in contexts around "
    "c0) and GDR (trained in contexts of the whole evaluation range), which see the context. Each of the two is judged by "
    "itself: none of the two is picked by its returns. Not told: the policy that was trained at c0 and the policy that was "
    "trained on GDR's data, both with the context hidden, and the policies that know nothing (zero or constant action, random "
    "action). The context matters where the whole 95 % interval of told - not told over seeds and episodes lies above 0 for "
    "each of these; the table names the one whose interval has the lowest lower end. The answer is one word where LDR and GDR "
    'agree. A table with "not shown" does not say that the context cannot matter: other ranges, data or algorithms may show it.'
)
_BY_HAND = (
    'Nor does "yes" say that no policy can do without the context: only these policies were compared. Damped feedback by hand, '
    f"{GAINS} of positions p and velocities v, is not told the context either. It is not trained, and knows that the origin is "
    "the target. It is scored where the observation has positions and velocities. Where the policies that are told are not "
    'above it (the last columns), feedback does without the context what they do with it, and "yes" holds among trained '
    "policies only. feedback.md has feedback whose gains were searched, told the context and not told."
)


def write_report(environments: Sequence[Environment], results: Results, destination: Destination) -> None:
    """Write the report of these environments."""
    algorithms = gather(environments, results)
    every = [proof for result in algorithms for proof in proofs(result)]
    lines = ["# Does the context matter here?", "", *paragraph(_QUESTION), *paragraph(_BY_HAND)]
    lines += fact_lines(results, missing_lines(results), destination.command)
    names = {"environment": [_environment(proof) for proof in every], "algorithm": [p.result.title for p in every]}
    lines += proof_table(every, names) if every else []
    known = any(environment.name in BY_NAME for environment in environments)
    lines += ["## Not judged", "", *unjudged_lines(environments)] if known else []
    write_file(destination.folder / "matters.md", "\n".join(lines) + "\n")
    record = report_record(results, destination.command, algorithms, ())
    record["answers"] = [{"env": _environment(proof)} | proof.to_dict() for proof in every]
    write_file(destination.folder / "matters.json", json.dumps(record, allow_nan=False) + "\n")


def unjudged_lines(environments: Sequence[Environment]) -> list[str]:
    """The environments that ship with offctx and are not in the table, with the reason."""
    here = {environment.name for environment in environments}
    reasons = {row.name: "not part of the experiment" for row in SHIPPED} | dict.fromkeys(BY_NAME, "not asked for") | WITHDRAWN
    return [f"- {name}: {reason}." for name, reason in reasons.items() if name not in here]


def _environment(proof: Proof) -> str:
    return proof.result.environment.name

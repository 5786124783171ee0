"""A ladder on disk: the policies, and a table in Markdown."""

import textwrap
from pathlib import Path

from offctx.algos import GaussianActor
from offctx.evaluation.markdown import markdown_table
from tools.behaviour.ladder import Ladder, Rung

HEAD = ("behaviour", "training steps", "return of the mode", "share", "return sampled", "steps an episode")


def write_ladder(ladder: Ladder, out: Path) -> str:
    """Write `<out>-<behaviour>.safetensors` of each policy and the table `<out>.md`; return the table."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for name, actor in ladder.actors.items():
        about = actor.about | {"name": f"{out.name}-{name}"}
        GaussianActor(actor.hidden, actor.mean, actor.log_std, about).save(Path(f"{out}-{name}.safetensors"))
    text = markdown(out.name, ladder)
    Path(f"{out}.md").write_text(text, encoding="utf-8")
    return text


def markdown(title: str, ladder: Ladder) -> str:
    """The steps and returns of each behaviour as a table, with an explanation."""
    explanation = (
        f"d3rlpy's SAC, trained online at the base context of `{ladder.env}`, which the policy does not see. Mean return and "
        f"standard deviation over episodes at the base context: of the mode, as logged in training, and sampled, as datasets "
        f"are collected, over {len(ladder.rungs[0].returns)} episodes, whose mean length is the last column. The share is how "
        f"far the mode lies on the way from random to expert. Medium-replay is a mixture of random and the three of replay."
    )
    lines = [
        f"# Behaviours of {title}",
        "",
        *textwrap.wrap(explanation, 120, break_on_hyphens=False),
        "",
        *markdown_table(HEAD, [row(rung, ladder) for rung in ladder.rungs], compact=True),
    ]
    return "\n".join(lines) + "\n"


def row(rung: Rung, ladder: Ladder) -> tuple[str, ...]:
    """The cells of one behaviour, in the order of HEAD; random has no training and no mode."""
    checkpoint = rung.checkpoint
    steps, mode, share = "", "", "0.00"
    if checkpoint is not None:
        steps, mode = str(checkpoint.steps), f"{checkpoint.mean:.1f} ± {checkpoint.deviation:.1f}"
        share = f"{ladder.share(checkpoint.mean):.2f}"
    sampled = f"{rung.returns.mean():.1f} ± {rung.returns.std():.1f}"
    return rung.name, steps, mode, share, sampled, f"{rung.lengths.mean():.0f}"

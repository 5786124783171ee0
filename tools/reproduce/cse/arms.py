"""The arms of a comparison: what a learner is trained on, and what it sees of the context.

An arm differs from the baseline in one thing: the data, whether the context is appended, or the augmentation. "Evaluation
range": the box that the sweeps of an environment span.
"""

from typing import Literal, NamedTuple

from offctx.envs.policies import ContextMode

DataKind = Literal["base", "ldr", "gdr"]
Change = Literal["none", "jitter", "cse", "cse-exact", "relabelled"]
More = Literal["none", "action-random", "action-resampled", "state"]
VARIANT_RADIUS = 0.1  # how far the variants of CSE move actions or states: the paper's own radius


class Arm(NamedTuple):
    """One arm.

    Attributes:
        title: in reports.
        data: "base", all at c0; "ldr", each episode in a context of CSE's ball around c0; "gdr", each in a context drawn
            uniformly from the evaluation range. All have as many transitions.
        context: whether the learner observes the context, "append", or not, "hidden".
        change: the augmentation of batches.
        online: whether the arm exists in online training.
        more: what CSE moves beside the context: the action, at random or to one that the policy draws, or the state.
    """

    title: str
    data: DataKind = "base"
    context: ContextMode = "append"
    change: Change = "none"
    online: bool = True
    more: More = "none"

    @property
    def moves_contexts(self) -> bool:
        """Whether contexts are moved within a radius: by the augmentation, or in the data."""
        return self.change in ("jitter", "cse", "cse-exact") or self.data == "ldr"


VARIANTS = {
    "cse-action": Arm("CSE, random action change", change="cse", online=False, more="action-random"),
    "cse-resampled": Arm("CSE, resampled action", change="cse", online=False, more="action-resampled"),
    "cse-state": Arm("CSE, state change", change="cse", online=False, more="state"),
}
ARMS = {
    "baseline": Arm("baseline"),
    "hidden": Arm("context hidden", context="hidden"),
    "jitter": Arm("jitter (placebo)", change="jitter"),
    "cse": Arm("CSE, first order", change="cse"),
    "cse-exact": Arm("CSE, exact", change="cse-exact", online=False),
    "ldr": Arm("LDR", data="ldr"),
    "gdr": Arm("GDR", data="gdr"),
    "gdr-hidden": Arm("GDR, context hidden", data="gdr", context="hidden"),
    "relabelled": Arm("reward relabelled", change="relabelled", online=False),
} | VARIANTS
STANDARD = tuple(arm for arm in ARMS if arm not in VARIANTS)  # the arms of an algorithm where an environment names none
DO_NOTHING = {"zero": "zero action", "constant": "constant action", "random": "random action"}  # these know nothing
BY_HAND = "by-hand"  # it knows which observations are positions, and where the target is at c0: not a null control
UNTRAINED = DO_NOTHING | {BY_HAND: "damped feedback, by hand"}
TITLES = {key: arm.title for key, arm in ARMS.items()} | UNTRAINED

BASELINE = "baseline"
METHODS = ("cse", "cse-exact", *VARIANTS)  # the arms that verdicts judge
NULL_CONTROLS = ("hidden", "jitter", *DO_NOTHING)  # verdicts are against the best of these and the baseline
REFERENCES = ("ldr", "gdr", "relabelled")  # these know more than the methods; shares of their gain are reported
TOLD, UNTOLD = ("ldr", "gdr"), ("hidden", "gdr-hidden")  # whether the context matters: trained policies told it, and not told

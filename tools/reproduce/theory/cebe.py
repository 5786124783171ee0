"""Check 6: the error of CEBE (arXiv 2507.07348) in CliffWalking is of second order in the distance from the base context."""

import numpy as np

from offctx.linear.cebe import cebe_error, log_log_slope
from offctx.linear.cliff_walking import cliff_walking
from tools.reproduce.frame.verdicts import Verdict
from tools.reproduce.theory.check import Check, Panel
from tools.reproduce.theory.records import Measured, Record, series_of
from tools.reproduce.theory.sizes import Sizes

BASE_SLIP = 0.1  # the base context of CliffWalking


def measure(_seed: int, _sizes: Sizes) -> list[Record]:
    """sup |Q_CE - Q| of the uniform policy against |p - 0.1|, on both sides of the base context."""
    distances = np.logspace(-4, -2, 9)
    records = []
    for family in (0, 1, 2):
        for sign, side in ((">", 1), ("<", -1)):
            errors = cebe_error(cliff_walking(family), BASE_SLIP + side * distances[:, None])
            name = f"CEBE: family {family}, p {sign} {BASE_SLIP:g}"
            records += [Record(name, float(x), float(error)) for x, error in zip(distances, errors, strict=True)]
    return records


def verdicts(measured: Measured, _sizes: Sizes) -> list[Verdict]:
    """The error is 0 in family 0, and of second order in families 1 and 2."""
    judged = []
    for name, by_distance in series_of(measured, "CEBE").items():
        errors = [values[0] for values in by_distance.values()]
        if "family 0" in name:
            judged.append(Verdict(f"{name}: error < 1e-10", f"largest {max(errors):.1e}", max(errors) < 1e-10))
        else:
            slope = log_log_slope(list(by_distance), errors)
            judged.append(Verdict(f"{name}: slope in [1.95, 2.05]", f"{slope:.4f}", 1.95 <= slope <= 2.05))
    return judged


CHECK = Check(
    name="cebe",
    title="6. CEBE in CliffWalking",
    text="sup |Q_CE - Q| over states and actions against |p - 0.1| from 1e-4 to 1e-2, for the uniform policy, gamma = 0.9 and "
    "the base context p = 0.1. The computation is exact and deterministic: there are no seeds.",
    measure=measure,
    verdicts=verdicts,
    panels=(Panel("CEBE", "distance of p from 0.1", "sup |Q_CE - Q|"),),
    seconds=1.0,
    seeded=False,
)

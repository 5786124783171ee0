"""The contexts that WalkerWalk, HopperGravity and Walker2dGravity share: gravity, and the strength of the actuators."""

from offctx.contexts.aib import with_aib_splits
from offctx.contexts.space import ContextSpace

# Bounds, default and training ranges: arXiv 2602.06550.
GRAVITY_AND_STRENGTH = with_aib_splits(
    ContextSpace(
        names=["gravity", "actuator_strength"],
        low=(0.98, 0.1),
        high=(19.62, 2.0),
        default=(9.81, 1.0),
        units=["m/s^2", ""],
        constraints=["gravity >= 0", "actuator_strength >= 0"],
        kinds="dynamics",
    ),
    {"gravity": (4.91, 14.71), "actuator_strength": (0.5, 1.5)},
)

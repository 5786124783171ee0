"""The errors of offctx: one base class, and one subclass for each kind of input that may be wrong. And its warnings."""


class OffctxError(Exception):
    """Base class of every error that offctx raises on purpose."""


class ContextError(OffctxError, ValueError):
    """A context (or a radius, sweep or split of contexts) that its `ContextSpace` does not admit."""


class EnvError(OffctxError, ValueError):
    """An environment that cannot be simulated in batches as it is."""


class PolicyError(OffctxError, ValueError):
    """A policy whose input or output does not fit the environment."""


class DatasetError(OffctxError, ValueError):
    """A dataset, id or recipe that is malformed, taken, missing, truncated or inconsistent."""


class DerivativeError(OffctxError, ValueError):
    """Context derivatives that are needed and missing, or that are not finite."""


class EvaluationError(OffctxError, ValueError):
    """Returns or reports that cannot be aggregated or compared."""


class LinearError(OffctxError, ValueError):
    """Data, features, a policy or a parameter that the finite-horizon algorithms of `offctx.linear` do not admit."""


class AlgorithmError(OffctxError, ValueError):
    """An algorithm or hyperparameter that there is not, or that does not fit the data."""


class OffctxWarning(UserWarning):
    """Something that may not be what the user wants, and does not stop the work."""

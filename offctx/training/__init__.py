"""Algorithms by name, the fit loop, agents on disk."""

import offctx.buffers  # noqa: F401 - first: it imports gym without its notice

"""The version of the installed package, read from its metadata on first use."""

from importlib import metadata

try:
    __version__ = metadata.version("offctx")
except metadata.PackageNotFoundError:  # the source on the path, not installed
    __version__ = "0+unknown"

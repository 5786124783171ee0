"""Sharing datasets: manifests, remotes, push, pull, and the lock file that pins ids to hashes."""

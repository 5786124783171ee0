"""Sharing datasets: manifests, remotes, push, pull, the lock file that pins ids to hashes, and cards for hubs."""

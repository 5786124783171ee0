"""Work in chunks: one process, worker processes on this machine, or a Ray cluster compute the same pieces of work."""

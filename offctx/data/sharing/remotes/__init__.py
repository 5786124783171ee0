"""Places that datasets are pushed to and pulled from: one protocol, one kind of place a file."""

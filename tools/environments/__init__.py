"""What the registered environments are, measured, as a page: `python tools/environments.py > docs/environments.md`."""

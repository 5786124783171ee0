"""Shares the time among the tests of faults, and runs tests that fork first: a process that has grown large cannot fork."""

from tests.faults import scale

_FORKING = {"faults", "storage", "sharing", "derivatives"}  # folders of tests that fork


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not _FORKING.intersection(item.path.parts))
    scale.tests_left = sum("faults" in item.path.parts for item in items)

"""Shares the time among the tests of faults, and runs them first: they fork, which a process that has grown large cannot."""

from tests.faults import scale


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "faults" not in item.path.parts)
    scale.tests_left = sum("faults" in item.path.parts for item in items)

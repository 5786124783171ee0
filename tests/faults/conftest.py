"""Shares the time among the tests of faults."""

from tests.faults import scale


def pytest_collection_modifyitems(items):
    scale.tests_left = sum("faults" in item.path.parts for item in items)

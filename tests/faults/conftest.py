"""Shares the time among the tests of faults, and runs tests that fork first: a process that has grown large cannot fork.

`make test-faults` ends with a table of how many rounds each test did.
"""

import os

import pytest

from tests.faults import scale

_CHEAPEST_FIRST = ["test_mutations", "test_full_disk", "test_sharing"]  # then the others, and races last
_FORKING = {"faults", "storage", "sharing", "derivatives"}  # folders of tests that fork


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    """A killed process loses nothing that it has written, synced or not: only a crash of the machine does."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not _FORKING.intersection(item.path.parts))
    if scale.FULL:  # what they leave of their time goes to those that come later
        items.sort(key=lambda item: (item.path.stem not in _CHEAPEST_FIRST, item.path.stem == "test_races"))
    scale.expect(sum("faults" in item.path.parts for item in items))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and scale.FULL:
        report.user_properties += [("rounds", each) for each in scale.done]
        scale.done.clear()
    return report


def pytest_terminal_summary(terminalreporter):
    if not scale.FULL:
        return
    reports = [report for name in ("passed", "failed") for report in terminalreporter.stats.get(name, [])]
    terminalreporter.section("rounds: done of planned, seconds, CPU seconds a round")
    for report in sorted(reports, key=lambda report: report.nodeid):
        for _, (done, planned, cpu) in report.user_properties:
            each = f"{cpu / done:8.2f}" if done else " " * 8
            name = report.nodeid.rpartition("/")[2]
            terminalreporter.write_line(f"{done:6} of {planned:5}  {report.duration:5.0f} s  {each}  {name}")

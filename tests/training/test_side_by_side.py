"""Work side by side: results in order, several processes with one thread, progress, and errors that end all of it."""

import os
import time

import pytest
import torch

from offctx.training.side_by_side import run_side_by_side


def test_results_are_in_the_order_of_the_names_and_progress_is_shown(capfd):
    def work(name, report_progress):
        time.sleep(0.8 if name == "slow" else 0.0)
        report_progress(0.5)
        return name, os.getpid(), torch.get_num_threads()

    results = run_side_by_side(work, ["slow", "quick"], description="working", jobs=2)
    assert [name for name, *_ in results] == ["slow", "quick"]
    assert len({process for _, process, _ in results} | {os.getpid()}) == 3
    assert {threads for *_, threads in results} == {1}
    assert "working: 100%" in capfd.readouterr().err


def test_the_first_error_ends_the_others():
    def work(name, report_progress):
        if name == "bad":
            raise ValueError("no such thing")
        time.sleep(60)

    started = time.monotonic()
    with pytest.raises(ValueError, match="no such thing"):
        run_side_by_side(work, ["long", "bad"], description="working", progress=False, jobs=2)
    assert time.monotonic() - started < 40

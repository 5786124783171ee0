"""What offctx does prints nothing that it does not say itself, and leaves nothing in the current folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_LEARN = """
contexts = [[2.0, 1.0, 1.0, 0.0], [3.0, 1.0, 1.0, 0.0]]
options = dict(contexts=contexts, episodes_per_context=2, seed=0, progress=False)
dataset = offctx.collect("offctx/PendulumGoal-v0", "quiet/PendulumGoal/random-v0", **options)
buffer = dataset.replay_buffer()
agent = offctx.algos.make_algorithm("td3plusbc", buffer)
offctx.algos.train(agent, buffer, steps=2, seed=0, progress=False)
offctx.evaluate(agent, "offctx/PendulumGoal-v0", contexts, episodes=1, seed=0)
"""
_CLOSED_FORM = """
dataset = offctx.collect("offctx/CartGoal-v0", "quiet/CartGoal/random-v0", episodes_per_context=3, seed=0, progress=False)
learner = offctx.algos.LinearPEVIConfig(horizon=3).create()
learner.fit(dataset.replay_buffer(context="hidden"))
"""
_D3RLPY_SCRIPT = """
offctx.quiet()
import d3rlpy, gymnasium, minari, warnings
gymnasium.logger.warn("a warning of Gymnasium")
minari.utils.warnings.warn_explicit("a warning of Minari", UserWarning, "minari/utils.py", 1, "minari.utils")
dataset = offctx.collect("offctx/PendulumGoal-v0", "quiet/PendulumGoal/random-v0", seed=0, progress=False)
logger = d3rlpy.logging.NoopAdapterFactory()
agent = d3rlpy.algos.TD3Config(batch_size=2).create()
agent.fit(dataset.replay_buffer(), n_steps=1, n_steps_per_epoch=1, logger_adapter=logger, show_progress=False)
"""


def _run(folder: Path, code: str) -> tuple[str, str]:
    """Runs a program of its own in `folder`; returns what it prints on standard output and standard error."""
    folder_of_data = "os.environ['MINARI_DATASETS_PATH'] = os.path.abspath('data')"
    start = f"import os, sys\n{folder_of_data}\nsys.path.insert(0, {str(ROOT)!r})\nimport offctx\n"
    done = subprocess.run([sys.executable, "-c", start + code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.parametrize("code", [_LEARN + _CLOSED_FORM, _D3RLPY_SCRIPT], ids=["train", "d3rlpy script"])
def test_nothing_is_printed_and_no_folder_of_logs_is_left(tmp_path: Path, code: str) -> None:
    assert _run(tmp_path, code) == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_other_warnings_are_still_printed(tmp_path: Path) -> None:
    _, printed = _run(tmp_path, "offctx.quiet(); import warnings; warnings.warn('mine')")
    assert "mine" in printed


def test_settings_of_the_process_change_only_in_quiet(tmp_path: Path) -> None:
    code = """
import structlog, warnings, gym_notices.notices
def state():
    return structlog.get_config()["wrapper_class"], list(warnings.filters), dict(gym_notices.notices.notices)
import gym_notices.notices, offctx.buffers, d3rlpy, gymnasium
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
before = state()
from offctx.notices import d3rlpy_log_hidden
with d3rlpy_log_hidden():
    assert state() != before
assert state() == before and before[2], before
offctx.quiet()
print([old == new for old, new in zip(before, state())])
"""
    assert _run(tmp_path, code)[0] == "[False, False, False]\n"


def test_a_logger_that_the_user_configured_stays(tmp_path: Path) -> None:
    code = """
import structlog
from offctx.notices import d3rlpy_log_hidden
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(10))
with d3rlpy_log_hidden():
    print(structlog.get_config()["wrapper_class"] is structlog.make_filtering_bound_logger(10))
"""
    assert _run(tmp_path, code)[0] == "True\n"


def test_programs_of_the_readme_and_the_examples_are_quiet() -> None:
    """Each program that imports d3rlpy calls `offctx.quiet()` before, and gives every fit of d3rlpy a logger."""
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    programs += [path.read_text() for path in sorted((ROOT / "examples").glob("*.py"))]
    for program in programs:
        if "import d3rlpy" in program or "from d3rlpy" in program:
            assert re.search(r"^offctx\.quiet\(\).*\n+(import|from) d3rlpy", program, flags=re.MULTILINE), program
            assert len(re.findall(r"\.fit(?:ter|_online)?\(", program)) <= program.count("logger_adapter="), program

"""attach_derivatives: the same arrays as collecting with them, nothing else touched, nothing lost, and no work done twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

import offctx
from offctx.data.derivatives import attach as module
from offctx.data.storage import ids
from offctx.data.validation import validate_dataset
from offctx.envs import MujocoPhysics, PendulumGoal, SimpleDirection
from offctx.errors import ContextError, DatasetError, DerivativeError, EnvError

ID, NEW = "test/x-v0", "test/new-v0"
DERIVATIVES = ("dnext_observation_dcontext", "dreward_dcontext")


def collect(dataset_id=ID, env="offctx/SimpleDirection-v0", gradients=False, **options):
    settings = {"episodes_per_context": 3, "seed": 0, "progress": False, **options}
    return offctx.collect(env, dataset_id, gradients=gradients, **settings)


def attach(dataset_id=ID, *args, **options):
    return offctx.attach_derivatives(dataset_id, *args, **{"progress": False, **options})


def file_of(root: Path, dataset_id: str = ID) -> Path:
    return root / dataset_id / "data" / "main_data.hdf5"


def contents(path: Path) -> dict[str, object]:
    """All that an HDF5 file holds: arrays with their types, attributes of every group, the order of the episodes."""
    found: dict[str, object] = {}

    def look(name, item):
        found[f"{name} attributes"] = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype, item[()].tolist())

    with h5py.File(path) as file:
        file.visititems(look)
        found["episodes"] = list(file)
    return found


def visible(root: Path, tree) -> dict[str, bytes | None]:
    """What is in the datasets folder but for flat copies."""
    return {name: data for name, data in tree(root).items() if not name.startswith(".offctx-cache")}


def assert_equal(one, other):
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
            assert value.dtype == getattr(other, name).dtype


# --- the same as collecting with derivatives -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "env",
    ["offctx/SimpleDirection-v0", "offctx/SimpleDirectionStochastic-v0", "offctx/PendulumGoal-v0", "testing/Chooser-v0"],
)
@pytest.mark.parametrize("new_id", [None, NEW])
def test_collecting_then_attaching_is_collecting_with_derivatives(env, new_id, datasets_path):
    expected = collect("test/with-v0", env, gradients=True)
    collect(env=env)
    before = contents(file_of(datasets_path))
    found = attach(env=env if env.startswith("testing") else None, new_id=new_id, batch_size=7)
    assert_equal(expected, found)
    assert_equal(expected, offctx.load_dataset(new_id or ID, cache=False))
    assert found.metadata.sha256 == expected.metadata.sha256
    assert found.metadata.derivatives == expected.metadata.derivatives
    assert contents(file_of(datasets_path, new_id or ID)) == contents(file_of(datasets_path, "test/with-v0"))
    if new_id:
        assert contents(file_of(datasets_path)) == before
    validate_dataset(new_id or ID)
    assert {path.name for path in datasets_path.iterdir()} <= {"test", ".offctx-cache"}


def test_all_else_stays_and_minari_opens_it(datasets_path):
    collect()
    file = file_of(datasets_path)
    with h5py.File(file, "a") as data:
        data.attrs["about"] = "theirs"
        data["episode_1"].attrs["grade"] = 3
        data["episode_1/infos/extra/deep"] = np.arange(5)
    metadata = file.with_name("metadata.json")
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"author": "someone"}))
    file.with_name("notes.txt").write_text("more")
    file.chmod(0o444)
    before = contents(file)

    attach(new_id=NEW)
    copy = file_of(datasets_path, NEW)
    after = contents(copy)
    assert {key: value for key, value in after.items() if "derivative" not in key and "dcontext" not in key} == before
    assert copy.with_name("notes.txt").read_text() == "more"
    with h5py.File(copy) as data:
        assert data.attrs["about"] == "theirs"
    opened = minari.load_dataset(NEW)
    assert opened.id == NEW and json.loads(copy.with_name("metadata.json").read_text())["author"] == "someone"
    np.testing.assert_array_equal(opened[1].infos["extra"]["deep"], np.arange(5))
    assert opened[2].infos["dnext_observation_dcontext"].shape == (11, 2, 2)
    assert set(minari.list_local_datasets()) == {ID, NEW}


def test_overwrite_replaces_what_is_there(datasets_path):
    expected = collect(gradients=True)
    with h5py.File(file_of(datasets_path), "a") as data:
        for group in data.values():
            group["infos/dreward_dcontext"][1:] += 1
    edit_metadata(datasets_path, offctx=None)
    assert (offctx.load_dataset(ID).dreward_dcontext == expected.dreward_dcontext + 1).all()
    with pytest.raises(DatasetError, match="has derivatives already: overwrite=True"):
        attach()
    assert_equal(attach(overwrite=True), expected)


def edit_metadata(root, dataset_id=ID, **changes):
    path = file_of(root, dataset_id).with_name("metadata.json")
    raw = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in raw.items() if value is not None}))


# --- other people's data -------------------------------------------------------------------------------------------------


def record(env, dataset_id=ID, episodes=3, record_infos=False, options=None):
    """As anyone records with plain Minari."""
    collector = minari.DataCollector(env, record_infos=record_infos)
    collector.action_space.seed(0)
    for seed in range(episodes):
        collector.reset(seed=seed, options=options)
        over = False
        while not over:
            *_, terminated, truncated, _ = collector.step(collector.action_space.sample())
            over = terminated or truncated
    return collector.create_dataset(dataset_id)


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestRecordedByMinari:
    def test_with_infos(self, datasets_path):
        env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=20)
        record(env, record_infos=True, options={"context": [3.0, 1.5, 0.8, 0.2]})
        found = attach()
        expected = env.unwrapped.derivatives(found.states, found.actions, found.contexts)
        np.testing.assert_array_equal(found.dnext_observation_dcontext, expected[0].astype(np.float32))
        np.testing.assert_array_equal(found.dreward_dcontext, expected[1].astype(np.float32))
        assert found.contexts[0].tolist() == [3.0, 1.5, 0.8, 0.2] and found.metadata.env == "offctx/PendulumGoal-v0"
        assert found.metadata.behaviour.policies == ["unknown"]
        validate_dataset(ID)

    def test_without_infos_the_state_is_that_of_the_observations(self, datasets_path):
        env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=20)
        record(env, "test/full-v0", record_infos=True, options={"context": [3.0, 1.5, 0.8, 0.2]})
        record(env, options={"context": [3.0, 1.5, 0.8, 0.2]})
        edit_options = file_of(datasets_path)
        with h5py.File(edit_options, "a") as data:
            for group in data.values():
                del group.attrs["options/context"]
        with pytest.raises(DatasetError, match="is not what offctx/PendulumGoal-v0 does in these contexts: of 60 transitions"):
            attach()
        found, expected = attach(contexts=[3.0, 1.5, 0.8, 0.2]), attach("test/full-v0")
        assert found.states is None
        np.testing.assert_allclose(found.dnext_observation_dcontext, expected.dnext_observation_dcontext, atol=1e-5)
        np.testing.assert_allclose(found.dreward_dcontext, expected.dreward_dcontext, rtol=1e-4, atol=1e-4)
        assert_equal(offctx.load_dataset(ID), found)  # context and what it means are now written

    def test_what_observations_do_not_determine(self, datasets_path):
        record(gymnasium.make("testing/Runner-v0"))
        with pytest.raises(EnvError, match="test/x-v0 has no infos/state, and Runner does not say"):
            attach(env="testing/Runner-v0")

    def test_noise_that_was_not_recorded(self, datasets_path):
        record(gymnasium.make("offctx/SimpleDirectionStochastic-v0"))
        with pytest.raises(DatasetError, match=r"infos/noise with rows of shape \(3,\) is needed; found none"):
            attach()


class Physics(gymnasium.Wrapper):
    """Infos hold positions and velocities, and nothing else."""

    def reset(self, **options):
        return self.env.reset(**options)[0], self._info()

    def step(self, action):
        return *self.env.step(action)[:-1], self._info()

    def _info(self):
        data = self.env.unwrapped.data
        return {"qpos": data.qpos.copy(), "qvel": data.qvel.copy()}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """HalfCheetah-v5 and Walker2d-v5 as Gymnasium has them, recorded with qpos and qvel, and without."""
    root = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch, pytest.warns(UserWarning):
        patch.setenv("MINARI_DATASETS_PATH", str(root))
        for name in ("HalfCheetah", "Walker2d"):
            env = gymnasium.make(f"{name}-v5", max_episode_steps=60)
            record(env, f"{name}/bare-v0")
            record(Physics(env), f"{name}/physics-v0", record_infos=True)
    return root


@pytest.fixture
def foreign(recorded, datasets_path):
    shutil.copytree(recorded, datasets_path, dirs_exist_ok=True)
    return datasets_path


@pytest.fixture(scope="module")
def cheetah():
    return MujocoPhysics("HalfCheetah-v5", ["gravity", "mass"])


class TestMuJoCo:
    def test_positions_and_velocities_or_observations_alone(self, foreign, cheetah):
        found = attach("HalfCheetah/physics-v0", cheetah)
        assert found.dnext_observation_dcontext.shape == (180, 17, 2) and found.derivative_errors.shape == (180,)
        claim = found.metadata.derivatives
        assert claim.source == "central differences" and claim.tolerance == 1e-4 and claim.steps == [9.81e-4 / 10, 1e-5]
        assert claim.flagged == (found.derivative_errors > 1e-4).sum() < 10 and 0 < claim.error < 1e-6
        np.testing.assert_array_equal(found.contexts, np.tile(cheetah.context_space.default, (180, 1)))
        validate_dataset("HalfCheetah/physics-v0")

        # The simulator itself, one transition after another, with another step.
        env = gymnasium.make("HalfCheetah-v5").unwrapped
        infos = minari.load_dataset("HalfCheetah/physics-v0")[0].infos
        for t in (0, 30, 59):
            outcomes = []
            for gravity in (-9.81 - 1e-3, -9.81 + 1e-3):
                env.model.opt.gravity[2] = gravity
                env.reset()
                env.set_state(infos["qpos"][t], infos["qvel"][t])
                outcomes.append(env.step(found.actions[t]))
            slope = (outcomes[0][0] - outcomes[1][0]) / 2e-3
            np.testing.assert_allclose(found.dnext_observation_dcontext[t, :, 0], slope, rtol=1e-3, atol=1e-5)
            assert found.dreward_dcontext[t, 0] == pytest.approx((outcomes[0][1] - outcomes[1][1]) / 2e-3, rel=1e-3, abs=1e-5)

        bare = attach("HalfCheetah/bare-v0", cheetah)  # the same seeds and actions; x is not seen, and not needed
        np.testing.assert_allclose(bare.dnext_observation_dcontext, found.dnext_observation_dcontext, rtol=1e-4, atol=1e-5)

    def test_another_gravity_is_refused(self, foreign, cheetah, tree):
        before = visible(foreign, tree)
        with pytest.raises(
            DatasetError, match=r"from infos/qpos and infos/qvel, \d% give the recorded next observation to 0.001"
        ):
            attach("HalfCheetah/physics-v0", cheetah, contexts=[8.0, 1.0])
        assert visible(foreign, tree) == before
        found = attach("HalfCheetah/physics-v0", cheetah, contexts=[8.0, 1.0], check=False)
        assert found.contexts[0].tolist() == [8.0, 1.0]

    def test_another_environment_is_refused(self, foreign, cheetah):
        with pytest.raises(DatasetError, match=r"is not what MujocoPhysics does|action_space of .* another environment"):
            attach("Walker2d/physics-v0", cheetah)

    def test_clipped_velocities_do_not_determine_the_state(self, foreign):
        walker = MujocoPhysics("Walker2d-v5", ["gravity"])
        with pytest.raises(EnvError, match=r"no infos/state, nor both infos/qpos and infos/qvel, and .* clips velocities"):
            attach("Walker2d/bare-v0", walker)
        assert len(attach("Walker2d/physics-v0", walker)) > 10

    def test_positions_that_are_not_finite(self, foreign, cheetah):
        with h5py.File(file_of(foreign, "HalfCheetah/physics-v0"), "a") as data:
            data["episode_1/infos/qpos"][3, 2] = np.nan
        with pytest.raises(DatasetError, match="infos/qpos or infos/qvel holds a number that is not finite"):
            attach("HalfCheetah/physics-v0", cheetah)


# --- interrupted ---------------------------------------------------------------------------------------------------------


class Frail(SimpleDirection):
    """Its derivatives fail after so many batches; those of the few rows that identify the environment do not count."""

    left: ClassVar[float] = np.inf
    rows: ClassVar[list[int]] = []
    failure: ClassVar[type[BaseException]] = KeyboardInterrupt

    def derivatives(self, states, actions, contexts, noise=None):
        if len(states) != 4:
            if len(Frail.rows) >= Frail.left:
                raise Frail.failure
            Frail.rows.append(len(states))
        return super().derivatives(states, actions, contexts, noise)


class Wider(Frail):
    """Almost the same environment."""

    def reward(self, state, action, next_state, context):
        return super().reward(state, action, next_state, 2 * context)


@pytest.fixture
def frail(datasets_path, monkeypatch):
    """Thirty transitions of Frail, and what they become without a failure."""
    monkeypatch.setattr(Frail, "left", np.inf)
    monkeypatch.setattr(Frail, "rows", [])
    monkeypatch.setattr(Frail, "failure", KeyboardInterrupt)
    expected = collect("test/with-v0", lambda: TimeLimit(Frail(), 10), gradients=True)
    collect(env=lambda: TimeLimit(Frail(), 10))
    Frail.rows.clear()
    return expected


def fail_after(batches, **options):
    Frail.rows.clear()
    Frail.left = batches
    with pytest.raises(Frail.failure) as caught:
        attach(ID, Frail(), **{"batch_size": 5, **options})
    Frail.rows.clear()
    Frail.left = np.inf
    return str(caught.value)


@pytest.mark.parametrize("failure", [KeyboardInterrupt, DerivativeError, MemoryError])
def test_what_was_done_is_not_done_again(failure, frail, datasets_path, tree):
    Frail.failure = failure
    before = contents(file_of(datasets_path)), set(visible(datasets_path, tree))
    said = fail_after(2)
    if failure is KeyboardInterrupt:
        assert said.startswith("test/x-v0 is as it was; the derivatives of 10 of its 30 transitions are kept")
    assert contents(file_of(datasets_path)) == before[0]
    assert not offctx.load_dataset(ID).has_derivatives
    assert set(minari.list_local_datasets()) == {ID, "test/with-v0"}
    found = attach(ID, Frail(), batch_size=5)
    assert Frail.rows == [5] * 4
    assert_equal(found, frail)
    assert set(visible(datasets_path, tree)) == before[1]


def test_the_batch_size_may_change_on_the_way(frail):
    fail_after(2)
    assert_equal(attach(ID, Frail(), batch_size=7), frail)
    assert Frail.rows == [7, 7, 6]


def test_resume_false_begins_anew(frail):
    fail_after(2)
    attach(ID, Frail(), batch_size=5, resume=False)
    assert Frail.rows == [5] * 6


@pytest.mark.parametrize("damage", ["cut short", "emptied", "of another shape", "not finite"])
def test_a_damaged_batch_is_done_again(damage, frail, datasets_path):
    fail_after(2)
    (second,) = (datasets_path / ".offctx-derivatives").rglob("5.npy")
    if damage == "cut short":
        os.truncate(second, second.stat().st_size - 1)
    elif damage == "emptied":
        os.truncate(second, 0)
    else:
        rows = np.load(second)
        np.save(second, rows[:, :-1] if damage == "of another shape" else rows * np.nan)
    assert_equal(attach(ID, Frail(), batch_size=5), frail)
    assert Frail.rows == [5] * 5


def test_batches_of_another_environment_or_other_data_are_not_taken(frail, datasets_path):
    fail_after(2)
    attach(ID, Wider(), batch_size=5, check=False, new_id=NEW)
    assert Frail.rows == [5] * 6
    fail_after(2)
    shutil.rmtree(datasets_path / "test" / "x-v0")
    collect(env=lambda: TimeLimit(Frail(), 10), seed=1)
    attach(ID, Frail(), batch_size=5)
    assert Frail.rows == [5] * 6


class Mortal(Frail):
    """Kills its process instead."""

    deadly = False

    def derivatives(self, *args):
        if Mortal.deadly and len(Frail.rows) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().derivatives(*args)


PROGRAM = """
import importlib.util
spec = importlib.util.spec_from_file_location("mortal", {path!r})
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
tests.Mortal.deadly = True
tests.attach(tests.ID, tests.Mortal(), batch_size=5)
"""


def test_killed_and_started_again(frail):
    program = [sys.executable, "-c", PROGRAM.format(path=__file__)]
    killed = subprocess.run(program, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not offctx.load_dataset(ID).has_derivatives
    assert_equal(attach(ID, Mortal(), batch_size=5), frail)
    assert Frail.rows == [5] * 2


def test_an_interrupt_while_it_is_written_leaves_the_old_one(frail, datasets_path, monkeypatch, tree):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    before = contents(file_of(datasets_path))
    with monkeypatch.context() as patch:
        patch.setattr(h5py.Group, "create_dataset", interrupted)
        with pytest.raises(KeyboardInterrupt, match="30 of its 30 transitions are kept"):
            attach(ID, Frail(), batch_size=5)
    assert contents(file_of(datasets_path)) == before
    assert not [name for name in visible(datasets_path, tree) if name.startswith(".offctx") and "hdf5" in name]
    Frail.rows.clear()
    assert_equal(attach(ID, Frail(), batch_size=5), frail)
    assert Frail.rows == []


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_failure_while_they_change_places_leaves_the_old_one(which, failure, frail, datasets_path, monkeypatch, tree):
    rename, calls = os.rename, []

    def failing(source, target):
        calls.append(source)
        if len(calls) == which:
            raise failure
        rename(source, target)

    before = contents(file_of(datasets_path))
    replace = module.replace_dataset

    def replacing(*args):
        monkeypatch.setattr(os, "rename", failing)
        try:
            replace(*args)
        finally:
            monkeypatch.setattr(os, "rename", rename)

    monkeypatch.setattr(module, "replace_dataset", replacing)
    with pytest.raises(DatasetError if failure is OSError else KeyboardInterrupt, match="is as it was"):
        attach(ID, Frail())
    monkeypatch.undo()
    assert contents(file_of(datasets_path)) == before and len(calls) >= which


def test_killed_between_the_two_renames_the_old_one_comes_back(datasets_path):
    expected = collect()
    folder = datasets_path / "test" / "x-v0"
    aside = ids.hidden_folder(folder, ids.REPLACED)
    aside.parent.mkdir()
    os.rename(folder, aside)
    assert set(minari.list_local_datasets()) == set()
    assert_equal(offctx.load_dataset(ID), expected)
    with pytest.raises(DatasetError, match="is taken"):
        collect()


# --- errors that come with the derivatives -------------------------------------------------------------------------------


class Estimated(SimpleDirection):
    """As if its derivatives were estimates: far off where x is negative."""

    derivative_source = "central differences"
    derivative_tolerance = 0.5
    derivative_steps = np.array([1e-3, 1e-3])

    def derivatives_with_error(self, states, actions, contexts, noise=None):
        found = self.derivatives(states, actions, contexts, noise)
        return *found, np.where(states[:, 0] < 0, 0.75, 0.125)


@pytest.mark.parametrize("how", ["collected", "attached"])
def test_errors_are_stored_counted_and_validated(how, datasets_path):
    found = collect(env=lambda: TimeLimit(Estimated(), 10), gradients=how == "collected")
    assert (found.derivative_errors is None) == (how == "attached")
    if how == "attached":
        attach(ID, Estimated())
    found = offctx.load_dataset(ID)
    far = found.states[:, 0] < 0
    np.testing.assert_array_equal(found.derivative_errors, np.where(far, 0.75, 0.125))
    claim = found.metadata.derivatives
    assert (claim.flagged, claim.error, claim.tolerance, claim.steps) == (far.sum(), 0.125, 0.5, [1e-3, 1e-3])
    assert 0 < claim.flagged < len(found)
    for episode in minari.load_dataset(ID):
        assert episode.infos["derivative_error"].shape == (11,) and episode.infos["derivative_error"][0] == 0
    assert_equal(offctx.load_dataset(ID), found)  # from the flat copy
    validate_dataset(ID)

    raw = json.loads(file_of(datasets_path).with_name("metadata.json").read_text())
    raw["offctx"]["derivatives"]["flagged"] += 1
    edit_metadata(datasets_path, offctx=raw["offctx"])
    with pytest.raises(DatasetError, match=r"metadata say \d+ derivatives are flagged; \d+ are"):
        validate_dataset(ID)


def test_exact_derivatives_take_the_place_of_estimated_ones(datasets_path):
    collect(env=lambda: TimeLimit(Estimated(), 10), gradients=True)
    found = attach(ID, SimpleDirection(), overwrite=True)
    assert found.derivative_errors is None and found.metadata.derivatives.flagged is None
    assert "derivative_error" not in minari.load_dataset(ID)[0].infos
    assert_equal(found, collect("test/with-v0", gradients=True))


# --- at the door ---------------------------------------------------------------------------------------------------------


def spoil(key, row, value):
    def change(root):
        edit_metadata(root, offctx=None)
        with h5py.File(file_of(root), "a") as data:
            data[key][row] = value

    return change


def without_env(root):
    raw = json.loads(file_of(root).with_name("metadata.json").read_text())
    edit_metadata(root, offctx=raw["offctx"] | {"env": "elsewhere/Thing-v0"})


BAD = {
    "an id that is not there": (None, {"dataset_id": "test/nothing-v0"}, DatasetError, "no dataset 'test/nothing-v0'"),
    "a malformed id": (None, {"dataset_id": "no id"}, DatasetError, "malformed dataset id"),
    "a new id that is taken": (None, {"new_id": ID}, DatasetError, "is taken"),
    "a malformed new id": (None, {"new_id": "x"}, DatasetError, "malformed dataset id"),
    "batches of nothing": (None, {"batch_size": 0}, DatasetError, "batch_size must be a whole number, at least 1"),
    "a file cut short": (lambda root: os.truncate(file_of(root), 4000), {}, DatasetError, "truncated or foreign"),
    "another format": (
        lambda root: edit_metadata(root, data_format="arrow"),
        {},
        DatasetError,
        "stored as 'arrow'; .* in hdf5",
    ),
    "no file": (lambda root: file_of(root).unlink(), {}, DatasetError, "truncated or foreign"),
    "NaN in observations": (
        spoil("episode_1/observations", 3, np.nan),
        {},
        DatasetError,
        "episode 1 holds a number that is not",
    ),
    "NaN in states": (spoil("episode_0/infos/state", 3, np.nan), {}, DatasetError, "infos/state of episode 0 holds a number"),
    "NaN in actions": (spoil("episode_0/actions", 3, np.nan), {}, DatasetError, "actions of episode 0 holds a number"),
    "other rewards": (spoil("episode_2/rewards", 3, 7.0), {}, DatasetError, "is not what .* does in these contexts"),
    "other states": (spoil("episode_2/infos/state", 3, 7.0), {}, DatasetError, "is not what .* does in these contexts"),
    "an environment unknown to us": (without_env, {}, DatasetError, "pass env, a Gymnasium id or an environment"),
    "another environment": (
        None,
        {"env": "offctx/PendulumGoal-v0"},
        DatasetError,
        r"contexts of test/x-v0 are \['c_x', 'c_y'\]",
    ),
    "other observations": (
        lambda root: edit_metadata(root, offctx=None),
        {"env": "offctx/PendulumGoal-v0", "contexts": [2.0, 1.0, 1.0, 0.0]},
        DatasetError,
        "observation_space of test/x-v0 is .* another environment",
    ),
    "no derivatives to be had": (None, {"env": "testing/Underived-v0"}, DerivativeError, "has no context derivatives"),
    "no environment": (None, {"env": "CartPole-v1"}, EnvError, "expected the id or factory of an offctx"),
    "a context out of bounds": (None, {"contexts": [0.0, 3.0]}, ContextError, r"c_y must lie in \[-1, 1\]"),
    "too many contexts": (None, {"contexts": np.zeros((7, 2))}, ContextError, r"has 3 episodes; expected contexts \(3, 2\)"),
    "contexts other than its own": (None, {"contexts": [0.5, 0.5]}, DatasetError, "carries contexts, and they are not"),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_at_the_door(name, datasets_path, tree):
    change, options, error, message = BAD[name]
    collect()
    if change:
        change(datasets_path)
    before = visible(datasets_path, tree)
    with pytest.raises(error, match=message):
        attach(**options)
    assert visible(datasets_path, tree) == before


def test_observations_of_another_size(datasets_path):
    collect()
    edit_metadata(datasets_path, offctx=None)

    class Slim(PendulumGoal):
        context_space = SimpleDirection.context_space

    with pytest.raises(DatasetError, match="observation_space of test/x-v0"):
        attach(ID, Slim())


def test_a_disk_that_is_full(frail, datasets_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    before = contents(file_of(datasets_path))
    for target, name in ((np, "save"), (shutil, "copytree")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, full)
            with pytest.raises(DatasetError, match="No space left"):
                attach(ID, Frail())
        assert contents(file_of(datasets_path)) == before

"""Other people's data: recorded by plain Minari, by MuJoCo, with and without infos."""

import shutil

import gymnasium
import h5py
import minari
import numpy as np
import pytest

import offctx
from offctx.data.validation import validate_dataset
from offctx.envs import MujocoPhysics
from offctx.errors import DatasetError, EnvError
from tests.data.derivatives.helpers import ID, attach, file_of, visible
from tests.data.helpers import assert_equal


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

"""Making a family leaves nothing behind."""

import mujoco

from offctx.envs import MujocoPhysics


def test_loading_prints_nothing_and_leaves_no_file(tmp_path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    before = mujoco.get_mju_user_warning()
    MujocoPhysics("HalfCheetah-v5", ["gravity"])  # whose model file uses a deprecated word
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert mujoco.get_mju_user_warning() is before

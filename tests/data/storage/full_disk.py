"""A program that fills the disk: collects and attaches in processes that may write files of so many bytes, and no more.

    python full_disk.py FOLDER SIZES

It prints, for each number of bytes and each of the two, how the process ended, and what it left behind.
"""

import os
import resource
import sys
from pathlib import Path

import gymnasium

import offctx

_CONTEXTS = [[2.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0]]


def collect() -> None:
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=10)
    options = {"contexts": _CONTEXTS, "episodes_per_context": 4, "seed": 0, "progress": False}
    offctx.collect(env, "full/new-v0", **options)


def attach() -> None:
    offctx.attach_derivatives("full/old-v0", overwrite=True, resume=False, progress=False, check=False)


def limited(work, size: int) -> str:
    """How a process ends that does the work."""
    child = os.fork()
    if child == 0:
        os.close(2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            work()
        except offctx.OffctxError as error:
            os._exit(1 if "cannot" in str(error) else 3)
        except BaseException:
            os._exit(2)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else str(os.WEXITSTATUS(status))


def files(folder: Path) -> set[str]:
    """What lies in the folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    root = Path(sys.argv[1])
    os.environ["MINARI_DATASETS_PATH"] = str(root)
    env = gymnasium.make("offctx/PendulumGoal-v0", max_episode_steps=10)
    offctx.collect(env, "full/old-v0", contexts=_CONTEXTS, episodes_per_context=4, seed=0, progress=False)
    size = (root / "full/old-v0/data/main_data.hdf5").stat().st_size
    before = files(root)
    for k in range(int(sys.argv[2])):
        limit = size * k // int(sys.argv[2])
        for work in (collect, attach):
            end = limited(work, limit)
            left = sorted(files(root) - before)
            offctx.load_dataset("full/old-v0", cache=False)
            print(f"{work.__name__} {limit / size:.2f} {end} {left}")
            if (root / "full/new-v0").exists():
                sys.exit("the new dataset was written")

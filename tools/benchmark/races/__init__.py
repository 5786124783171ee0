"""The races, in the order in which they are run and reported: the races of each topic, one file a topic."""

from tools.benchmark.races import (
    chunks,
    collection,
    context_inference,
    dm_control,
    evaluation,
    fitting,
    history,
    linear,
    loading,
    mujoco_collection,
    mujoco_derivatives,
    online,
    perm,
    sampling,
    sharing,
)

TOPICS = (
    sampling,
    history,
    fitting,
    online,
    context_inference,
    collection,
    chunks,
    loading,
    sharing,
    evaluation,
    linear,
    mujoco_derivatives,
    mujoco_collection,
    dm_control,
    perm,
)
RACES = {race.name: race for topic in TOPICS for race in topic.RACES}

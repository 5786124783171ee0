"""Controls: the zero action and random actions, in the contexts in which the learners of the other studies are scored.

The sections of those studies show them beside their learners (`StudyResults.aer`); this study has no section of its own.
"""

from tools.reproduce.perm.data import DataSettings
from tools.reproduce.perm.learners import LearnerSettings
from tools.reproduce.perm.results import StudyResults, control_data
from tools.reproduce.perm.studies.cost import CONTEXTS
from tools.reproduce.perm.studies.cost import TASK as COST_TASK
from tools.reproduce.perm.study import Condition, Section, Study
from tools.reproduce.perm.tasks import ARRANGED

CONTROLS_LEARNER = LearnerSettings("controls", steps=0)


def _conditions() -> list[Condition]:
    """For each task, and for each number of contexts in the study of costs."""
    data = [DataSettings(task) for task in ARRANGED] + [DataSettings(COST_TASK, contexts=n) for n in CONTEXTS]
    return [Condition(each, "controls", CONTROLS_LEARNER, 3.0) for each in dict.fromkeys(map(control_data, data))]


def _section(results: StudyResults) -> Section:
    return Section("", [], [], None)


STUDY = Study("controls", "", _conditions(), _section)

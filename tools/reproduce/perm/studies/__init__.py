"""The studies by name, in the order of the report; one file each."""

from tools.reproduce.perm.studies import collapse, cost, cross, pessimism, search
from tools.reproduce.perm.study import Study

STUDIES: dict[str, Study] = {
    study.name: study for study in (collapse.STUDY, cross.STUDY, pessimism.STUDY, cost.STUDY, search.STUDY)
}

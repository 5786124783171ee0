"""The studies by name, in the order of the report; one file each."""

from tools.reproduce.perm.studies import collapse, controls, cost, cross, levels, natural, pessimism, search
from tools.reproduce.perm.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        controls.STUDY,
        collapse.STUDY,
        natural.STUDY,
        cross.STUDY,
        levels.STUDY,
        pessimism.STUDY,
        cost.STUDY,
        search.STUDY,
        levels.TUNING,
    )
}

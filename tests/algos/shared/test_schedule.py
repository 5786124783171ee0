"""Whose turn each update of PPPO is."""

from offctx.algos.shared.schedule import Schedule, Turn


def test_schedule_goes_round_in_one_order():
    schedule = Schedule(5, 2, 1, seed=3)
    assert sorted(schedule.order) == [0, 1, 2, 3, 4] and schedule.order == Schedule(5, 2, 1, seed=3).order
    assert len({tuple(Schedule(5, 2, 1, seed=seed).order) for seed in range(20)}) > 10
    found = []
    for _ in range(7 * 3):
        found.append(schedule.now)
        schedule.advance()
    for t in range(7):
        i = schedule.order[t % 5]
        assert found[3 * t : 3 * t + 3] == [
            Turn(t, i, "evaluation", 0),
            Turn(t, i, "evaluation", 1),
            Turn(t, i, "improvement", 0),
        ]


def test_a_loaded_schedule_goes_on():
    schedule, loaded = (Schedule(3, 2, 1, seed=3) for _ in range(2))
    for _ in range(5):
        schedule.advance()
    loaded.load_state_dict(schedule.state_dict())
    for _ in range(4):
        assert loaded.now == schedule.now and int(loaded.updates) == int(schedule.updates)
        loaded.advance()
        schedule.advance()
    assert loaded.now.number == 3

import numpy as np

from offctx.contexts.distinct import distinct_rows


def test_rows_are_numbered_by_first_appearance():
    contexts = np.array([[2.0, 0.0], [1.0, 5.0], [2.0, 0.0], [1.0, 4.0]])
    rows, numbers = distinct_rows(contexts)
    assert rows.tolist() == [[2.0, 0.0], [1.0, 5.0], [1.0, 4.0]]
    assert numbers.tolist() == [0, 1, 0, 2]
    assert (rows[numbers] == contexts).all()


def test_rows_may_be_numbers():
    rows, numbers = distinct_rows(np.array([7, 3, 3, 7]))
    assert rows.tolist() == [7, 3] and numbers.tolist() == [0, 1, 1, 0]


def test_no_rows():
    rows, numbers = distinct_rows(np.zeros((0, 2)))
    assert rows.shape == (0, 2) and len(numbers) == 0

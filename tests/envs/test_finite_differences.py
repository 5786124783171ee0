"""Finite differences by hand: of polynomials, where the error of each formula is known."""

import numpy as np

from offctx.envs.finite_differences import along_contexts, along_direction, relative_error


def test_central_and_one_sided_differences_of_a_cubic() -> None:
    """x^3 at x = 2: central (x + h)^3 ... = 3 x^2 + h^2; one-sided 3 x^2 - 2 h^2."""
    x, h = np.array([[2.0], [2.0]]), 0.1

    def outcome(k, rows):
        return (x[rows] + k * h) ** 3

    derivatives = along_direction(outcome, h, np.array([1]))
    np.testing.assert_allclose(derivatives[:, 0], [12 + h**2, 12 - 2 * h**2], rtol=1e-12)


def test_differences_along_contexts_with_two_steps() -> None:
    """The outcome (c_0^3, s c_2) has the difference 3 c_0^2 + (share step)^2 along c_0, and s along c_2; c_1 does not move."""
    states, actions, contexts = np.array([[5.0], [7.0]]), np.zeros((2, 1)), np.array([[2.0, 9.0, 1.0], [3.0, 9.0, 1.0]])

    def outcomes(states, actions, contexts, offsets):
        moved = contexts + offsets[:, None]
        return np.stack([moved[..., 0] ** 3, states[:, 0] * moved[..., 2]], axis=-1)

    wide, narrow = along_contexts(
        outcomes,
        (states, actions, contexts),
        steps=np.array([0.1, 0.0, 0.2]),
        moving=np.array([0, 2]),
        shares=(1.0, 0.5),
        outcome_size=2,
    )
    for derivatives, step in ((wide, 0.1), (narrow, 0.05)):
        expected = [[[12 + step**2, 0, 0], [0, 0, 5]], [[27 + step**2, 0, 0], [0, 0, 7]]]
        np.testing.assert_allclose(derivatives, expected, rtol=1e-12, atol=1e-12)


def test_relative_error_by_hand() -> None:
    """In units (1, 10): wide (3, 40), norm 40.11; narrow (0, 40), norm 40; the difference is (3, 0)."""
    wide, narrow = np.array([[[3.0, 4.0]], [[0.0, 0.0]]]), np.array([[[0.0, 4.0]], [[0.0, 0.0]]])
    error = relative_error(wide, narrow, np.array([1.0, 10.0]))
    np.testing.assert_allclose(error, [3 / np.hypot(3, 40), 0])

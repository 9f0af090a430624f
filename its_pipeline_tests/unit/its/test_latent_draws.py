"""Draws that go farther along a direction: their weights bring the moments back."""

import numpy as np
import pytest

from its_pipeline.its.likelihoods.latent_draws import widened


def test_weights_undo_what_was_widened_along_a_direction():
    rng = np.random.default_rng(3)
    draws = rng.standard_normal((200_000, 3))
    direction = np.array([0.6, 0.0, 0.8])
    farther = widened(draws, np.broadcast_to(direction, draws.shape))
    along = draws @ direction
    assert along.std() == pytest.approx(np.sqrt((1.0 + 1.8**2) / 2.0), abs=0.01)
    assert draws[:, 1].std() == pytest.approx(1.0, abs=0.01)
    weights = np.exp(-farther)
    weights /= weights.sum()
    assert weights @ along**2 == pytest.approx(1.0, abs=0.01)
    assert weights @ along**4 == pytest.approx(3.0, abs=0.05)
    assert weights @ (along > 3.0) == pytest.approx(0.00135, abs=0.0001)

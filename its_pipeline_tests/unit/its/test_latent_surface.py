"""Nodes of the noise: where they are laid, and what is thought of the likelihood between them."""

import numpy as np
import pytest

from its_pipeline.its.likelihoods.latent_grid import Grid, Nodes, log_prior
from its_pipeline.its.likelihoods.latent_surface import Surface, proposed, spread_evenly

BOX = ((1.0, 4.0), (-2.0, 1.0), (-4.0, 4.0))
PEAK = np.array([2.2, -0.3, 0.7])
WIDTHS = np.array([0.9, 0.35, 1.1])


def _log_likelihood(at: np.ndarray) -> np.ndarray:
    away = (at - PEAK) / WIDTHS
    return -0.5 * np.sum(away**2, axis=1) - 0.3 * away[:, 0] * away[:, 1]


def _nodes(at: np.ndarray) -> Nodes:
    return Nodes(at, 0.5, np.zeros(len(at)), np.zeros(len(at), dtype=bool))


def test_points_fill_cells_by_their_mass_and_evenly_within():
    mass = np.random.default_rng(2).gamma(1.0, size=(3, 4, 5))
    mass /= mass.sum()
    cells, within = spread_evenly(mass, 0, 6000)
    expected = 6000 * mass.ravel()
    # Chance alone would give about 60, as many as there are cells.
    assert np.sum((np.bincount(cells, minlength=60) - expected) ** 2 / expected) < 35
    assert np.sort(within, axis=0)[3000] == pytest.approx([0.5, 0.5, 0.5], abs=0.03)
    later, where = spread_evenly(mass, 1000, 6000)
    np.testing.assert_array_equal(later, cells[1000:])
    np.testing.assert_array_equal(where, within[1000:])


def test_a_surface_goes_through_what_is_known_and_beats_the_grid_between():
    grid = Grid.over(BOX, (3, 7, 5), 0.5)
    heights = _log_likelihood(grid.nodes.at)
    rng = np.random.default_rng(4)
    more = PEAK + WIDTHS * rng.standard_normal((150, 3))
    surface = Surface(grid, heights).knowing(_nodes(more), _log_likelihood(more))
    np.testing.assert_allclose(surface(more), _log_likelihood(more), atol=1e-6)
    between = PEAK + 0.7 * WIDTHS * rng.standard_normal((500, 3))
    off = np.abs(surface(between) - _log_likelihood(between))
    linear = np.abs(grid.between(heights, between) - _log_likelihood(between))
    assert np.quantile(off, 0.9) < 0.05
    assert np.quantile(off, 0.9) < 0.2 * np.quantile(linear, 0.9)


def test_weights_of_nodes_hold_whatever_the_surface_says():
    grid = Grid.over(BOX, (3, 7, 5), 0.5)
    told = []
    for heights in (_log_likelihood(grid.nodes.at), np.zeros(len(grid.nodes.at))):
        nodes = proposed(grid, Surface(grid, heights), 0, 20_000)
        weights = np.exp(nodes.log_weights + _log_likelihood(nodes.at))
        told.append(weights @ nodes.at / weights.sum())
    assert told[0] == pytest.approx(told[1], abs=0.01)


def test_a_box_goes_on_where_mass_lies_at_its_side():
    grid = Grid.over(BOX, (3, 7, 5), 0.5)
    at_side = -0.5 * np.square((grid.nodes.at[:, 1] + 2.0) / 0.3)
    (_, (low, high), _) = grid.with_mass(at_side)
    assert low == pytest.approx(-3.5)
    assert high == pytest.approx(-0.5)


def _bent(at: np.ndarray) -> np.ndarray:
    """Tell the dispersion well, and next to nothing of what lasts: a ridge that bends."""
    nodes = _nodes(at)
    return -0.5 * np.square(np.log(nodes.dispersions / 0.4) / 0.1) - 1.5 * nodes.points[:, 1]


def test_mass_beyond_the_bend_of_a_ridge_is_not_missed():
    box = (BOX[0], (np.log(0.3), np.log(2.0)), (-4.5, 9.0))
    grid = Grid.over(box, (3, 7, 5), 0.5)
    fine = Grid.over(box, (5, 150, 150), 0.5).nodes
    mass = np.exp(_bent(fine.at) + log_prior(fine))
    mass /= mass.sum()
    truth = mass[fine.points[:, 1] > 1.0].sum()
    surface = Surface(grid, _bent(grid.nodes.at))
    first = proposed(grid, surface, 0, 150)
    nodes = proposed(grid, surface.knowing(first, first.log_weights + _bent(first.at)), 150, 550)
    weights = np.exp(nodes.log_weights + _bent(nodes.at))
    told = weights[nodes.points[:, 1] > 1.0].sum() / weights.sum()
    assert truth > 0.02
    assert told == pytest.approx(truth, rel=0.3)

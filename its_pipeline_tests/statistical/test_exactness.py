"""The posterior against an exact one, written independently in `oracle`, and its auditor."""

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec, Schedule
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.inference import compiled
from its_pipeline.its.inference.problem import Problem
from its_pipeline.its.inference.quadrature import integrate
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.noise.ar1_white import AR1_WHITE
from its_pipeline.its.noise.ar1_white_packing import pack, pack_joint
from its_pipeline.its.scale_mixture import ScaleMixture
from its_pipeline_tests.statistical import oracle
from its_pipeline_tests.unit.its.series_factory import make_series, run

KERNEL = "its_pipeline.its.noise.ar1_white_kernel"
DENSITY_KERNEL = "its_pipeline.its.noise.ar1_white_density_kernel"
STUDENT_T_KERNEL = "its_pipeline.its.noise.ar1_white_student_t_kernel"

CASES = {
    "plain": {"n": 60, "level_change": 10, "seed": 1},
    "missing": {"n": 70, "missing": [3, 4, 5, 20, 33, 40, 41, 60], "seed": 2},
    "short": {"n": 22, "missing": [5, 15], "seed": 3},
    "drifting": {"n": 60, "rho": 0.8, "seed": 5},
}


def _problem(outcome, day):
    x, sds, weights, y, _, t = oracle.design(outcome, day)
    return Problem(np.ascontiguousarray(x), y, t, ScaleMixture(sds, weights))


@pytest.mark.parametrize("case", CASES)
def test_quadrature_agrees_with_the_oracle(case):
    outcome, day = make_series(**CASES[case])
    effect = run(outcome, day, AnalysisSpec()).effects.counterfactual
    x, sds, weights, y, scale, t = oracle.design(outcome, day)
    contrast = np.zeros((1, x.shape[1]))
    contrast[0, 2:4] = x[t >= 0, 2:4].mean(axis=0)
    exact = oracle.posterior(x, sds, weights, y, t, contrast)
    assert exact["edge"] < 1e-3
    sd = scale * exact["sd"][0]
    # The oracle's even cells are coarser than the engine's nodes: what is allowed is theirs.
    assert abs(effect.mean - scale * exact["mean"][0]) < 0.02 * sd
    assert effect.sd == pytest.approx(sd, rel=0.02)
    assert exact["below"](effect.ci_lower / scale, 0) == pytest.approx(0.025, abs=0.001)
    assert exact["below"](effect.ci_upper / scale, 0) == pytest.approx(0.975, abs=0.001)


@pytest.mark.parametrize(
    ("position", "season"),
    [((0.0, 0.0, 0.1), True), ((1.5, -2.0, -0.4), False), ((-3, 3, 1), True)],
)
def test_collapsed_density_is_the_dense_marginal_likelihood(position, season):
    outcome, day = make_series(50, missing=[3, 9, 10, 11, 30])
    x, sds, weights, y, _, t = oracle.design(outcome, day, season=season)
    buffer = pack(Problem(np.ascontiguousarray(x), y, t, ScaleMixture(sds, weights)))
    kernel = compiled.load(DENSITY_KERNEL)
    position, gradient = np.array(position, dtype=float), np.empty(3)
    found = kernel.log_density(position, buffer, gradient)
    point, slopes = np.empty(3), np.empty((4, 3))
    kernel.noise_at(position, buffer, point, slopes)
    phi, share, log_sd = point
    covariance = np.exp(2 * log_sd) * oracle.correlation(t, phi, share)
    expected = oracle.log_marginal(x, sds, weights, y, covariance)
    expected += oracle.log_prior(-1 / np.log(phi), share, np.exp(log_sd))
    # From (log tau, share, log sd) to the sampler's own units; d log tau = -d phi / (phi log phi).
    expected += np.log(abs(np.linalg.det(slopes[:3]) / (phi * np.log(phi))))
    assert found == pytest.approx(expected, rel=1e-10)
    ignored = np.empty(3)
    for axis in range(3):
        d = 1e-5 * np.eye(3)[axis]
        up, down = (kernel.log_density(position + s * d, buffer, ignored) for s in (1, -1))
        assert gradient[axis] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-5)


def test_every_node_is_the_dense_gaussian():
    problem = _problem(*make_series(70, missing=(3, 4, 20, 41, 42, 43, 60), seed=1))
    contrast = np.zeros((1, problem.design.shape[1]))
    contrast[0, 2] = 1.0
    mixture = integrate(problem, AR1_WHITE, contrast)
    rng = np.random.default_rng(0)
    for node in [*rng.integers(len(mixture.weights), size=12), int(mixture.weights.argmax())]:
        phi, share = mixture.points[node]
        noise = np.exp(2 * mixture.log_sd[node]) * oracle.correlation(problem.steps, phi, share)
        inverse = np.linalg.inv(noise)
        sd = problem.prior.sd[mixture.component[node]]
        covariance = np.linalg.inv(problem.design.T @ inverse @ problem.design + np.diag(sd**-2.0))
        mean = covariance @ problem.design.T @ inverse @ problem.outcome
        assert mixture.means[0, node] == pytest.approx(mean[2], rel=1e-9, abs=1e-12)
        assert mixture.sds[0, node] == pytest.approx(covariance[2, 2] ** 0.5, rel=1e-9)


def test_the_lasting_part_is_the_dense_conditional():
    outcome, day = make_series(40, missing=[3, 9, 10, 30], seed=2)
    problem = _problem(outcome, day)
    steps = np.arange(-20, 24)
    points = np.array([[0.8, 0.3], [0.95, 0.7]])
    loadings, variances = AR1_WHITE.lasting(problem, steps, points)
    known = np.column_stack([problem.design, problem.outcome])
    for row, (phi, share) in enumerate(points):
        inverse = np.linalg.inv(oracle.correlation(problem.steps, phi, share))
        apart = np.abs(steps[:, None] - problem.steps[None, :]).astype(float)
        cross = (1 - share) * phi**apart
        np.testing.assert_allclose(loadings[row], cross @ inverse @ known, atol=1e-10)
        rest = (1 - share) - np.einsum("ij,jk,ik->i", cross, inverse, cross)
        np.testing.assert_allclose(variances[row], rest, atol=1e-10)


def test_sums_ahead_are_the_dense_conditional():
    ahead = np.array([1, 2, 5, 6, 11])
    points = np.array([[0.8, 0.3], [0.97, 0.0], [0.2, 0.9]])
    carried, left = AR1_WHITE.forecast_of_sums(points, ahead)
    for row, (phi, share) in enumerate(points):
        apart = np.abs(ahead[:, None] - ahead[None, :])
        covariance = (1 - share) * (phi**apart - np.outer(phi**ahead, phi**ahead))
        covariance = covariance + share * np.eye(len(ahead))
        for m in range(len(ahead)):
            assert carried[row, m] == pytest.approx((phi ** ahead[: m + 1]).sum())
            assert left[row, m] == pytest.approx(covariance[: m + 1, : m + 1].sum())


def test_without_new_noise_it_is_an_ar1():
    """At share 0 the whitened columns are those of an AR(1) with gaps."""
    problem = _problem(*make_series(50, missing=[3, 9, 10, 11, 30]))
    kernel = compiled.load(KERNEL)
    phi = 0.7
    white = kernel.whitened(problem.rows, problem.gaps, phi, 0.0)
    carried = phi**problem.gaps
    expected = problem.rows.copy()
    expected[1:] -= carried[:, None] * problem.rows[:-1]
    expected[1:] /= np.sqrt(1 - carried**2)[:, None]
    np.testing.assert_allclose(white, expected, atol=1e-12)


@pytest.mark.parametrize("count", [1, 8, 31, 33, 70])
def test_noises_side_by_side_are_each_its_own(count):
    """However many there are beside the last whole group of lanes."""
    problem = _problem(*make_series(50, missing=[3, 9, 10, 11, 30]))
    rng = np.random.default_rng(count)
    points = np.column_stack([rng.uniform(0.1, 0.99, count), rng.uniform(0.0, 1.0, count)])
    sums, log_dets = AR1_WHITE.cross_products(problem, points)
    kernel = compiled.load(KERNEL)
    size = problem.design.shape[1] + 1
    upper = np.triu_indices(size)
    for noise, (phi, share) in enumerate(points):
        white = kernel.whitened(problem.rows, problem.gaps, phi, share)[:, :size]
        np.testing.assert_allclose(sums[noise][upper], (white.T @ white)[upper], atol=1e-9)
        _, log_det = np.linalg.slogdet(oracle.correlation(problem.steps, phi, share))
        assert log_dets[noise] == pytest.approx(log_det, abs=1e-9)


def test_nodes_side_by_side_are_each_its_own():
    problem = _problem(*make_series(50))
    rng = np.random.default_rng(5)
    count, k = 41, problem.design.shape[1]
    points = np.column_stack([rng.uniform(0.1, 0.99, count), rng.uniform(0.0, 1.0, count)])
    sums, _ = AR1_WHITE.cross_products(problem, points)
    log_sds, contrasts = rng.normal(0.0, 0.3, count), rng.normal(size=(count, 2, k))

    def moments(nodes):
        shape = len(nodes), len(problem.prior.weights)
        logs, means, variances = np.empty(shape), np.empty((*shape, 2)), np.empty((*shape, 2))
        constants = compiled.gaussian_kernel().moments_given_noise(
            np.ascontiguousarray(sums[nodes]),
            log_sds[nodes],
            problem.shared_precisions,
            problem.free_precisions,
            np.log(problem.prior.weights),
            np.ascontiguousarray(contrasts[nodes]),
            logs,
            means,
            variances,
        )
        return constants, logs, means, variances

    together = moments(np.arange(count))
    for node in range(count):
        for all_of_them, alone in zip(together, moments(np.array([node])), strict=True):
            np.testing.assert_allclose(all_of_them[node], alone[0], rtol=1e-12)


def test_the_gradient_of_the_student_t_density_is_right():
    problem = _problem(*make_series(40, missing=[3, 9, 30], seed=3))
    k = problem.design.shape[1]
    rng = np.random.default_rng(1)
    buffer = pack_joint(problem, rng.normal(size=k), 0.3 * np.eye(k) + 0.02)
    kernel = compiled.load(STUDENT_T_KERNEL)
    gradient, ignored = np.empty(k + 4), np.empty(k + 4)
    for seed in range(3):
        position = 0.5 * np.random.default_rng(seed).normal(size=k + 4)
        kernel.student_log_density(position, buffer, gradient)
        for axis in range(k + 4):
            d = 1e-5 * np.eye(k + 4)[axis]
            up, down = (
                kernel.student_log_density(position + s * d, buffer, ignored) for s in (1, -1)
            )
            assert gradient[axis] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-5)


def test_unreachable_points_are_rejected_not_crashes():
    problem = _problem(*make_series(30))
    buffer, gradient = pack(problem), np.empty(3)
    kernel = compiled.load(DENSITY_KERNEL)
    for position in [(800.0, 0.0, 0.0), (-800.0, 0.0, 0.0), (0.0, 900.0, 0.0), (0.0, 0.0, 800.0)]:
        value = kernel.log_density(np.array(position), buffer, gradient)
        assert not np.isfinite(value) or not np.isfinite(gradient).all() or value < -300


@pytest.mark.parametrize("case", CASES)
def test_the_auditor_agrees(case):
    a = run(*make_series(**CASES[case]), AnalysisSpec(seed=11))
    assert a.diagnostics.audit_difference < 0.1
    assert a.diagnostics.quadrature_error < 0.02


def test_phases_agree_with_the_oracle():
    outcome, _ = make_series(40, rho=0.5, seed=4, missing=[7, 22])
    outcome.iloc[10:20] += 15.0
    days = [("2024-01-11", "2024-01-20"), ("2024-01-31", None)]
    spec = AnalysisSpec(season="none")
    found = run(outcome, Schedule.periods(days), spec)
    fit, _ = prepared_fit(outcome, Schedule.periods(days), spec, None, NORMAL)
    problem, prior = fit.problem, fit.problem.prior
    intervention = fit.design.intervention[fit.rows]
    first, second = (
        intervention[np.isin(problem.steps, steps)].mean(axis=0)
        for steps in (np.arange(10), np.arange(20, 30))
    )
    on = intervention[intervention.any(axis=1)].mean(axis=0)
    contrasts = np.stack([on, first, second, first - second])
    exact = oracle.posterior(
        problem.design, prior.sd, prior.weights, problem.outcome, problem.steps, contrasts
    )
    scale = fit.series.scale
    effects = [
        found.effects.counterfactual,
        *(phase.effect for phase in found.by_schedule.phases if phase.on),
        found.by_schedule.likeness.first_less_later,
    ]
    for number, effect in enumerate(effects):
        sd = scale * exact["sd"][number]
        assert abs(effect.mean - scale * exact["mean"][number]) < 0.02 * sd
        assert effect.sd == pytest.approx(sd, rel=0.02)
        assert exact["below"](effect.ci_lower / scale, number) == pytest.approx(0.025, abs=0.002)
        assert exact["below"](effect.ci_upper / scale, number) == pytest.approx(0.975, abs=0.002)

# ruff: noqa: ANN001, ANN201, ANN202 - Numba infers the types of compiled functions
"""Compiled parts of the drifting engine: whitening under gaps, elimination, quantiles.

What belongs here: loops over days, grid points and Gaussians. What does not: which noises and
priors there are, and where grid points lie (`drifting_engine`).

The noise of one day is a fading part, a wandering part and a part that is new,

    cov(e_s, e_t) = sd**2 [ (1 - share) phi**|s - t| + share 1(s = t) + walk min(s, t) ],

with days counted from the first observed one. A Kalman filter of one or two states turns every
column of [X y] into independent innovations of unit variance; a missing day is a longer step.
Their cross products are all that depends on the noise and on n; what remains per sd and per
component of the prior is elimination in a matrix of a dozen rows.
"""

from __future__ import annotations

import math
from typing import Any

import numba as _numba
import numpy as np

numba: Any = _numba

OPTIONS = {"cache": True, "error_model": "numpy"}
FAST_OPTIONS = {**OPTIONS, "fastmath": {"reassoc", "contract"}}
FADING, WANDERING, BOTH = 0, 1, 2
_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI_INVERSE = 1.0 / math.sqrt(2.0 * math.pi)
_HOPELESS = 25.0
"""Log of how far a noise's middle sd may lie below the peak before its other sds are left out."""
_LOG_TWO_PI = math.log(2.0 * math.pi)


@numba.njit(**FAST_OPTIONS)
def _whiten_one(rows, gaps, fade, share, first, walk, out):
    """Whiten with one state, a fading one where `walk` is 0. Returns log|R|."""
    n, width = rows.shape
    state = np.zeros(width)
    variance = first
    log_det = 0.0
    product = 1.0
    for t in range(n):
        factor = 1.0
        if t > 0:
            if walk > 0.0:
                variance += walk * gaps[t - 1]
            else:
                factor = fade ** gaps[t - 1]
                variance = first + factor * factor * (variance - first)
        spread = variance + share
        gain = variance / spread
        scale = 1.0 / math.sqrt(spread)
        for j in range(width):
            before = factor * state[j]
            surprise = rows[t, j] - before
            out[t, j] = surprise * scale
            state[j] = before + gain * surprise
        variance = variance * share / spread
        product *= spread
        if product < 1e-200 or product > 1e200:
            log_det += math.log(product)
            product = 1.0
    return log_det + math.log(product)


@numba.njit(**FAST_OPTIONS)
def _whiten_two(rows, gaps, phi, share, walk, out):
    """Whiten with a fading and a wandering state. Returns log|R|."""
    n, width = rows.shape
    fading = np.zeros(width)
    wandering = np.zeros(width)
    first = 1.0 - share
    v_ff = first
    v_fw = 0.0
    v_ww = 0.0
    log_det = 0.0
    product = 1.0
    for t in range(n):
        factor = 1.0
        if t > 0:
            factor = phi ** gaps[t - 1]
            v_ff = first + factor * factor * (v_ff - first)
            v_fw = factor * v_fw
            v_ww = v_ww + walk * gaps[t - 1]
        side_f = v_ff + v_fw
        side_w = v_fw + v_ww
        spread = side_f + side_w + share
        gain_f = side_f / spread
        gain_w = side_w / spread
        scale = 1.0 / math.sqrt(spread)
        for j in range(width):
            before = factor * fading[j]
            surprise = rows[t, j] - before - wandering[j]
            out[t, j] = surprise * scale
            fading[j] = before + gain_f * surprise
            wandering[j] += gain_w * surprise
        v_ff -= gain_f * side_f
        v_fw -= gain_f * side_w
        v_ww -= gain_w * side_w
        product *= spread
        if product < 1e-200 or product > 1e200:
            log_det += math.log(product)
            product = 1.0
    return log_det + math.log(product)


@numba.njit(**FAST_OPTIONS)
def _upper_products(rows, size, out):
    """Fill the upper triangle of rows' rows, four days at a time."""
    n, width = rows.shape
    for i in range(size):
        for j in range(width):
            out[i, j] = 0.0
    whole = n - n % 4
    for t in range(0, whole, 4):
        for i in range(size):
            a, b, c, d = rows[t, i], rows[t + 1, i], rows[t + 2, i], rows[t + 3, i]
            for j in range(i - i % 4, width):
                out[i, j] += (
                    a * rows[t, j] + b * rows[t + 1, j] + c * rows[t + 2, j] + d * rows[t + 3, j]
                )
    for t in range(whole, n):
        for i in range(size):
            value = rows[t, i]
            for j in range(i, width):
                out[i, j] += value * rows[t, j]


@numba.njit(nogil=True, **OPTIONS)
def cross_products(states, rows, gaps, noise, size, sums, log_dets):
    """Cross products of whitened columns under each noise.

    Parameters
    ----------
    states
        `FADING`, `WANDERING` or `BOTH`.
    rows
        [X y], shape (n, width), the last columns zero where width exceeds `size`.
    gaps
        Steps between rows, whole numbers, shape (n - 1,).
    noise
        phi, share and walk of each, shape (g, 3).
    size
        Columns of [X y].
    sums, log_dets
        Filled: upper triangles, shape (g, size, width); log|R|, shape (g,).
    """
    white = np.empty_like(rows)
    for g in range(noise.shape[0]):
        phi, share, walk = noise[g, 0], noise[g, 1], noise[g, 2]
        if states == FADING:
            log_dets[g] = _whiten_one(rows, gaps, phi, share, 1.0 - share, 0.0, white)
        elif states == WANDERING:
            log_dets[g] = _whiten_one(rows, gaps, 1.0, 1.0, 0.0, walk, white)
        else:
            log_dets[g] = _whiten_two(rows, gaps, phi, share, walk, white)
        _upper_products(white, size, sums[g])


@numba.njit(inline="always", **FAST_OPTIONS)
def _eliminate(matrix, first, last, size):
    """Eliminate pivots first..last-1 from an upper triangle. Returns the log of their product."""
    log_det = 0.0
    product = 1.0
    for p in range(first, last):
        pivot = matrix[p, p]
        if not pivot > 0.0:
            return math.inf
        product *= pivot
        if product > 1e200 or product < 1e-200:
            log_det += math.log(product)
            product = 1.0
        inverse = 1.0 / pivot
        for i in range(p + 1, size):
            factor = matrix[p, i] * inverse
            if factor != 0.0:
                for j in range(i, size):
                    matrix[i, j] -= factor * matrix[p, j]
    return log_det + math.log(product)


@numba.njit(**OPTIONS)
def _load(sums, precision, shared, contrasts, k, matrix):
    """Fill the matrix that elimination starts from, the sd's precision multiplied in."""
    size = matrix.shape[0]
    for i in range(k + 1):
        for j in range(i, k + 1):
            matrix[i, j] = precision * sums[i, j]
        for j in range(k + 1, size):
            matrix[i, j] = contrasts[j - k - 1, i] if i < k else 0.0
    for i in range(k + 1, size):
        for j in range(i, size):
            matrix[i, j] = 0.0
    for i in range(len(shared)):
        matrix[i, i] += shared[i]


@numba.njit(**OPTIONS)
def _log_residual_sd(sums, shared, free, no_contrasts, n, k, matrix):
    """Log sd of what the columns leave, under the widest component's priors."""
    freedom = max(n - k, 3)
    log_sd = 0.0
    for _ in range(20):
        _load(sums, math.exp(-2.0 * log_sd), shared, no_contrasts, k, matrix)
        for i in range(len(free)):
            matrix[len(shared) + i, len(shared) + i] += free[i]
        _eliminate(matrix, 0, k, k + 1)
        step = 0.5 * math.log(max(matrix[k, k] / freedom, 1e-12))
        log_sd += step
        if abs(step) < 0.3 / math.sqrt(2.0 * freedom):
            break
    return log_sd


@numba.njit(**OPTIONS)
def log_marginal(sums, log_det, prior_precision, log_sd, n):
    """Log density of the outcome given noise and sd, all coefficients integrated out."""
    k = len(prior_precision)
    matrix = np.zeros((k + 1, k + 1))
    _load(sums, math.exp(-2.0 * log_sd), prior_precision, np.zeros((0, k)), k, matrix)
    value = -_eliminate(matrix, 0, k, k + 1) - matrix[k, k] - log_det
    value += np.log(prior_precision).sum() - n * _LOG_TWO_PI
    return 0.5 * value - n * log_sd


@numba.njit(nogil=True, **OPTIONS)
def integrate(
    sums,
    log_dets,
    log_noise,
    shared,
    free,
    log_components,
    contrasts,
    nodes,
    log_node_weights,
    sd_scale,
    sd_df,
    n,
    peak,
    log_weights,
    log_sds,
    means,
    variances,
):
    """Log mass of each (noise, sd, component), and contrasts' moments given each.

    Parameters
    ----------
    sums, log_dets, log_noise
        Of `cross_products`; log prior mass of each noise with its quadrature weight.
    shared, free
        Prior precisions: of the columns every component has alike, which come first, shape (a,);
        and of the others, shape (m, f).
    log_components
        Log prior weights, shape (m,).
    contrasts
        Shape (c, k).
    nodes, log_node_weights
        Of the log sd, in standard errors around its rough estimate; shape (s,).
    sd_scale, sd_df
        Half-Student-t prior of the sd.
    n
        Observed days.
    peak
        Highest log mass known before; noises far below it get one sd only.
    log_weights, log_sds, means, variances
        Filled; shapes (g, s, m), (g, s), (g, s, m, c), (g, s, m, c).
    """
    k = len(shared) + free.shape[1]
    size = k + 1 + contrasts.shape[0]
    matrix = np.zeros((size, size))
    small = np.zeros((size, size))
    narrow = np.zeros((k + 1, k + 1))
    no_contrasts = np.zeros((0, k))
    error = 1.0 / math.sqrt(2.0 * max(n - k, 3))
    widest = 0
    for m in range(free.shape[0]):
        if free[m].sum() < free[widest].sum():
            widest = m
    log_prior = np.empty(free.shape[0])
    for m in range(free.shape[0]):
        log_prior[m] = log_components[m]
        for i in range(free.shape[1]):
            log_prior[m] += 0.5 * math.log(free[m, i])
    base = -0.5 * n * _LOG_TWO_PI + math.log(error)
    for i in range(len(shared)):
        base += 0.5 * math.log(shared[i])
    base += math.log(2.0) + math.lgamma(0.5 * (sd_df + 1.0)) - math.lgamma(0.5 * sd_df)
    base -= 0.5 * math.log(sd_df * math.pi) + math.log(sd_scale)
    a = len(shared)
    middle = len(nodes) // 2
    for g in range(sums.shape[0]):
        centre = _log_residual_sd(sums[g], shared, free[widest], no_contrasts, n, k, narrow)
        best = -math.inf
        for turn in range(len(nodes)):
            # the middle goes first: it tells whether the others are worth their while
            s = (middle + turn) % len(nodes)
            log_sd = centre + error * nodes[s]
            log_sds[g, s] = log_sd
            if turn > 0 and best < peak - _HOPELESS:
                log_weights[g, s, :] = -math.inf
                continue
            _load(sums[g], math.exp(-2.0 * log_sd), shared, contrasts, k, matrix)
            log_det = _eliminate(matrix, 0, a, size)
            ratio = math.exp(2.0 * log_sd) / (sd_scale * sd_scale * sd_df)
            common = base + log_noise[g] + log_node_weights[s] + log_sd
            common -= 0.5 * (sd_df + 1.0) * math.log1p(ratio)
            common -= n * log_sd + 0.5 * log_dets[g] + 0.5 * log_det
            for m in range(free.shape[0]):
                for i in range(a, size):
                    for j in range(i, size):
                        small[i, j] = matrix[i, j]
                for i in range(free.shape[1]):
                    small[a + i, a + i] += free[m, i]
                log_det = _eliminate(small, a, k, size)
                value = common + log_prior[m] - 0.5 * log_det - 0.5 * small[k, k]
                log_weights[g, s, m] = value if math.isfinite(value) else -math.inf
                best = max(best, log_weights[g, s, m])
                for c in range(contrasts.shape[0]):
                    means[g, s, m, c] = -small[k, k + 1 + c]
                    variances[g, s, m, c] = -small[k + 1 + c, k + 1 + c]
        peak = max(peak, best)


@numba.njit(nogil=True, **OPTIONS)
def shift_outcome(sums, amounts, divisor, k, out):
    """Cross products after y becomes (y + X amounts) / divisor, for every noise."""
    for g in range(sums.shape[0]):
        for i in range(k):
            for j in range(i, k):
                out[g, i, j] = sums[g, i, j]
        square = sums[g, k, k]
        for i in range(k):
            value = 0.0
            for j in range(k):
                value += amounts[j] * (sums[g, i, j] if i <= j else sums[g, j, i])
            square += amounts[i] * (2.0 * sums[g, i, k] + value)
            out[g, i, k] = (sums[g, i, k] + value) / divisor
        out[g, k, k] = square / (divisor * divisor)


@numba.njit(nogil=True, **OPTIONS)
def mixture_cdf(weights, means, spreads, value):
    """P(x <= value) of a mixture of Gaussians, its density there, and the density's slope."""
    total = 0.0
    density = 0.0
    slope = 0.0
    for i in range(len(weights)):
        inverse = 1.0 / spreads[i]
        z = (value - means[i]) * inverse
        if z > 8.0:
            total += weights[i]
        elif z > -8.0:
            total += 0.5 * weights[i] * math.erfc(-z * _ROOT_HALF)
            height = weights[i] * math.exp(-0.5 * z * z) * inverse
            density += height
            slope -= height * z * inverse
    return total, density * _ROOT_TWO_PI_INVERSE, slope * _ROOT_TWO_PI_INVERSE


@numba.njit(nogil=True, **OPTIONS)
def mixture_quantile(weights, means, spreads, probability):
    """Quantile of a mixture of Gaussians: Halley's steps inside a shrinking bracket."""
    mean = 0.0
    square = 0.0
    for i in range(len(weights)):
        mean += weights[i] * means[i]
        square += weights[i] * (means[i] * means[i] + spreads[i] * spreads[i])
    sd = math.sqrt(max(square - mean * mean, 0.0))
    # Cantelli's inequality
    low = mean - sd * math.sqrt((1.0 - probability) / probability)
    high = mean + sd * math.sqrt(probability / (1.0 - probability))
    at = mean + sd * min(max(4.0 * (probability - 0.5), -1.96), 1.96)
    for _ in range(60):
        total, density, slope = mixture_cdf(weights, means, spreads, at)
        miss = total - probability
        if miss > 0.0:
            high = at
        else:
            low = at
        step = math.inf
        if density > 0.0:
            newton = miss / density
            step = newton / max(1.0 - 0.5 * newton * slope / density, 0.5)
        if abs(step) < 1e-6 * sd:
            return at - step
        at = at - step if low < at - step < high else 0.5 * (low + high)
        if high - low < 1e-9 * sd:
            break
    return at


@numba.njit(nogil=True, **OPTIONS)
def collect(log_weights, means, variances, log_half, floor):
    """Flatten what matters of `integrate`'s results.

    Parameters
    ----------
    log_weights, means, variances
        Of `integrate`.
    log_half
        Log of each noise's weight in the halved rule over that in the full one, shape (g,).
    floor
        Log of how far below the peak a Gaussian may lie and still count.

    Returns
    -------
    tuple
        Flat positions in `log_weights`, weights, weights by the halved rule, means and sds, the
        last two of shape (c, p); and the log of the total mass.
    """
    g, s, m = log_weights.shape
    c = means.shape[3]
    peak = log_weights.max()
    count = 0
    for value in log_weights.flat:
        if value > peak - floor:
            count += 1
    where = np.empty(count, np.int64)
    weights = np.empty(count)
    halved = np.empty(count)
    centres = np.empty((c, count))
    spreads = np.empty((c, count))
    total, half_total = 0.0, 0.0
    at = 0
    for a in range(g):
        factor = math.exp(log_half[a])
        for b in range(s):
            for d in range(m):
                if log_weights[a, b, d] > peak - floor:
                    mass = math.exp(log_weights[a, b, d] - peak)
                    where[at] = (a * s + b) * m + d
                    weights[at] = mass
                    halved[at] = mass * factor
                    total += mass
                    half_total += mass * factor
                    for j in range(c):
                        centres[j, at] = means[a, b, d, j]
                        spreads[j, at] = math.sqrt(max(variances[a, b, d, j], 0.0))
                    at += 1
    weights /= total
    halved /= half_total
    return where, weights, halved, centres, spreads, peak + math.log(total)

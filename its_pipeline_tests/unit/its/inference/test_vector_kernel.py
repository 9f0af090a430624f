"""Exponentials and logarithms of whole arrays against NumPy's."""

import numpy as np

from its_pipeline.its.inference import compiled


def test_exponentials_and_logarithms_are_those_of_numpy():
    kernel = compiled.load("its_pipeline.its.inference.vector_kernel")
    values = np.concatenate([np.linspace(-600.0, 600.0, 4001), [0.0, 1e-9, -1e-9]])
    out, work = np.empty_like(values), np.empty_like(values)
    kernel.exponentials(values, out, work)
    np.testing.assert_allclose(out, np.exp(values), rtol=1e-13)
    positive = np.concatenate([np.exp(np.linspace(-600.0, 600.0, 4001)), [1.0, 2.0, 1.0 + 1e-9]])
    out, work = np.empty_like(positive), np.empty_like(positive)
    kernel.logarithms(positive, out, work)
    np.testing.assert_allclose(out, np.log(positive), rtol=1e-13, atol=1e-15)

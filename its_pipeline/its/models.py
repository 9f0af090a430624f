"""The noise models, designs and likelihoods themselves, by their names in `registry`.

What belongs here: loading one when an analysis needs it. What does not: which there are, or how
they work.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from its_pipeline.its.designs.base import StudyDesign
from its_pipeline.its.exposure import Exposure
from its_pipeline.its.likelihoods.base import Likelihood
from its_pipeline.its.noise.base import NoiseModel
from its_pipeline.its.registry import DESIGNS, LIKELIHOODS, NOISE_MODELS


def noise_model(name: str) -> NoiseModel:
    """Return the noise model of a name in `NOISE_MODELS`."""
    return _object(NOISE_MODELS[name])


def study_design(name: str) -> StudyDesign:
    """Return the study design of a name in `DESIGNS`."""
    return _object(DESIGNS[name])


def study_of(exposure: Exposure, name: str) -> StudyDesign:
    """Return the study design of an intervention: `name` where it is one change, else phases."""
    return study_design(name if exposure.is_one_change else "phases")


def likelihood(name: str) -> Likelihood:
    """Return the likelihood of a name in `LIKELIHOODS`."""
    return _object(LIKELIHOODS[name])


def _object(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)

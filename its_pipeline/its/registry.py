"""Which noise models, designs and likelihoods there are: a name, and where its object lies.

What belongs here: one line each. A new one is a file of its own that holds an object with the
verbs of `noise.base.NoiseModel`, `designs.base.StudyDesign` or `likelihoods.base.Likelihood`, and
its line here; `AnalysisSpec` then takes its name. What does not: anything of how they work. Objects
are imported when an analysis needs them, so that settings can be checked without loading any of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from its_pipeline.its.designs.base import StudyDesign
    from its_pipeline.its.likelihoods.base import Likelihood
    from its_pipeline.its.noise.base import NoiseModel

NOISE_MODELS: Final = {"ar1": "its_pipeline.its.noise.ar1:AR1"}
DESIGNS: Final = {"change": "its_pipeline.its.designs.change:CHANGE"}
LIKELIHOODS: Final = {
    "normal": "its_pipeline.its.likelihoods.normal:NORMAL",
    "student_t": "its_pipeline.its.likelihoods.student_t:STUDENT_T",
}


def noise_model(name: str) -> NoiseModel:
    """Return the noise model of a name in `NOISE_MODELS`."""
    return _object(NOISE_MODELS[name])


def study_design(name: str) -> StudyDesign:
    """Return the study design of a name in `DESIGNS`."""
    return _object(DESIGNS[name])


def likelihood(name: str) -> Likelihood:
    """Return the likelihood of a name in `LIKELIHOODS`."""
    return _object(LIKELIHOODS[name])


def _object(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)

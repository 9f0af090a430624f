"""Which noise models, designs and likelihoods there are: a name, and where its object lies.

What belongs here: one line each. A new one is a file of its own that holds an object with the
verbs of `noise.base.NoiseModel`, `designs.base.StudyDesign` or `likelihoods.base.Likelihood`, and
its line here; `AnalysisSpec` then takes its name. What does not: anything of how they work, or
loading them (`models`): settings are checked against these names alone.
"""

from __future__ import annotations

from typing import Final

NOISE_MODELS: Final = {"ar1_white": "its_pipeline.its.noise.ar1_white:AR1_WHITE"}
DESIGNS: Final = {
    "change": "its_pipeline.its.designs.change:CHANGE",
    "phases": "its_pipeline.its.designs.phases:PHASES",
}
LIKELIHOODS: Final = {
    "normal": "its_pipeline.its.likelihoods.normal:NORMAL",
    "student_t": "its_pipeline.its.likelihoods.student_t:STUDENT_T",
    "lognormal": "its_pipeline.its.likelihoods.normal:LOG_NORMAL",
    "poisson": "its_pipeline.its.likelihoods.linked:POISSON_COUNTS",
    "negative_binomial": "its_pipeline.its.likelihoods.linked:NEGATIVE_BINOMIAL_COUNTS",
    "binomial": "its_pipeline.its.likelihoods.linked:SUCCESSES",
}

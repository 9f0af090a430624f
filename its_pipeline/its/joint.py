"""Several interventions of one person in one model: an answer for each.

What belongs here: the record that `engine.analyze` returns for a mapping of schedules. What does
not: the answers themselves (`analysis`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from its_pipeline.its.analysis import Analysis


@dataclass(frozen=True)
class JointAnalysis:
    """Several interventions of one person on one outcome, in one model.

    Parameters
    ----------
    analyses
        Each intervention's answer by its name; the others are in its model.
    """

    analyses: Mapping[str, Analysis]

    def of(self, name: str) -> Analysis:
        """Return one intervention's answer.

        Parameters
        ----------
        name
            As in the mapping of schedules.

        Raises
        ------
        KeyError
            If there is none of this name; the message names those there are.
        """
        if name not in self.analyses:
            raise KeyError(f"no intervention {name!r}; there are {', '.join(self.analyses)}")
        return self.analyses[name]

    @property
    def converged(self) -> bool:
        """Whether every answer passed the gate."""
        return all(analysis.converged for analysis in self.analyses.values())

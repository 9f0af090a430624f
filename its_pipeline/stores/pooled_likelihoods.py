"""What members' own days say of a kind's effect, kept so that one more member costs one analysis.

What belongs here: their likelihoods as one file beside a kind's record. What does not: the record
(`pooled_results`), where kinds lie (`pooled_store`), or how a likelihood is made of an analysis
(`its.effect_likelihood`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from its_pipeline.files.atomic import write_bytes
from its_pipeline.files.damage import read_or_set_aside

if TYPE_CHECKING:
    from its_pipeline.its.pooling.estimates import Estimate

VERSION: Final = 1
"""Of the file's form, and of how likelihoods are made: a file of another one is made again."""


class Source(NamedTuple):
    """The stored analysis that a likelihood was made of: its experiment's key and fingerprint."""

    key: str
    fingerprint: str


def write_likelihoods(path: Path, estimates: Iterable[tuple[Source, Estimate]]) -> None:
    """Put members' likelihoods in place, whole.

    Parameters
    ----------
    path
        The file.
    estimates
        In the outcome's own unit.
    """
    import numpy as np

    found = list(estimates)
    rows = [
        {
            **source._asdict(),
            "name": estimate.name,
            "unit": estimate.unit,
            "baseline_sd": estimate.baseline_sd,
            "size": estimate.likelihood.parts.shape[1],
        }
        for source, estimate in found
    ]
    buffer = BytesIO()
    np.savez(
        buffer,
        version=np.array(VERSION),
        # As text: whoever searches the store for a person finds them here.
        rows=np.frombuffer(json.dumps(rows, ensure_ascii=False).encode(), np.uint8),
        parts=np.concatenate([estimate.likelihood.parts for _, estimate in found], axis=1),
    )
    write_bytes(path, buffer.getvalue())


def read_likelihoods(path: Path, store_root: Path) -> dict[Source, Estimate]:
    """Return members' likelihoods by what they were made of; none where nothing can be read.

    Parameters
    ----------
    path
        The file.
    store_root
        Of the store; a damaged file is set aside there.
    """
    return read_or_set_aside(path, _read, store_root) or {}


def _read(path: Path) -> dict[Source, Estimate]:
    import numpy as np

    from its_pipeline.its.pooling.estimates import Estimate
    from its_pipeline.its.pooling.likelihood import EffectLikelihood

    with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as file:
        if int(file["version"]) != VERSION:
            return {}
        rows = json.loads(file["rows"].tobytes())
        sizes = np.array([row["size"] for row in rows], dtype=int)
        each = EffectLikelihood.several(file["parts"], sizes)
    return {
        Source(row["key"], row["fingerprint"]): Estimate(
            row["name"], likelihood, row["unit"], row["baseline_sd"]
        )
        for row, likelihood in zip(rows, each, strict=True)
    }

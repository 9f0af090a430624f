"""Members' likelihoods beside a kind's record: the same to the last bit, and none where damaged."""

import numpy as np
import pytest

from its_pipeline.its.pooling.estimates import BASELINE_SD, Estimate
from its_pipeline.its.pooling.likelihood import EffectLikelihood
from its_pipeline.stores import pooled_likelihoods
from its_pipeline.stores.pooled_likelihoods import Source, read_likelihoods, write_likelihoods


@pytest.fixture
def kept(tmp_path):
    rng = np.random.default_rng(0)
    estimates = [
        (
            Source(f"user {n}|walk", f"print{n}"),
            Estimate(f"Zoë {n}", EffectLikelihood(rng.random((3, n + 1))), "points", sd),
        )
        for n, sd in enumerate([2.5, None, 0.125])
    ]
    path = tmp_path / "kind" / "mood.npz"
    write_likelihoods(path, estimates)
    return path, dict(estimates)


def test_likelihoods_come_back_to_the_last_bit(kept, tmp_path):
    path, estimates = kept
    found = read_likelihoods(path, tmp_path)
    assert list(found) == list(estimates)
    for source, estimate in found.items():
        own = estimates[source]
        assert (estimate.name, estimate.unit, estimate.baseline_sd) == (
            own.name,
            own.unit,
            own.baseline_sd,
        )
        assert (estimate.likelihood.parts == own.likelihood.parts).all()
    assert "Zoë 2".encode() in path.read_bytes()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 99])
def test_a_damaged_file_is_set_aside(kept, tmp_path, damage):
    path, _ = kept
    path.write_bytes(damage(path.read_bytes()))
    assert read_likelihoods(path, tmp_path) == {}
    assert not path.exists()


def test_a_file_of_another_version_is_passed_over(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(pooled_likelihoods, "VERSION", 2)
    assert read_likelihoods(kept[0], tmp_path) == {}
    assert kept[0].exists()


def test_an_estimate_without_a_baseline_that_varies_has_no_sds():
    own = Estimate.normal("ada", 3.0, 1.0, "points", 2.0)
    assert own.standardised().unit == BASELINE_SD
    assert own.standardised().likelihood.parts[1:, 0].tolist() == [1.5, 0.5]
    with pytest.raises(ValueError, match="pool in the outcome's unit"):
        Estimate.normal("ada", 3.0, 1.0).standardised()

"""Identifiers and experiment keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from its_pipeline.events.keys import (
    ID_PATTERN,
    ExperimentKey,
    experiment_key,
    is_valid_id,
    parse_experiment_key,
    validate_id,
)

LEGAL = st.from_regex(ID_PATTERN, fullmatch=True).filter(lambda text: ".." not in text)


@given(LEGAL, LEGAL)
def test_a_key_parses_back_to_its_parts(user: str, intervention: str) -> None:
    assert parse_experiment_key(experiment_key(user, intervention)) == ExperimentKey(
        user, intervention
    )


@given(st.text())
def test_what_is_legal_is_safe_in_a_path_and_a_key(text: str) -> None:
    if is_valid_id(text):
        assert text.isascii()
        assert not set(text) & set("/\\|\0\n \"'")
        assert not text.startswith(".")
        assert len(text) <= 64


@pytest.mark.parametrize(
    "value", ["", ".a", "-a", "a/b", "a|b", "a..b", "a\n", "a b", "é", "😀", "a" * 65, None, 7]
)
def test_an_illegal_id_names_kind_value_and_rule(value: object) -> None:
    with pytest.raises(ValueError, match=r"user_id .* is not a legal identifier: it must start"):
        validate_id("user_id", value)


@pytest.mark.parametrize("key", ["ada", "ada|tea|x", "|tea", "ada|", "ada|te a", ""])
def test_an_illegal_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError):
        parse_experiment_key(key)

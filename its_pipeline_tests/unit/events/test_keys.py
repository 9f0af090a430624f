"""Identifiers and experiment keys."""

from __future__ import annotations

import unicodedata
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from its_pipeline.events.keys import (
    ID_PATTERN,
    ExperimentKey,
    experiment_key,
    is_valid_id,
    key_of_experiment,
    key_of_id,
    parse_experiment_key,
    shown_experiment,
    shown_id,
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


@given(st.text(max_size=20))
@example("Anna Müller")
@example("+-w-")
@example("0+--a")
@example("a..b")
@example("me+20@example.org")
def test_any_name_has_a_legal_key_that_gives_it_back(name: str) -> None:
    plain = unicodedata.normalize("NFC", name.strip())
    try:
        key = key_of_id("user", name)
    except ValueError:
        assert not plain or not plain.isprintable() or len(plain) > 10
        return
    assert is_valid_id(key)
    assert shown_id(key) == plain
    if is_valid_id(name) and "+-" not in name:
        assert key == name


def test_different_names_have_different_keys() -> None:
    signs = "a0+-_ .ü"
    names = {"".join(parts).strip() for n in range(1, 5) for parts in product(signs, repeat=n)}
    keys = {key_of_id("user", name) for name in names if name}
    assert len(keys) == len(names - {""})


def test_a_name_that_is_too_long_or_cannot_be_seen_is_said_so() -> None:
    with pytest.raises(ValueError, match=r"is too long: .* it has 65 signs, more than 64"):
        key_of_id("user_id", "x" * 65)
    for name in ("", "  ", "a\x00b", "a\u202eb"):
        with pytest.raises(ValueError, match="cannot be seen"):
            key_of_id("user_id", name)


def test_an_experiment_is_named_as_people_know_the_person() -> None:
    key = key_of_experiment("Anna Müller|walk")
    assert parse_experiment_key(key).intervention_id == "walk"
    assert shown_experiment(key) == "Anna Müller|walk"
    assert key_of_experiment("nonsense") == "nonsense"

"""Recognising a person in texts and files, and nobody else."""

from __future__ import annotations

import gzip
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from its_pipeline.leaving.mentions import Mentions, is_named_in


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("42|tea is waiting", "forgotten is waiting"),
        ('{"keys": ["42|tea", "142|tea"]}', '{"keys": ["forgotten", "142|tea"]}'),
        ("user '42' has", "user 'forgotten' has"),
        ("/store/reports/42/tea/index.html", "/store/forgotten/tea/index.html"),
        ("ours_42_tea", "ours_forgotten"),
    ],
)
def test_a_person_goes_out_of_a_text(text, cleaned):
    mentions = Mentions("42", ["42|tea"])
    assert mentions.is_in(text)
    assert mentions.out_of(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "42 of 50 experiments",
        "142|tea",
        "4.42|tea",
        "2026-04-23 10:42:00",
        "http://127.0.0.1:5000/#/experiments/42/runs/0a",
        "reports/421/tea",
        '{"n_pre": 42, "status": "42"}',
        "ours_42_teapot"[:8],
    ],
)
def test_what_only_looks_like_a_short_name_is_left_alone(text):
    mentions = Mentions("42", ["42|tea"])
    assert not mentions.is_in(text)
    assert mentions.out_of(text) == text


def _packed(path, text):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".xlsx":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("sheet.xml", text)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"n": [1], "who": [text.split(",")[0]]}), path)
    elif path.suffix == ".utf16":
        path.write_text(text, encoding="utf-16")
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("kind", ["csv", "gz", "xlsx", "parquet", "utf16"])
def test_a_person_is_found_in_a_file_packed_or_not(tmp_path, kind):
    path = _packed(tmp_path / f"file.{kind}", "zoe.1,5")
    assert is_named_in(path, "zoe.1")
    assert not is_named_in(path, "zoe.2")


def test_a_longer_name_is_another_person(tmp_path):
    path = _packed(tmp_path / "file.csv", "zoe.1,anna-2\nthe end is zoe.")
    assert not is_named_in(path, "anna")
    assert is_named_in(path, "zoe"), "a full stop ends a sentence"


def test_a_name_across_two_chunks_is_found(tmp_path):
    path = tmp_path / "large.csv"
    path.write_bytes(b"," * ((1 << 20) - 3) + b"zoe.1,")
    assert is_named_in(path, "zoe.1")

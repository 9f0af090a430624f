"""Pages drawn on demand are found by what they show, bounded in size, and deleted with a person."""

from __future__ import annotations

import os

from its_pipeline.events.keys import MAXIMUM_ID
from its_pipeline.experiments.page_cache import PageCache
from its_pipeline.experiments.pages import MOST_EAGER, are_drawn
from its_pipeline.settings import Settings

SHOWN, LATER = "a" * 64, "b" * 64


def test_a_page_of_another_verdict_takes_the_place_of_the_older_one(tmp_path):
    cache = PageCache(tmp_path / "cache", 1000)
    cache.put("anna|tea", SHOWN, b"older")
    cache.put("anna|tea.b", SHOWN, b"another's")
    cache.put("anna|tea", LATER, b"newer")
    assert not cache.path("anna|tea", SHOWN).exists()
    assert cache.path("anna|tea", LATER).read_bytes() == b"newer"
    assert cache.path("anna|tea.b", SHOWN).read_bytes() == b"another's"


def test_what_was_opened_longest_ago_gives_way(tmp_path):
    cache = PageCache(tmp_path / "cache", 25)
    for at, name in enumerate(("first", "second")):
        cache.put(f"{name}|tea", SHOWN, bytes(10))
        os.utime(cache.path(f"{name}|tea", SHOWN), (at, at))
    # The first one is opened again.
    os.utime(cache.path("first|tea", SHOWN))
    cache.put("third|tea", SHOWN, bytes(10))
    there = [n for n in ("first", "second", "third") if cache.path(f"{n}|tea", SHOWN).exists()]
    assert there == ["first", "third"]


def test_a_page_larger_than_the_cache_is_there_until_the_next_one(tmp_path):
    cache = PageCache(tmp_path / "cache", 5)
    cache.put("anna|tea", SHOWN, bytes(10))
    assert cache.path("anna|tea", SHOWN).is_file()
    cache.put("ben|tea", SHOWN, bytes(10))
    assert not cache.path("anna|tea", SHOWN).exists()
    assert cache.path("ben|tea", SHOWN).is_file()


def test_a_person_is_deleted_with_every_page(tmp_path):
    cache = PageCache(tmp_path / "cache", 1000)
    cache.delete_of_person("anna")
    for key in ("anna|tea", "anna|walk", "ann|tea", "annab|tea"):
        cache.put(key, SHOWN, b"page")
    cache.delete_of_person("anna")
    assert not cache.path("anna|tea", SHOWN).exists()
    assert not cache.path("anna|walk", SHOWN).exists()
    assert len(list(cache.folder.iterdir())) == 2


def test_the_longest_names_have_a_file(tmp_path):
    cache = PageCache(tmp_path / "cache", 1000)
    key = f"{'a' * MAXIMUM_ID}|{'b' * MAXIMUM_ID}"
    cache.put(key, SHOWN, b"page")
    assert cache.path(key, SHOWN).read_bytes() == b"page"


def test_bulk_runs_draw_up_to_a_thousand_unless_told_otherwise(tmp_path):
    def settings(**chosen) -> Settings:
        return Settings(store_root=tmp_path, **chosen)

    assert are_drawn(settings(), MOST_EAGER)
    assert not are_drawn(settings(), MOST_EAGER + 1)
    assert are_drawn(settings(pages="eager"), MOST_EAGER + 1)
    assert not are_drawn(settings(pages="on_demand"), 1)

"""The pages in a real browser: nothing sticks out, nothing is fetched, everybody can read them."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from its_pipeline.its import AnalysisWarning
from its_pipeline.its.plots import thumbnail_png
from its_pipeline.report.cent import checklist
from its_pipeline.report.index import render_index
from its_pipeline.report.kind_page import render_kind
from its_pipeline.report.kinds import Interval, KindRow
from its_pipeline.report.page import figure_pngs, render_report, render_state_page
from its_pipeline.report.people_like_you import section_html, with_section
from its_pipeline_tests.integration.browser.conftest import DESKTOP, PHONE, Opened
from its_pipeline_tests.unit.report.factories import (
    make_analysis,
    make_intervention,
    make_metric,
    make_report,
    make_state,
    make_window,
)
from its_pipeline_tests.unit.report.kind_factories import make_kind, make_member, make_series
from its_pipeline_tests.unit.report.test_index import make_row

pytestmark = pytest.mark.browser

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202eשלום " + "x" * 250
WARNING = AnalysisWarning("estimators_disagree", "A forecast says 1.1 points.", {})


@functools.lru_cache(maxsize=1)
def _pngs() -> dict[str, bytes]:
    return figure_pngs(make_report())


def _hostile_report() -> str:
    return render_report(
        make_report(
            intervention=make_intervention(name=HOSTILE, hypothesis=HOSTILE),
            metric=make_metric(label=HOSTILE, unit=HOSTILE),
        ),
        _pngs(),
    )


def _index() -> str:
    rows = [make_row(n, float(n % 13) - 6) for n in range(40)]
    rows += [make_row(n, None, state=s) for n, s in enumerate(("waiting", "refused", "crashed"))]
    rows += [make_row(99, 9.0, name=HOSTILE, unit=HOSTILE, outcome=HOSTILE)]
    filled = {"a": checklist(make_report()), "b": checklist(make_state())}
    return render_index(rows, filled, kinds=KIND_ROWS)


def _kind(name: str = "Study in the morning", n_people: int = 30) -> str:
    """A kind of many, with pictures and days; some of them lie apart, or have no page."""
    members = [
        make_member(
            n,
            float(n % 9) - 3,
            2.0 + n % 4,
            picture=_thumbnail(),
            series=make_series(make_member(n).started_on, seed=n),
            weight=0.3 if n == 4 else 1.0,
            href=None if n == 5 else f"../../user{n:03d}/morning/index.html",
        )
        for n in range(n_people)
    ]
    kind = make_kind(
        name=name,
        outcome=name,
        unit=name if name == HOSTILE else "points",
        members=tuple(members),
        is_staggered=True,
        without_estimate={"stopped early": 3},
        imputed=Interval(2.2, 1.0, 0.2, 4.2),
        heavy_tailed=Interval(2.8, 1.0, 0.8, 4.8),
    )
    return render_kind(kind, "../../index.html")


@functools.lru_cache(maxsize=1)
def _thumbnail() -> bytes:
    return thumbnail_png(make_analysis(9.0))


def _member() -> str:
    kind = make_kind()
    return with_section(html_of("harmed"), section_html(kind, kind.members[0]))


KIND_ROWS = [
    KindRow(
        ("morning", "score"),
        "Study in the morning",
        "Session performance",
        "points",
        "increase",
        8,
        Interval(3.0, 1.0, 1.0, 5.0),
        0.995,
        "kinds=/morning/score.html",
    ),
    KindRow(("tea", "score"), HOSTILE, HOSTILE, "", "increase", 3),
]

PAGES: dict[str, Callable[[], str]] = {
    "helped": lambda: render_report(make_report(make_analysis(9.0, 0.1, minimum_effect=2.0))),
    "harmed": lambda: render_report(
        make_report(make_analysis(-9.0, seed=3, has_slope=False)), _pngs()
    ),
    "nothing": lambda: render_report(
        make_report(make_analysis(0.0, seed=5, warnings=(WARNING,)), window=make_window()), _pngs()
    ),
    "waiting": lambda: render_state_page(make_state("waiting")),
    "not_converged": lambda: render_state_page(make_state("not_converged")),
    "hostile": _hostile_report,
    "index": _index,
    "kind": _kind,
    "kind_of_hostile": lambda: _kind(HOSTILE, 6),
    "member": _member,
}


@functools.lru_cache(maxsize=len(PAGES))
def html_of(name: str) -> str:
    return PAGES[name]()


def violations(opened: Opened) -> list[dict[str, Any]]:
    """Serious and critical findings of axe-core, which the debugger runs past the policy."""
    source = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    opened.page.evaluate(source)
    found = opened.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        {"id": v["id"], "nodes": [n["html"][:200] for n in v["nodes"][:3]]}
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_fetches_nothing_and_is_accessible(open_page, name: str, size: dict[str, int]):
    opened = open_page(html_of(name), size)
    assert opened.overflow() <= 0
    assert opened.sideways() == []
    if size == DESKTOP or name in ("helped", "index", "kind"):
        assert violations(opened) == []
    outside = [url for url in opened.requests if not url.startswith("data:")]
    assert outside == [opened.page.url]
    assert opened.messages == []


def test_the_checks_find_planted_faults(open_page):
    broken = html_of("not_converged").replace(' alt="', ' data-alt="')
    broken = broken.replace("</main>", '<hr width="3000"></main>')
    opened = open_page(broken)
    assert opened.overflow() > 1000
    assert any("3000" in element for element in opened.sideways())
    assert "image-alt" in [violation["id"] for violation in violations(opened)]


@pytest.mark.parametrize("name", ["helped", "index", "kind"])
def test_page_prints_within_the_paper(open_page, name: str):
    opened = open_page(html_of(name))
    width = 1123 if name == "index" else 794  # A4 at 96 dots per inch, upright and across
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size({"width": width - 106, "height": 1000})
    assert opened.overflow() <= 0
    assert len(opened.page.pdf(prefer_css_page_size=True)) > 20_000
    assert opened.messages == []


def test_hostile_text_is_shown_as_text(open_page):
    opened = open_page(html_of("hostile"))
    assert opened.page.locator("h1").inner_text() == HOSTILE
    assert opened.page.evaluate("document.scripts.length") == 0
    assert opened.messages == []


def test_policy_stops_a_script_that_gets_in(open_page):
    injected = html_of("waiting").replace("</main>", "<script>window.owned = 1</script></main>")
    opened = open_page(injected)
    assert opened.page.evaluate("window.owned") is None
    assert any("Content Security Policy" in message for message in opened.messages)


def people(opened: Opened) -> list[str]:
    script = "Array.from(document.querySelectorAll('#t tbody tr:not([hidden]) .who'))"
    return opened.page.evaluate(f"{script}.map((e) => e.textContent)")


def test_index_sorts_by_effect_with_empty_rows_last_both_ways(open_page):
    rows = [make_row(n, mean) for n, mean in enumerate((3.0, None, 9.0, -7.0))]
    rows += [make_row(7, 50.0, outcome="resting heart rate")]
    opened = open_page(render_index(rows))
    button = opened.page.get_by_role("button", name="Average effect")
    button.click()
    assert people(opened) == ["user0007", "user0003", "user0000", "user0002", "user0001"]
    assert opened.page.locator("th[aria-sort=ascending]").count() == 1
    button.click()
    assert people(opened) == ["user0007", "user0002", "user0000", "user0003", "user0001"]
    assert opened.page.locator("th[aria-sort=descending]").count() == 1
    opened.page.get_by_role("button", name="Person").click()
    assert people(opened) == sorted(people(opened))


def test_index_filters_by_words_state_and_verdict(open_page):
    rows = [make_row(n, mean) for n, mean in enumerate((0.0, None, 9.0, 9.5))]
    opened = open_page(render_index(rows))
    page = opened.page
    assert page.locator("#shown").inner_text() == "4 of 4 shown"
    page.fill("#q", "USER0002 study")
    assert people(opened) == ["user0002"]
    page.fill("#q", "")
    page.select_option("#verdict", "Very likely helped")
    assert people(opened) == ["user0002", "user0003"]
    assert page.locator("#shown").inner_text() == "2 of 4 shown"
    page.select_option("#verdict", "")
    page.select_option("#state", "waiting")
    assert people(opened) == ["user0001"]


def test_people_of_a_kind_sort_by_number_and_are_found_by_name(open_page):
    opened = open_page(html_of("kind"))
    page = opened.page
    rows = "Array.from(document.querySelectorAll('#t tbody tr:not([hidden]) th bdi'))"
    names = f"{rows}.map((e) => e.textContent)"
    assert page.locator("#shown").inner_text() == "30 of 30 shown"
    page.get_by_role("button", name="Given the others").click()
    keys = page.evaluate(
        "Array.from(document.querySelectorAll('#t .eff')).map((e) => Number(e.dataset.k))"
    )
    assert keys == sorted(keys)
    assert keys[0] < keys[-1]
    page.get_by_role("button", name="Began").click()
    assert page.evaluate(names) == [f"user{n:03d}" for n in range(30)]
    page.fill("#q", "USER004")
    assert page.evaluate(names) == ["user004"]
    assert page.locator("#t tbody tr:not([hidden]) small").first.inner_text() == "lies apart"
    assert opened.messages == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_index_of_a_thousand_sorts_at_once(open_page, size: dict[str, int]):
    opened = open_page(render_index(make_row(n, float(n % 17) - 8) for n in range(1000)), size)
    milliseconds = opened.page.evaluate(
        """() => {
            const buttons = Array.from(document.querySelectorAll("#t thead button"));
            const started = performance.now();
            for (const button of buttons) { button.click(); document.body.offsetHeight; }
            return (performance.now() - started) / buttons.length;
        }"""
    )
    assert milliseconds < 1000, "a sort, layout included, on a core shared with other work"
    assert len(people(opened)) == 1000


def test_index_lays_out_only_rows_in_sight_until_it_is_printed(open_page):
    opened = open_page(render_index(make_row(n, float(n % 17) - 8) for n in range(1000)))
    count_laid_out = """Array.from(document.querySelectorAll("#t tbody th")).filter(
        (cell) => cell.checkVisibility({contentVisibilityAuto: true})).length"""
    assert 0 < opened.page.evaluate(count_laid_out) < 100
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate(count_laid_out) == 1000


def test_index_stays_a_table_for_those_who_hear_it(open_page):
    opened = open_page(render_index(make_row(n, 3.0) for n in range(9)))
    session = opened.page.context.new_cdp_session(opened.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = Counter(node["role"]["value"] for node in nodes if not node["ignored"])
    wanted = {"table": 1, "row": 10, "columnheader": 9, "rowheader": 9, "cell": 9 * 8}
    assert {role: roles[role] for role in wanted} == wanted


def test_headings_of_the_index_do_not_cover_each_other_on_a_phone(open_page):
    opened = open_page(html_of("index"), PHONE)
    overlapping = opened.page.evaluate(
        """() => {
            const boxes = Array.from(document.querySelectorAll("#t thead button"),
                (button) => button.getBoundingClientRect());
            return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
                a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
        }"""
    )
    assert overlapping == []


@pytest.mark.parametrize("width", [1280, 1024, 390])
def test_words_of_the_index_are_not_broken_in_two(open_page, width: int):
    page = render_index([make_row(n, 3.0, outcome="Session performance") for n in range(3)])
    opened = open_page(page, {"width": width, "height": 800})
    broken = opened.page.evaluate(
        """() => {
            const found = [];
            const walk = document.createTreeWalker(
                document.querySelector("#t"), NodeFilter.SHOW_TEXT);
            while (walk.nextNode()) {
                for (const word of walk.currentNode.data.matchAll(/[A-Za-z]+/g)) {
                    const range = document.createRange();
                    range.setStart(walk.currentNode, word.index);
                    range.setEnd(walk.currentNode, word.index + word[0].length);
                    if (range.getClientRects().length > 1) found.push(word[0]);
                }
            }
            return found;
        }"""
    )
    assert broken == []


def test_keyboard_reaches_the_content_and_every_figure(open_page):
    opened = open_page(html_of("helped"))
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    boxes = opened.page.evaluate(
        "Array.from(document.querySelectorAll('.scroll')).map((e) => [e.tabIndex, e.ariaLabel])"
    )
    assert all(tab == 0 and label for tab, label in boxes), json.dumps(boxes)

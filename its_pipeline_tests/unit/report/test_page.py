"""What the pages say, what they never say, and that hostile text stays text."""

from __future__ import annotations

import html
import inspect
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from its_pipeline.experiments import comparisons
from its_pipeline.its import (
    AnalysisWarning,
    warnings,
    warnings_of_comparisons,
    warnings_of_counts,
    warnings_of_schedules,
)
from its_pipeline.its.warning_codes import WARNING_CODES
from its_pipeline.report.cent import checklist
from its_pipeline.report.html import (
    isolate,
    load_templates,
    one_line,
    own_direction,
    safe_href,
)
from its_pipeline.report.inputs import DataFacts, Provenance, ReportInput, StateInput
from its_pipeline.report.page import figure_pngs, render_report, render_state_page, report_answer
from its_pipeline.report.views import data_rows, warning_texts
from its_pipeline_tests.unit.report.factories import (
    make_analysis,
    make_intervention,
    make_metric,
    make_report,
    make_state,
    make_window,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert('1')>",
    "{{ 7 * 7 }} {% raw %}",
    "\u202eevil‏ שלום",
    "x" * 300,
    "]]> <!-- -- &amp; &lt;",
]


class Skeleton(HTMLParser):
    """Collects tags, addresses and the visible text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self._hidden = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden = tag in ("style", "script")
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("src", "href", "srcset"):
                self.addresses.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def report() -> ReportInput:
    warnings = (
        AnalysisWarning("short_phase", "Only 12 days since the change.", {}),
        AnalysisWarning("no_relative_effect", "No percent of nearly nothing.", {}),
    )
    return make_report(make_analysis(9.0, 0.1, minimum_effect=2.0, warnings=warnings))


@pytest.fixture(scope="module")
def pngs(report) -> dict[str, bytes]:
    return figure_pngs(report)


@pytest.fixture(scope="module")
def page(report, pngs) -> str:
    return render_report(report, pngs)


def test_report_has_its_parts_in_order(page, report):
    words = Skeleton(page).words
    answer = report_answer(report)
    parts = [
        answer.headline,
        "Session performance has been on average",
        "Read this before you rely on it",
        "What the data show",
        "Effects in numbers",
        "What has to be true",
        "Data used",
        "Does the model describe the data",
        "Can the computation be trusted",
        "Where this comes from",
        "Reproduce it",
        "Reporting checklist",
        "What Works Clearinghouse",
    ]
    places = [words.index(part) for part in parts]
    assert places == sorted(places)


def test_report_shows_the_four_figures_as_data(page, pngs):
    images = [address for address in Skeleton(page).addresses if address.startswith("data:image")]
    assert len(images) == len(pngs) == 4


def test_report_shows_effects_warnings_data_and_provenance(page, report):
    words = Skeleton(page).words
    effects = report.analysis.effects
    assert effects is not None
    for expected in (
        f"{effects.counterfactual.mean:.1f}",
        "Few days. Only 12 days since the change.",
        "No effect in percent. No percent of nearly nothing.",
        "1,412",
        "9 (score_in_range 6, unique_event_id 3)",
        "the horizon is 45 days",
        "3f9a1c77d2e84b06a5519e0c4d7b8a21",
        "2026-06-16 to 2026-09-28",
        "its-pipeline fit 'ada|morning'",
        "1.0010",
        "< 1.01",
        "Nothing else that moves the outcome began on 15 August 2026.",
        "A single change is not such a trial",
        "were not compared with the published statement",
    ):
        assert expected in words, expected


def test_a_heavier_tail_is_advised_with_the_way_to_it_unless_it_is_there_already(pngs):
    warning = AnalysisWarning("outlier_days", "2 days lie far from the rest.", {})
    for likelihood, advised in (("normal", True), ("student_t", False)):
        analysis = make_analysis(warnings=(warning,), likelihood=likelihood)
        words = Skeleton(render_report(make_report(analysis), pngs)).words
        assert ("“likelihood: student_t” where the outcome is declared" in words) is advised


def test_page_needs_nothing_but_itself(page):
    skeleton = Skeleton(page)
    assert "script" not in skeleton.tags
    assert "style" not in skeleton.attributes, "the policy forbids style attributes"
    assert not any(name.startswith("on") for name in skeleton.attributes)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])  # type: ignore[index]
    assert "default-src 'none'" in policy
    assert "script-src 'none'" in policy
    assert "unsafe-inline" not in policy
    for address in skeleton.addresses:
        assert address.startswith(("data:", "#", "http://127.0.0.1", "../../index.html"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str, pngs):
    report = make_report(
        intervention=make_intervention(
            name=text, hypothesis=text, protocol={"setting": text, text: text}
        ),
        metric=make_metric(label=text, unit=text),
        provenance=Provenance(fingerprint=text, command=text, mlflow_run_id=text),
        data=DataFacts(1, 1, {text: 1}),
    )
    page = render_report(report, pngs)
    skeleton = Skeleton(page)
    assert "script" not in skeleton.tags
    assert skeleton.tags.count("img") == 4
    assert not any(name.startswith("on") for name in skeleton.attributes)
    assert " ".join(text.split()) in skeleton.words
    assert "49 " not in skeleton.words.split("Began")[0]
    state = Skeleton(render_state_page(make_state("refused", reason=text)))
    assert "script" not in state.tags
    assert " ".join(text.split())[1:] in state.words


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil.example"])
def test_hostile_addresses_are_not_linked(address: str, pngs):
    provenance = Provenance(mlflow_run_id="run", mlflow_url=address, dagster_url=address)
    report = make_report(provenance=provenance, index_href=address)
    assert address not in Skeleton(render_report(report, pngs)).addresses


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.org/a", True),
        ("../../index.html", True),
        ("user/iv/index.html", True),
        ("java\nscript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("vbscript:x", False),
        ("javascript://host/%0aalert(1)", False),
        ("http:", False),
        ("/etc/passwd", False),
        ("\\\\host\\x", False),
        ("http://[", False),
        ("", False),
        (None, False),
    ],
)
def test_only_plain_addresses_are_safe(address: str | None, kept: bool):
    assert (safe_href(address) == address and address is not None) == kept


def test_names_are_isolated_and_titles_are_one_plain_line():
    assert isolate("<b> & שלום: 5 %", "שלום") == "&lt;b&gt; &amp; <bdi>שלום</bdi>: 5\u00a0%"
    assert one_line("a\u202eb\nc\x00d") == "a b c d"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("points", "points"),
        ("Grüße, 5 %", "Grüße, 5 %"),
        ("שלום", "\u2068שלום\u2069"),
        ("\u202eevil", "\u2068\u202eevil\u2069"),
        ("\u2069\u202eevil\u2066", "\u2068\u202eevil\u2069"),
    ],
)
def test_text_from_outside_keeps_its_direction_to_itself(text: str, kept: str):
    assert own_direction(text) == kept


def test_no_number_stands_in_an_override_that_a_label_opened():
    evil = "\u202eevil"
    report = make_report(
        make_analysis(9.0, unit=evil, minimum_effect=2.0),
        intervention=make_intervention(name=evil, hypothesis=evil, minimum_effect=2.0),
        metric=make_metric(label=evil, unit=evil),
    )
    told = [report_answer(report).text, *(answer.text for answer in checklist(report))]
    told += [row.value for row in data_rows(report)]
    turned = [text for text in told if evil in text and text != evil]
    assert len(turned) >= 8
    for text in turned:
        rest = re.sub("\u2068\u202ee?E?vil( per week| × days)?\u2069", "", text)
        assert "\u202e" not in rest, text


def test_report_without_convergence_cannot_be_asked_for():
    with pytest.raises(ValueError, match="needs a converged analysis"):
        make_report(make_analysis(converged=False))


def test_state_page_refuses_effects_and_the_wrong_state():
    with pytest.raises(ValueError, match="must not carry effects"):
        make_state("not_converged", analysis=make_analysis())
    with pytest.raises(ValueError, match="state must be one of waiting"):
        StateInput(make_intervention(), make_metric(), "analysed", "")


@pytest.mark.parametrize(
    ("state", "headline", "said"),
    [
        ("waiting", "Too early to tell", "from 23 August 2026 on"),
        ("not_converged", "Not converged", "Only diagnostics are shown"),
        ("refused", "Refused", "cannot be analysed as they are"),
        ("closed", "Closed", "no coming day makes this possible"),
        ("crashed", "Crashed", "a fault of the system"),
    ],
)
def test_each_state_says_what_why_and_what_to_do(state, headline: str, said: str):
    page = make_state(state, reason="the outcome does not vary; it is 55")
    words = Skeleton(render_state_page(page)).words
    assert headline in words
    assert said in words
    assert "The outcome does not vary; it is 55." in words
    assert "What to do" in words


def test_waiting_shows_the_days_beside_what_is_needed():
    words = Skeleton(render_state_page(make_state("waiting"))).words
    assert "60 of at least 8 days" in words
    assert "3 of at least 8 days" in words
    over = make_state("closed", n_pre=60, n_post=3)
    words = Skeleton(render_state_page(over)).words
    assert "3 of at least 8 days" in words
    assert "Too early to tell" not in words


def test_a_withdrawn_one_says_so_and_counts_no_days():
    withdrawn = replace(make_intervention(), status="withdrawn", version=2)
    page = make_state("closed", intervention=withdrawn, n_pre=60, n_post=3)
    words = Skeleton(render_state_page(page)).words
    assert "was withdrawn" in words
    assert "of at least 8 days" not in words


def test_not_converged_shows_diagnostics_and_no_effect():
    skeleton = Skeleton(render_state_page(make_state("not_converged")))
    assert "1.3100" in skeleton.words
    assert "failed" in skeleton.words
    images = [address for address in skeleton.addresses if address.startswith("data:image")]
    assert len(images) == 1
    for unpublishable in ("Effects in numbers", "Probability that it helped", "helped is"):
        assert unpublishable not in skeleton.words


def test_values_that_no_scale_holds_still_get_their_page():
    analysis = make_analysis(converged=False)
    daily = analysis.daily.copy()
    daily.loc[daily.index[40], "observed"] = 1e300
    page = render_state_page(make_state("not_converged", analysis=replace(analysis, daily=daily)))
    assert "to 1e+300 points" in html.unescape(page).replace("\u2068", "").replace("\u2069", "")


def test_reasons_keep_the_names_they_begin_with():
    page = render_state_page(make_state("refused", reason="sessionScore is unknown."))
    assert "sessionScore is unknown." in Skeleton(page).words
    assert "sessionScore is unknown.." not in Skeleton(page).words


def test_every_warning_is_named_explained_and_weighed():
    modules = (
        warnings,
        warnings_of_schedules,
        warnings_of_comparisons,
        warnings_of_counts,
        comparisons,
    )
    source = "".join(map(inspect.getsource, modules))
    assert set(re.findall(r'_warning\(\s*"(\w+)"', source)) <= set(WARNING_CODES)
    assert [code for code in WARNING_CODES if not re.search(rf"\b{code}\b", source, re.I)] == []
    for code, kind in WARNING_CODES.items():
        (told,) = warning_texts([AnalysisWarning(code, "It was so.", {})])
        assert told.title != code.replace("_", " ").capitalize()
        assert len(told.meaning.split()) >= 6
        assert told.remark == (kind.reason == "") == (kind.severity == "remark")
    (unknown,) = warning_texts([AnalysisWarning("brand_new", "It was so.", {})])
    assert (unknown.title, unknown.text, unknown.meaning) == ("Brand new", "It was so.", "")


def test_days_are_counted_of_the_whole_window_with_each_phase_summed_up():
    analysis = make_analysis(9.0, missing=0.0, n_pre=40)
    values = analysis.daily.loc[analysis.daily["phase"] == "pre", "observed"]
    rows = {row.name: row.value for row in data_rows(make_report(analysis, window=make_window(60)))}
    assert rows["Days before"] == (
        f"40 observed (mean {values.mean():.1f} points, standard deviation "
        f"{values.std(ddof=1):.1f}), 20 without data; the first is 6 July 2026"
    )
    assert rows["Days since"].endswith(", 0 without data")
    short = make_report(analysis, window=make_window(60, n_post=3))
    told = next(row.value for row in data_rows(short) if row.name == "Days since")
    assert told.endswith(", 0 without data"), "never fewer than none"


def test_command_says_what_it_repeats(page):
    words = Skeleton(page).words
    assert "The same fingerprint stands for the same data, model, settings and seed" in words


def test_captions_name_no_colour(page):
    captions = " ".join(re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)).lower()
    assert "darker" in captions
    assert re.search(r"green|blue|orange|red\b", captions) is None


def test_unknown_facts_are_said_to_be_unknown(pngs):
    bare = make_report(provenance=Provenance(), data=DataFacts(), window=None, metric=None)
    words = Skeleton(render_report(bare, pngs)).words
    assert "not recorded" in words
    assert "(not registered)" in words
    assert "Rejected events" not in words


def test_open_post_period_makes_an_unclear_answer_too_early(pngs):
    flat = make_analysis(0.0, seed=5)
    closed, growing = make_report(flat), make_report(flat, window=make_window(final_in=30))
    assert report_answer(closed).headline == "No clear effect"
    assert report_answer(growing).headline == "Too early to tell"
    assert "until 28 October 2026" in Skeleton(render_report(growing, pngs)).words


def test_a_page_compiles_no_template_once_they_are_loaded(monkeypatch):
    assert load_templates() > 3
    monkeypatch.setattr("jinja2.Environment.compile", None)
    report = make_report()
    assert "<!doctype html>" in render_report(report, figure_pngs(report)).lower()
    assert "<!doctype html>" in render_state_page(make_state()).lower()

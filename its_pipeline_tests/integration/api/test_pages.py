"""The pages: from a dropped file to an answer that nights follow, and all that is refused."""

from __future__ import annotations

import io
import os
import re
import signal
import threading
import zipfile
from contextlib import nullcontext
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from its_pipeline.api.http.page_requests import COOKIE
from its_pipeline.api.pages import people
from its_pipeline.events.interventions import open_log
from its_pipeline_tests.integration.api.browsing import Browser, message
from its_pipeline_tests.support import PROJECT_ROOT
from tools.live_api import running
from tools.stores import log_intervention, short_settings

MOOD = (PROJECT_ROOT / "docs/examples/mood.csv").read_bytes()
ASKED = {"way": "first", "first_on": "2026-05-01", "direction": "increase"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return short_settings(tmp_path_factory.mktemp("pages"), today_on=date(2026, 6, 20))


@pytest.fixture(scope="module")
def server(settings):
    with running(settings, uploads_of_one=3, uploads=10) as live:
        yield live


@pytest.fixture
def anna(server):
    return Browser(server, "anna")


@pytest.fixture(scope="module")
def saved(server):
    """Anna's mood, asked and logged."""
    anna = Browser(server, "anna")
    dropped = anna.drop(MOOD)
    asked = anna.post(f"{dropped.url.path}/asked", ASKED)
    logged = anna.post(f"{dropped.url.path}/saved", {"name": "Walk", "user_id": "anna"})
    return dropped, asked, logged


def test_from_an_empty_store_to_an_answer_that_nights_follow(server, settings, saved):
    dropped, asked, logged = saved
    assert "Of 91 rows none will be rejected" in dropped.text
    assert "row 2: 2026-03-05, mood 52" in dropped.text
    assert "Very likely helped" in asked.text
    assert "95\N{NO-BREAK SPACE}% interval" in asked.text
    assert "data:image/png;base64," in asked.text
    assert logged.url.path == "/people/anna/experiments/walk"
    assert "Very likely helped" in logged.text
    log = open_log(settings)
    entry = log.get("anna", "walk")
    log.close()
    assert (entry.outcome_metric, entry.started_on) == ("mood", date(2026, 5, 1))
    anna = Browser(server, "anna")
    assert "Walk" in anna.get("/").text
    report = anna.get(f"{logged.url.path}/page")
    assert report.status_code == 200
    assert "N-of-1 report" in report.text
    assert "Walk" in anna.get("/people/anna/index.html").text
    # What was saved is not held any more.
    message(anna.get(dropped.url.path), 404)


def test_the_night_finds_nothing_left_to_do(settings, saved):
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import is_stale
    from its_pipeline.ingest.steps import changed_days, unvalidated_days

    assert changed_days(settings) == unvalidated_days(settings) == []
    assert not is_stale(Snapshot(settings), "anna|walk")


def test_the_same_saved_again_changes_nothing_and_anothers_file_is_no_newer_version(
    server, settings, saved
):
    for who in ("anna", "ben"):
        browser = Browser(server, who)
        dropped = browser.drop(MOOD)
        browser.post(f"{dropped.url.path}/asked", ASKED)
        again = browser.post(f"{dropped.url.path}/saved", {"name": "Walk"})
        assert again.status_code == 200
    imports = sorted(folder.name for folder in (settings.store_root / "imports").glob("[!.]*"))
    assert imports == ["mood_csv-mood-of-anna", "mood_csv-mood-of-ben"]
    versions = [list(folder.glob("0*")) for folder in (settings.store_root / "imports").glob("m*")]
    assert [len(found) for found in versions] == [1, 1]


def test_periods_and_a_column_of_days_say_it_as_well(anna):
    lines = MOOD.decode().splitlines()
    on = ["on"] + [str(int("2026-04-01" <= line[:10] < "2026-04-20")) for line in lines[1:]]
    table = "\n".join(f"{line},{flag}" for line, flag in zip(lines, on, strict=True)).encode()
    path = anna.drop(table).url.path
    form = {"direction": "increase", "carryover_days": "1"}
    by_column = anna.post(f"{path}/asked", {**form, "way": "column", "on_column": "on"})
    periods = anna.post(
        f"{path}/asked", {**form, "way": "periods", "periods": "2026-04-01..2026-04-19"}
    )
    told = [re.findall(r'class="lead">(.*?)</p>', each.text) for each in (by_column, periods)]
    assert told[0]
    assert told[0] == told[1]


def test_questions_are_forms(anna):
    undecided = "date,score\n" + "\n".join(
        f"0{1 + day // 12}/0{1 + day % 9}/2026,{50 + day}" for day in range(24)
    )
    dropped = anna.drop(undecided.encode(), "scores.csv")
    assert 'name="date_order" value="dmy"' in dropped.text
    answered = anna.post(f"{dropped.url.path}/said", {"date_order": "mdy"})
    assert 'name="first_on"' in answered.text
    refused = anna.post(f"{dropped.url.path}/said", {"time_zone": "Atlantis"})
    assert "Atlantis" in message(refused, 422)


def bomb():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", b"0" * 400_000_000)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("large.csv", lambda: b"day,mood\n" + b"0" * 50_000_000, 413, "20"),
        ("bomb.xlsx", bomb, 422, "bomb.xlsx"),
        ("page.csv", lambda: b"<!doctype html><html><body>Sign in</body></html>", 422, "page.csv"),
        ("empty.csv", lambda: b"", 422, "empty"),
        (
            "hers.csv",
            lambda: (
                b"user,day,mood\n" + b"".join(b"ben,2026-03-%02d,5\n" % d for d in range(1, 29))
            ),
            403,
            "another person's name",
        ),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_words(
    anna, server, name, content, status, words
):
    told = message(anna.drop(content(), name), status)
    assert words in told
    assert "Traceback" not in told
    assert "/tmp" not in told
    assert server.services.pool.state().ready == 1


def test_of_several_people_ones_own_rows_alone_are_taken(server, settings):
    days = [date(2026, 4, 1) + timedelta(days=n) for n in range(40)]
    rows = [f"{who},{day},{60 + n % 5 + 9 * (n > 19)},{int(n > 19)}"
            for who in ("anna", "ben", "Zoë K.") for n, day in enumerate(days)]  # fmt: skip
    table = "\n".join(["person,day,sleep,plugs", *rows]).encode()
    anna = Browser(server, "anna").drop(table, "shared.csv")
    assert "anna (40 rows)" in anna.text
    assert "ben (40 rows)" not in anna.text
    browser = Browser(server, "service")
    dropped = browser.drop(table, "shared.csv")
    chosen = re.findall(r'<option value="(\S+)">Zoë K\. \(40 rows\)', dropped.text)[0]
    browser.post(f"{dropped.url.path}/said", {"person": chosen, "outcome": "sleep"})
    by_column = {"way": "column", "on_column": "plugs", "direction": "increase"}
    told = browser.post(f"{dropped.url.path}/asked", by_column)
    assert told.status_code == 200, told.text[-800:]
    browser.post(f"{dropped.url.path}/asked", {**ASKED, "first_on": "2026-04-21"})
    logged = browser.post(f"{dropped.url.path}/saved", {"name": "Earplugs"})
    assert logged.url.path == f"/people/{chosen}/experiments/earplugs"
    [kept] = (settings.store_root / "imports").glob("shared*")
    import pyarrow.parquet as pq

    [file] = kept.glob("0*/events.parquet")
    assert set(pq.read_table(file)["user_id"].to_pylist()) == {chosen}


def test_days_are_drawn_by_lot_downloaded_and_said_to_be_otherwise(anna, settings, saved):
    form = {"name": "Coffee", "outcome": "mood", "first_on": "2026-06-19", "n_days": "32"}
    form |= {"lot": "block", "block_days": "8", "unit_days": "1", "direction": "increase"}
    assert "later than today" in message(anna.post("/people/anna/drawn", form), 422)
    drawn = anna.post("/people/anna/drawn", {**form, "first_on": "2026-06-22"})
    assert drawn.url.path == "/people/anna/experiments/coffee"
    assert "drawn by lot" in drawn.text
    calendar = anna.get(f"{drawn.url.path}/schedule.ics")
    assert calendar.headers["content-disposition"] == 'attachment; filename="anna-coffee.ics"'
    assert calendar.text.startswith("BEGIN:VCALENDAR")
    table = anna.get(f"{drawn.url.path}/schedule.csv").text.splitlines()
    assert (table[0], len(table)) == ("day,on", 33)
    assert "N-of-1 report" in anna.get(f"{drawn.url.path}/page").text
    late = anna.post(f"{drawn.url.path}/otherwise", {"day": "2026-06-30", "version": "1"})
    assert "is not here yet" in message(late, 422)


def test_a_day_otherwise_is_logged_once_for_each_version(anna, settings, saved):
    log_intervention(
        settings,
        "anna",
        intervention_id="tea",
        outcome_metric="mood",
        started_on=None,
        schedule={"on_periods": [["2026-05-01", "2026-05-20"]]},
    )
    path = "/people/anna/experiments/tea"
    said = anna.post(f"{path}/otherwise", {"day": "2026-05-03", "version": "1", "reason": "ill"})
    assert "Said so far: 2026-05-03" in said.text
    stale = anna.post(f"{path}/otherwise", {"day": "2026-05-04", "version": "1"})
    assert "version 2" in message(stale, 409)
    undone = anna.post(f"{path}/otherwise", {"day": "2026-05-03", "version": "2", "undo": "yes"})
    assert "Said so far" not in undone.text


def test_one_signs_in_with_a_token_and_out_again(server):
    stranger = Browser(server)
    page = stranger.get("/")
    assert page.status_code == 401
    assert 'name="token"' in page.text
    assert "is not valid" in message(stranger.post("/sign-in", {"token": "its_wrong"}), 401)
    home = stranger.post("/sign-in", {"token": server.tokens["anna"]})
    assert "Signed in as <bdi>anna</bdi>" in home.text
    [cookie] = stranger.client.cookies.jar
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Strict"
    assert cookie.expires is None
    # The API takes the header alone, and a page the cookie alone.
    assert stranger.get("/experiments/anna").status_code == 401
    assert server.request("GET", "/", "anna").status_code == 401
    stranger.post("/sign-out")
    assert stranger.get("/").status_code == 401


OWN_PAGES = [
    ("GET", "/people/{}"),
    ("GET", "/people/{}/export"),
    ("POST", "/people/{}/forgotten"),
    ("GET", "/people/{}/experiments/walk"),
    ("GET", "/people/{}/experiments/walk/page"),
    ("GET", "/people/{}/experiments/walk/schedule.csv"),
    ("POST", "/people/{}/drawn"),
    ("POST", "/people/{}/experiments/walk/otherwise"),
    ("POST", "/people/{}/experiments/walk/followed"),
]


@pytest.mark.parametrize(("method", "path"), OWN_PAGES)
@pytest.mark.parametrize("who", [None, "ben", "anna", "service"])
def test_matrix(server, saved, who, method, path):
    browser = Browser(server, who)
    target = path.format("anna")
    asked = browser.get(target) if method == "GET" else browser.post(target, {})
    if who is None:
        assert asked.status_code == 401
    elif who == "ben":
        assert asked.status_code == 403
        assert "Walk" not in asked.text
    else:
        assert asked.status_code in (200, 404, 422)


def test_the_matrix_has_every_page_about_a_person():
    from fastapi.routing import APIRoute

    found = {
        (method, route.path)
        for route in people.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if not route.path.endswith("/index.html")  # It leads to the list and says nothing.
    }
    named = {
        (m, p.format("{user_id}").replace("walk", "{intervention_id}").replace(".csv", ".{kind}"))
        for m, p in OWN_PAGES
    }
    assert found == named


def test_a_list_shows_ones_own_alone_and_a_file_is_its_owners(server, saved, settings):
    log_intervention(settings, "carl", intervention_id="x", name="Carls", outcome_metric="mood")
    ben = Browser(server, "ben")
    assert "Carls" not in ben.get("/").text
    assert "Carls" in Browser(server, "service").get("/").text
    anna = Browser(server, "anna")
    path = anna.drop(MOOD).url.path
    message(ben.get(path), 404)
    message(ben.post(f"{path}/saved", {"name": "x"}), 404)
    anna.post(f"{path}/asked", ASKED)
    assert "one person's own data" in message(
        anna.post(f"{path}/saved", {"name": "x", "user_id": "ben"}), 403
    )


@pytest.mark.parametrize("anonymous", [True, False], ids=["anonymous", "with tokens"])
def test_what_other_sites_send_is_refused(server, settings, tmp_path, anonymous):
    bare = settings.model_copy(update={"store_root": tmp_path})
    context = running(bare, wait=False, tokens=(), allow_anonymous=True)
    with context if anonymous else nullcontext(server) as live:
        cookies = {} if anonymous else {COOKIE: live.tokens["anna"]}
        with httpx.Client(base_url=live.url, cookies=cookies) as client:
            for headers in (
                {},
                {"Origin": "https://elsewhere.example"},
                {"Origin": "null"},
                {"Sec-Fetch-Site": "cross-site"},
                {"Sec-Fetch-Site": "same-site"},
                {"Origin": live.url, "Sec-Fetch-Site": "cross-site"},
                {"Origin": live.url + "0"},
            ):
                for path in ("/people/anna/drawn", "/sign-in", "/sign-out", "/files"):
                    sent = client.post(path, data={"name": "x"}, headers=headers)
                    assert "another site" in message(sent, 403)
            own = client.post(
                "/files", files={"file": ("a.csv", MOOD)}, headers={"Origin": live.url}
            )
            assert own.status_code == 303


def test_the_oldest_of_ones_own_files_gives_way(server):
    ben = Browser(server, "ben")
    paths = [ben.drop(MOOD).url.path for _ in range(4)]
    assert [ben.get(path).status_code for path in paths] == [404, 200, 200, 200]
    for path in paths[1:]:
        ben.post(f"{path}/forgotten")
    assert ben.get(paths[1]).status_code == 404


def test_shutting_down_removes_what_is_held(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bare = settings.model_copy(update={"store_root": tmp_path / "store"})
    with running(bare, wait=False, tokens=(), allow_anonymous=True) as live:
        browser = Browser(live)
        browser.client.follow_redirects = False
        assert browser.drop(MOOD).status_code == 303
        assert [path.name for path in Path(tmp_path).glob("its-uploads-*/*/*")] == ["mood.csv"]
    assert list(Path(tmp_path).glob("its-uploads-*")) == []


def test_a_worker_that_dies_is_a_sentence(anna, server):
    path = anna.drop(MOOD).url.path
    asked = threading.Event()

    def kill():
        # A job is tried twice: as often a worker goes as there is one, until the answer is there.
        while not asked.wait(0.05):
            for process in server.services.pool.state().process_ids:
                os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        told = message(anna.post(f"{path}/asked", ASKED), 500)
    finally:
        asked.set()
        killer.join()
    assert "ended without an answer" in told


def test_everything_is_taken_along(anna, saved):
    page = anna.get("/people/anna")
    [address] = re.findall(r'href="([^"]+/export)"', page.text)
    archive = zipfile.ZipFile(io.BytesIO(anna.get(address).content))
    assert "README.txt" in archive.namelist()
    assert any(name.endswith(".csv") for name in archive.namelist())


def test_deleting_wants_the_name_typed_again_and_is_for_good(server, saved):
    ben = Browser(server, "ben")
    assert "nothing was deleted" in message(
        ben.post("/people/ben/forgotten", {"typed": "bob"}), 422
    )
    assert ben.get("/people/ben").status_code == 200
    assert "Everything is deleted" in ben.post("/people/ben/forgotten", {"typed": "ben"}).text
    assert ben.get("/people/ben").status_code == 404
    assert Browser(server, "anna").get("/people/anna").status_code == 200

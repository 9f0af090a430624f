"""Further forms and corners of the apps' exports."""

from __future__ import annotations

import pytest

from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.import_metrics import restore_metrics
from its_pipeline.events.metrics import registered_metrics
from its_pipeline_tests.integration.exports.made.diaries import (
    DAYLIO,
    DAYLIO_HEAD,
    DAYLIO_SCALES,
    exist_attribute,
    exist_days,
    exist_page,
)
from its_pipeline_tests.integration.exports.made.form import as_file, as_folder, as_zip
from its_pipeline_tests.integration.exports.made.nights import (
    NEW_CYCLE,
    OURA_HUB,
    OURA_TRENDS,
    WHOOP,
)
from its_pipeline_tests.integration.exports.made.watches import CONNECT_SLEEP, FITBIT
from its_pipeline_tests.integration.exports.store import Store


def test_daylio_with_scales_and_german_moods(tmp_path) -> None:
    scales = "Energie:\N{NO-BREAK SPACE}3 | Schmerz:\N{NO-BREAK SPACE}7"
    rows = f'2024-02-01,"1. Februar",Donnerstag,21:35,Lausig,"Spaß | Arbeit","{scales}","",""\n'
    store = Store(tmp_path, "Europe/Berlin")
    store.take(as_file({"d.csv": DAYLIO_SCALES + rows}, tmp_path))
    store.run()
    assert store.daily("daylio_mood") == {"2024-02-01": 1.0}
    assert store.daily("daylio_scale_energie") == {"2024-02-01": 3.0}
    assert store.daily("daylio_scale_schmerz") == {"2024-02-01": 7.0}
    metrics = registered_metrics(store.settings)
    assert metrics["daylio_activity_arbeit"].label == "arbeit (Daylio)"
    assert metrics["daylio_activity_arbeit"].unit == "yes or no"
    # Letters that a metric's name cannot have are kept apart by a digest.
    (fun,) = [name for name in metrics if name.startswith("daylio_activity_spa")]
    assert metrics[fun].label == "spass (Daylio)"


def test_daylio_asks_for_moods_of_ones_own(tmp_path) -> None:
    export = as_file({"d.csv": DAYLIO_HEAD + "2024-02-01,x,x,21:35,Zen,,,\n"}, tmp_path)
    with pytest.raises(ImportFileError, match=r"'Zen' \(download\.csv, line 2\).*--mood \"Zen=3\""):
        Store(tmp_path / "a", "UTC").take(export)


def test_two_entries_of_one_minute_are_two(tmp_path) -> None:
    rows = "2024-02-01,x,x,21:35,rad,,,\n2024-02-01,x,x,21:35,meh,,,\n"
    store = Store(tmp_path, "UTC")
    assert store.take(as_file({"d.csv": DAYLIO_HEAD + rows}, tmp_path)).rows == 2
    store.run()
    assert store.daily("daylio_mood") == {"2024-02-01": 4.0}
    assert store.rejected() == []


def test_a_broken_entry_is_rejected_and_the_others_count(tmp_path) -> None:
    rows = "2024-02-01,x,x,25:99,rad,,,\n2024-02-02,x,x,21:35,meh,,,\n2024-02-03,x,x,09:00\n"
    store = Store(tmp_path, "UTC")
    told = store.take(as_file({"d.csv": DAYLIO_HEAD + rows}, tmp_path)).told
    assert any("its time cannot be read, such as '2024-02-01 25:99'" in line for line in told)
    store.run()
    assert store.daily("daylio_mood") == {"2024-02-02": 3.0}
    assert sorted(row["rule"] for row in store.rejected()) == [
        "is_instant_with_offset",
        "is_number",
    ]


def test_the_newest_form_of_sleep_cycle_and_a_night_broken_off(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Minsk")
    store.take(as_file({"s.csv": NEW_CYCLE}, tmp_path))
    store.run()
    assert store.daily("sleepcycle_sleep_hours") == {"2026-08-25": 7.5}
    assert store.daily("sleepcycle_regularity") == {"2026-08-25": 77.0}
    assert store.daily("sleepcycle_snore_minutes") == {"2026-08-25": 1.5}


def test_ouras_hub_and_its_older_table(tmp_path) -> None:
    store = Store(tmp_path, None)
    store.take(as_zip(OURA_HUB, tmp_path))
    store.run()
    assert store.daily("oura_sleep_hours") == {"2024-01-02": 7.5}
    assert store.daily("oura_readiness_score") == {"2024-01-02": 65.0}
    assert store.daily("oura_temperature_deviation") == {"2024-01-02": -0.3}
    assert store.daily("oura_sleep_score") == {"2024-01-02": 70.0}

    trends = as_file({"t.csv": OURA_TRENDS}, tmp_path / "trends")
    with pytest.raises(ImportFileError, match="days without a time zone"):
        Store(tmp_path / "older", None).take(trends)
    older = Store(tmp_path / "older", "America/New_York")
    older.take(trends)
    older.run()
    assert older.daily("oura_sleep_hours") == {"2024-01-02": 7.5}
    assert older.daily("oura_steps") == {"2024-01-02": 10432.0, "2024-01-03": 9000.0}


def test_whoops_cycles_alone_have_sleep_too(tmp_path) -> None:
    cycles = {"c.csv": WHOOP.longer["physiological_cycles.csv"]}
    store = Store(tmp_path, None)
    store.take(as_file(cycles, tmp_path))
    store.run()
    assert store.daily("whoop_sleep_hours") == {"2024-04-01": 7.65, "2024-04-03": 7.333333}
    # The cycle of the 3rd has not ended.
    assert store.daily("whoop_strain") == {"2024-04-01": 18.5}


def test_exists_api_page_by_page_newest_first(tmp_path) -> None:
    pages = {
        "page_1.json": exist_page(
            exist_attribute("floss", 7, 0, 1, 0), exist_attribute("steps", 0, 0, 8000, 0)
        ),
        "page_2.json": exist_page(
            exist_attribute("mood", 8, 7, None, 6), exist_attribute("diary", 2, "1", "2", "3")
        ),
    }
    store = Store(tmp_path, "Europe/Berlin")
    store.take(as_folder(pages, tmp_path / "pages"))
    store.run()
    # The tag was used first on the 13th; what Exist calls a text is none of its numbers.
    assert store.daily("exist_tag_floss") == {"2022-10-13": 1.0, "2022-10-14": 0.0}
    assert store.daily("exist_steps") == {"2022-10-13": 8000.0}
    assert store.daily("exist_mood") == {"2022-10-12": 6.0, "2022-10-14": 7.0}
    assert set(registered_metrics(store.settings)) & {"exist_tag_diary", "exist_custom_diary"} == (
        set()
    )


def test_exists_older_files_and_a_tag_over_two_years(tmp_path) -> None:
    files = {
        "steps.json": exist_days(1200),
        "data_yoga_2021.json": exist_days(1),
        "data_yoga_2022.json": '[{"date": "2022-01-01", "value": 0}]',
    }
    store = Store(tmp_path, "UTC")
    store.take(as_zip(files, tmp_path))
    store.run()
    assert store.daily("exist_steps") == {"2021-12-01": 1200.0}
    assert store.daily("exist_tag_yoga") == {"2021-12-01": 1.0, "2022-01-01": 0.0}


def test_days_of_garmin_connect_with_the_day_first(tmp_path) -> None:
    store = Store(tmp_path, "Europe/London")
    steps = ",Actual,Goal\n01/10/2025,5000,1\n02/10/2025,6000,1\n13/10/2025,7000,1\n"
    assert store.take(as_file({"s.csv": steps}, tmp_path)).name == "garminconnect_steps-anna"
    store.run()
    assert store.daily("garminconnect_steps") == {
        "2025-10-01": 5000.0,
        "2025-10-02": 6000.0,
        "2025-10-13": 7000.0,
    }
    # Another chart is another import, and takes nothing away.
    store.take(as_file({"s.csv": ",Stress\n2025-10-01,36\n"}, tmp_path))
    store.run()
    assert store.daily("garminconnect_stress") == {"2025-10-01": 36.0}
    assert len(store.daily("garminconnect_steps")) == 3


def test_whoops_tables_one_after_the_other_take_nothing_away(tmp_path) -> None:
    store = Store(tmp_path, None)
    for number, (name, text) in enumerate(WHOOP.short.items()):
        store.take(as_file({name: text}, tmp_path / str(number)))
    store.run()
    assert store.daily("whoop_recovery") == WHOOP.daily["whoop_recovery"]
    assert store.daily("whoop_sleep_hours") == WHOOP.daily["whoop_sleep_hours"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (",Actual,Goal\n01/10/2025,5,1\n02/10/2025,6,1\n", "cannot be told whether '01/10/2025'"),
        (",Actual,Goal\n13/10/2025,5,1\n10/13/2025,6,1\n", "cannot be told whether '13/10/2025'"),
        (",Actual,Goal\n27/09/2019,78736,1\n04/10/2019,90059,1\n", "one value a week"),
        (
            "Date,Avg Duration,Avg Bedtime,Avg Wake Time\nJan 23-29,7h 56min,11:50 PM,7:57 AM\n",
            "one value a week",
        ),
        (
            CONNECT_SLEEP + "May 25,38,53,--,--,--,--,Poor,3h 17min,9h 0min,11:31 AM,2:49 PM\n",
            "its time cannot be read, such as 'May 25'",
        ),
    ],
)
def test_files_of_garmin_connect_without_days_are_refused(content, said, tmp_path) -> None:
    with pytest.raises(ImportFileError, match=said):
        Store(tmp_path, "UTC").take(as_file({"s.csv": content}, tmp_path))


def test_a_part_of_an_export_is_told_and_has_a_name_of_its_own(tmp_path) -> None:
    store = Store(tmp_path, FITBIT.time_zone)
    store.take(as_folder(FITBIT.longer, tmp_path / "all"))
    only = {name: text for name, text in FITBIT.longer.items() if "01-08" in name}
    told = store.take(as_folder(only, tmp_path / "part")).told
    assert any(
        line.startswith(
            "2 days of the version before are not in it any more, the first is 2021-01-05"
        )
        and "--name" in line
        for line in told
    )


def test_metrics_of_an_export_are_registered_again_where_their_file_is_lost(tmp_path) -> None:
    store = Store(tmp_path, DAYLIO.time_zone, **DAYLIO.moods)
    store.take(as_file(DAYLIO.short, tmp_path))
    before = registered_metrics(store.settings)
    file = store.settings.store_root / "metrics.d" / "daylio-anna.yaml"
    file.unlink()
    assert restore_metrics(store.settings) == ["daylio-anna"]
    assert registered_metrics(store.settings) == before


def test_two_apps_and_two_people_share_a_store(tmp_path) -> None:
    store = Store(tmp_path, "Europe/Berlin", **DAYLIO.moods)
    store.take(as_zip(FITBIT.short, tmp_path / "fitbit"))
    store.take(as_file(DAYLIO.short, tmp_path / "daylio"))
    names = set(registered_metrics(store.settings))
    assert {"fitbit_steps", "daylio_mood"} <= names

"""A zoo of tables as people have them: each gets the right reading, question or refusal."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.importing import foretell_import
from its_pipeline.settings import Settings
from its_pipeline.tables.asking import Said
from its_pipeline.tables.daily import read_daily
from its_pipeline.tables.understanding import understand
from tools.table_files import ods, packed, worksheet, xlsx

#: Made once by xlwt 1.3: sheet S, a date cell and 1000.5, 1001.5, 1002.5 from 1998-12-30 on.
OLD_EXCEL = zlib.decompress(
    base64.b85decode(
        "c-rk)OK4L;6g~4^UVgOs)KqCJArx%27K*6grhO{WE+nPeg&zc)+AJiJmY9uhtkx_A!Ik2sP#12hZv3Ev?pz2"
        "JT?mSh=+c#-AlT-4=Vl(JX@v%~P?;0v&Ye4FK6!KReV^C!(bCNQ_A=@)0237_0B?;=Pzkt=2&mt2r0UjwDvr"
        "jwLcmW4>9z2r`IS$ep*-(04BYd)APIb;auSmmn#g4mYl!{4hqRD;=qD*~i!33u@vd4}o@Tj$<y~ezWx1CvS6"
        "TKGw<Jzr-X7}NqrCW-(aC)w$ax>~nD=bifmXbfUVQPIsB$gr%b!V~U1uF}PZMTA2RfL^W%9Be#%%<FWU?=n>"
        "N`#-Ax4Kii|<YX_~u6S^MtmqtzCfZKbG2kf3W-M5bN#N4G%B{XOx4aND2C<S@ngH1#DukmW4>kbRlB_BZbW5"
        "xu8tt9Qu(Zq2J6Q(L{0_Vb-HOJVI+P-1+(@H8yOYV#^e#`|3?$i`)YoT#_SbaEN<6EG4&x<#v{rdDafr+gZl"
        "QYpL!UZdJ;`Y35wv-Y!~aC*!T%U88R$z4+zuqj>SNy^Zv_!SaRJ+&g;)opcSxX}tVRqgV8bn>QpL+iopX0{O"
        "_YZCNt$8xgg4N8S0tSd`&Ih_bA<<kb<1FY5TuXbr)ss<O)<-k}aJwI$P7fvJ+(Zpr+x*=3q5FimE9nVF4C=7"
        "7<H2XX>Re7_NdhK7cQhK7cQhQ=}o^@wh&2X;%n2>8@@okc1Y{h8#y#Su)<uRt%A2auyWkMj-r&qi3nolC58j"
        "QhP%;wY`2M;2qek8H#KOD|2L_W!JUVC3(GP^0Tt8rkPRUjG;L%h3G"
    )
)

START_ON = date(2021, 12, 20)
DAYS = [START_ON + timedelta(days=n) for n in range(20)]
NUMBERS = [n + 0.5 for n in range(20)]


def table(form: str, numbers: list[str] | None = None, *, sign: str = ",", name: str = "score"):
    """Return a table of the days written in a form, and of the numbers."""
    texts = numbers or [str(number) for number in NUMBERS]
    rows = [f"{day.strftime(form)}{sign}{text}" for day, text in zip(DAYS, texts, strict=True)]
    return "\n".join([f"date{sign}{name}", *rows]) + "\n"


def rows_of(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def months(form: str, years: int) -> str:
    firsts = [date(2019 + n // 12, n % 12 + 1, 1) for n in range(12 * years)]
    return rows_of("date,score", *(f"{d.strftime(form)},{n}.5" for n, d in enumerate(firsts)))


def parquet(columns: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def seconds(scale: int) -> str:
    noon = [datetime(d.year, d.month, d.day, 12, tzinfo=UTC).timestamp() for d in DAYS]
    return rows_of(
        "timestamp,score", *(f"{int(at * scale)},{n}" for at, n in zip(noon, NUMBERS, strict=True))
    )


@dataclass(frozen=True)
class Reads:
    """The table is read: its first days and numbers, without any being rejected."""

    values: dict[str, float]
    outcome: str = "score"
    aggregate: Any = None
    rejected: int = 0
    says: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Asks:
    """Something is asked: about what, and what the question says."""

    about: str
    says: str


@dataclass(frozen=True)
class Refuses:
    """The file is refused, with these words."""

    says: str


@dataclass(frozen=True)
class Animal:
    name: str
    content: str | bytes
    expected: Reads | Asks | Refuses
    suffix: str = ".csv"
    said: Said = field(default_factory=Said)


FIRST = Reads({"2021-12-20": 0.5, "2022-01-08": 19.5})
EARLY = {"2021-02-01": 1.5, "2021-02-02": 2.5}
AMBIGUOUS = rows_of("date,score", "01/02/2021,1.5", "03/02/2021,2.5", "02/05/2021,3.5")
BIG = [f"{n + 100},{n + 500}" for n in range(20)]

# ruff: noqa: E501
ZOO = [
    Animal("iso", table("%Y-%m-%d"), FIRST),
    Animal("semicolons", table("%Y-%m-%d", sign=";"), FIRST),
    Animal("tabs", table("%Y-%m-%d", sign="\t"), FIRST, ".tsv"),
    Animal("bars", table("%Y-%m-%d", sign="|"), FIRST, ".txt"),
    Animal("a name that says nothing", table("%Y-%m-%d"), FIRST, ".dat"),
    Animal("sep line of Excel", "sep=;\n" + table("%Y-%m-%d", sign=";"), FIRST),
    Animal("day first, slashes", table("%d/%m/%Y"), FIRST),
    Animal("day first, dots", table("%d.%m.%Y"), FIRST),
    Animal("day first, dashes", table("%d-%m-%Y"), FIRST),
    Animal("dots and spaces", table("%d. %m. %Y"), FIRST),
    Animal("month first", table("%m/%d/%Y"), FIRST),
    Animal("two-digit years, month first", table("%m/%d/%y"), FIRST),
    Animal("two-digit years, day first", table("%d.%m.%y"), Reads(FIRST.values)),
    Animal("year first with slashes", table("%Y/%m/%d"), FIRST),
    Animal("month names", table("%d %B %Y"), FIRST),
    Animal("short month names", table("%d-%b-%y"), FIRST),
    Animal("month name first", table('"%b %d, %Y"'), FIRST),
    Animal("weekdays", table('"%A, %d %b %Y"'), FIRST),
    Animal("German months", rows_of("Tag;Wert", "3. März 2021;1,5", "4. Dez. 2021;2,5"),
           Reads({"2021-03-03": 1.5, "2021-12-04": 2.5}, "Wert", says="decimal sign")),
    Animal("digits alone", table("%Y%m%d"), FIRST),
    Animal("local times", table("%d/%m/%Y 23:30"), FIRST),
    Animal("American times", table("%m/%d/%Y 11:30:00 PM"), FIRST),
    Animal("instants, a zone", table("%Y-%m-%dT23:30:00Z"),
           Reads({"2021-12-21": 0.5, "2022-01-09": 19.5}), said=Said(time_zone="Asia/Tokyo")),
    Animal("offsets", table("%Y-%m-%dT00:30:00+0200"),
           Reads({"2021-12-19": 0.5, "2022-01-07": 19.5})),
    Animal("unix seconds", seconds(1), FIRST),
    Animal("unix milliseconds", seconds(1000), FIRST),
    Animal("months by number", months("%Y-%m", 2), Reads({"2019-01-01": 0.5, "2020-12-01": 23.5},
           says="months, taken as their first day")),
    Animal("months by name", months("%b %Y", 2), Reads({"2019-01-01": 0.5, "2020-12-01": 23.5})),
    Animal("years", rows_of("year,score", *(f"{1901 + n},{n}.5" for n in range(30))),
           Reads({"1901-01-01": 0.5, "1930-01-01": 29.5}, says="years, taken as their first day")),
    Animal("Excel's day numbers", rows_of("date,score", *(f"{44550 + n},{n}.5" for n in range(20))),
           FIRST),
    Animal("numbers of days", rows_of("day,score", *(f"{n},{n}.5" for n in range(20))), FIRST,
           said=Said(time="day", start_on=START_ON)),
    Animal("numbers of days, day 0 not said", rows_of("day,score", "0,1.5", "1,2.5"),
           Asks("start_on", "which date is day 0"), said=Said(time="day")),
    Animal("dates before 1970", table("%d/%m/1931"), Reads({"1931-12-20": 0.5}), said=Said()),
    Animal("no order decides", AMBIGUOUS, Asks("date_order", "2021-02-01 (dmy) or 2021-01-02 (mdy)")),
    Animal("an order said", AMBIGUOUS, Reads({"2021-02-01": 1.5, "2021-05-02": 3.5}),
           said=Said(date_order="dmy")),
    Animal("the other order said", AMBIGUOUS, Reads({"2021-01-02": 1.5, "2021-02-05": 3.5}),
           said=Said(date_order="mdy")),
    Animal("months decide by their sequence", months("%d/%m/%Y", 2),
           Reads({"2019-01-01": 0.5, "2020-12-01": 23.5}, says="a month apart")),
    Animal("twelve months decide nothing", months("%d/%m/%Y", 1), Asks("date_order", "01/01/2019")),
    Animal("two orders", rows_of("date,score", "13/01/2021,1.5", "01/02/2021,2", "01/14/2021,3"),
           Refuses("dates in two orders: row 2 has '13/01/2021', row 4 has '01/14/2021'")),
    Animal("half turned round by a spreadsheet",
           rows_of("date,score", "2021-05-03,1.5", "13/05/2021,2.5"),
           Refuses("row 2 has '2021-05-03', row 3 has '13/05/2021'")),
    Animal("decimal commas", table("%Y-%m-%d", [f"{n},5" for n in range(20)], sign=";"), FIRST),
    Animal("decimal commas, points between thousands",
           rows_of("date;score", "2021-02-01;1.234,5", "2021-02-02;12,25"),
           Reads({"2021-02-01": 1234.5, "2021-02-02": 12.25})),
    Animal("commas between thousands",
           rows_of("date,score", '2021-02-01,"1,234.5"', '2021-02-02,"245,666"'),
           Reads({"2021-02-01": 1234.5, "2021-02-02": 245666})),
    Animal("spaces between thousands",
           rows_of("date;score", "2021-02-01;1\u202f234,5", "2021-02-02;12"),
           Reads({"2021-02-01": 1234.5, "2021-02-02": 12})),
    Animal("only 245,666", table("%Y-%m-%d", BIG, sign=";"),
           Asks("decimal", "100500 (decimal point) or 100.500 (decimal comma)")),
    Animal("three decimals in every number", rows_of("date,score", "2021-02-01,50.346", "2021-02-02,51.120"),
           Reads({"2021-02-01": 50.346})),
    Animal("three decimals or thousands, quoted", rows_of("date,score", '2021-02-01,"50.346"'),
           Asks("decimal", "50.346 (decimal point) or 50346 (decimal comma)")),
    Animal("245,666 where another column decides",
           rows_of("date;steps;km", "2021-02-01;245,666;3.5", "2021-02-02;9,100;4.5"),
           Reads({"2021-02-01": 245666, "2021-02-02": 9100}, "steps")),
    Animal("245,666 and a sign said", table("%Y-%m-%d", BIG, sign=";"),
           Reads({"2021-12-20": 100.5}), said=Said(decimal="comma")),
    Animal("two decimal signs", rows_of("date;score", "2021-02-01;1,5", "2021-02-02;1.5"),
           Refuses("two decimal signs: row 2 of 'score' has '1,5' and row 3 of 'score' has '1.5'")),
    Animal("percent", rows_of("date,HbA1c", "2021-02-01,6.7%", "2021-02-02,7%"),
           Reads({"2021-02-01": 6.7, "2021-02-02": 7}, "HbA1c", unit="%")),
    Animal("percent now and then", rows_of("date,score", "2021-02-01,6.7%", "2021-02-02,0.07"),
           Refuses("with and without a percent sign")),
    Animal("yes and no", rows_of("date,ill", "2021-02-01,Yes", "2021-02-02,no", "2021-02-03,yes"),
           Reads({"2021-02-01": 1, "2021-02-02": 0}, "ill", says="yes is 1")),
    Animal("true and false", rows_of("date,ill", "2021-02-01,TRUE", "2021-02-02,FALSE"),
           Reads({"2021-02-01": 1, "2021-02-02": 0}, "ill")),
    Animal("units in brackets", rows_of("Date,Weight (kg)", "2021-02-01,70.5", "2021-02-02,71"),
           Reads({"2021-02-01": 70.5}, "Weight (kg)", unit="kg")),
    Animal("units in square brackets", rows_of("Date,steps [count]", "2021-02-01,7", "2021-02-02,8"),
           Reads({"2021-02-01": 7}, "steps [count]", unit="count")),
    Animal("texts for empty", rows_of("date,score", "2021-02-01,n/a", "2021-02-02,-", "2021-02-03,3"),
           Reads({"2021-02-01": float("nan"), "2021-02-03": 3})),
    Animal("an empty text of one's own", rows_of("date,score", "2021-02-01,skipped", "2021-02-02,3"),
           Reads({"2021-02-01": float("nan"), "2021-02-02": 3}),
           said=Said(outcomes={"score": "score"}, empty=("skipped",))),
    Animal("lines ahead of the table", "My diary\nexported today\n\n" + table("%d/%m/%Y"),
           Reads(FIRST.values, says="names in line 4")),
    Animal("no names", table("%Y-%m-%d").partition("\n")[2], Reads(FIRST.values, "column_2")),
    Animal("an index without a name", "," + table("%Y-%m-%d").replace("\n2", "\n0,2"), FIRST),
    Animal("row numbers", rows_of("id,date,score", "1,2021-02-01,5", "2,2021-02-02,6"),
           Reads({"2021-02-01": 5})),
    Animal("a mark at the start", table("%d/%m/%Y").encode("utf-8-sig"), FIRST),
    Animal("UTF-16", table("%d/%m/%Y").encode("utf-16"), FIRST),
    Animal("UTF-16 without a mark", table("%d/%m/%Y").encode("utf-16-le"), FIRST),
    Animal("Latin-1", table("%d/%m/%Y", name="Müdigkeit").encode("latin-1"),
           Reads(FIRST.values, "Müdigkeit")),
    Animal("old Mac's lines", table("%d/%m/%Y").replace("\n", "\r"), FIRST),
    Animal("Windows' lines", table("%d/%m/%Y").replace("\n", "\r\n"), FIRST),
    Animal("several rows a day", rows_of("date,score", "2021-02-01,1", "2021-02-01,4", "2021-02-02,5"),
           Reads({"2021-02-01": 2.5}, aggregate="mean", says="up to 2 rows a day become their mean")),
    Animal("several rows a day, no aggregate said",
           rows_of("date,score", "2021-02-01,1", "2021-02-01,4", "2021-02-02,5"),
           Refuses("2021-02-01 is in rows 2 and 3; say how .* --aggregate mean, median or sum")),
    Animal("a long table", rows_of("date,kind,value", "2021-02-01,steps,900", "2021-02-01,mood,4"),
           Asks("outcomes", "'kind' may say that they are different things")),
    Animal("several rows and columns", rows_of("date,a,b", "2021-02-01,9,1", "2021-02-01,4,2"),
           Asks("outcomes", "several columns of numbers")),
    Animal("two columns of dates", rows_of("began,ended,score", "2021-02-01,2021-02-02,1",
                                           "2021-02-03,2021-02-04,1"),
           Asks("time", "several columns hold times")),
    Animal("no column of dates", rows_of("who,score", "ada,1", "bob,2"),
           Asks("time", "no column could be told")),
    Animal("no numbers", rows_of("date,note", "2021-02-01,well", "2021-02-02,ill"),
           Asks("outcomes", "no column of numbers")),
    Animal("prose", "Dear diary,\ntoday I slept well, and long.\n", Asks("time", "no column could be told")),
    Animal("one column", rows_of("date", "2021-02-01", "2021-02-02"), Refuses("no table")),
    Animal("nothing", b"", Refuses("the file is empty")),
    Animal("a column that is not there", table("%Y-%m-%d"), Refuses("'mood' is missing; the file has"),
           said=Said(outcomes={"mood": "mood"})),
    Animal("a few bad cells", rows_of("date,score", "2021-02-01,1", "2021-02-02,x", "31/31/2021,3",
                                      "2021-02-03,4", "2021-02-04,5"),
           Reads({}, rejected=2, says="1 rows are no day (row 4: '31/31/2021')")),
    Animal("Excel", xlsx({"S": [["Date", "score"], *zip(DAYS, NUMBERS, strict=True)]}), FIRST, ".xlsx"),
    Animal("Excel with another name", xlsx({"S": [["Date", "score"], [START_ON, 0.5]]}),
           Reads({"2021-12-20": 0.5}), ".csv"),
    Animal("Excel, lines ahead and an empty sheet",
           xlsx({"Info": [["made by me"]], "S": [["Diary"], [], ["Date", "score"],
                 *zip(DAYS, NUMBERS, strict=True)]}), Reads(FIRST.values, says="in line 3"), ".xlsx"),
    Animal("Excel, two tables", xlsx({"A": [["d", "n"], [START_ON, 1]], "B": [["d", "n"], [START_ON, 2]]}),
           Asks("sheet", "several sheets"), ".xlsx"),
    Animal("Excel, a sheet said", xlsx({"A": [["d", "n"], [START_ON, 1]], "B": [["d", "n"], [START_ON, 2]]}),
           Reads({"2021-12-20": 2}, "n"), ".xlsx", Said(sheet="B")),
    Animal("Excel, texts for dates and commas",
           xlsx({"S": [["Date", "score"], ["20.12.2021", "0,5"], ["21.12.2021", 1]]}),
           Reads({"2021-12-20": 0.5, "2021-12-21": 1}), ".xlsx"),
    Animal("Excel, commas said beside numbers",
           xlsx({"S": [["Date", "score"], [START_ON, "0,5"], [date(2021, 12, 21), 36.512]]}),
           Reads({"2021-12-20": 0.5, "2021-12-21": 36.512}), ".xlsx", Said(decimal="comma")),
    Animal("Excel, half of the dates turned round",
           xlsx({"S": [["Date", "score"], [date(2021, 5, 3), 1], ["13/05/2021", 2]]}),
           Refuses("dates in two orders"), ".xlsx"),
    Animal("old Excel", OLD_EXCEL, Reads({"1998-12-30": 1000.5, "1999-01-01": 1002.5}, "Steps"), ".xls"),
    Animal("OpenDocument", ods({"S": [["Date", "score"], *zip(DAYS, NUMBERS, strict=True)]}), FIRST,
           ".ods"),
    Animal("Parquet", parquet({"day": DAYS, "score": NUMBERS}), FIRST, ".parquet"),
    Animal("Parquet of texts", parquet({"day": [d.strftime("%d/%m/%Y") for d in DAYS],
                                        "score": [str(n).replace(".", ",") for n in NUMBERS]}),
           FIRST, ".parquet"),
    Animal("JSON Lines", "\n".join(json.dumps({"day": d.isoformat(), "score": n})
                                   for d, n in zip(DAYS, NUMBERS, strict=True)), FIRST, ".jsonl"),
    Animal("a ZIP file", packed({"a.csv": table("%Y-%m-%d")}), Refuses("a packed file"), ".zip"),
    Animal("a damaged spreadsheet", xlsx({"S": [["d", "n"], [START_ON, 1]]})[:400],
           Refuses("packed file|not readable as a spreadsheet"), ".xlsx"),
    Animal("a spreadsheet with a wrong part",
           packed({"xl/workbook.xml": "<nonsense", "xl/worksheets/s1.xml": worksheet([])}),
           Refuses("not readable as a spreadsheet"), ".xlsx"),
]  # fmt: skip


def test_the_zoo_has_every_animal_once() -> None:
    names = [animal.name for animal in ZOO]
    assert len(set(names)) == len(names) >= 40


@pytest.mark.parametrize("animal", ZOO, ids=lambda animal: animal.name)
def test_a_table_gets_the_right_reading_question_or_refusal(animal: Animal, tmp_path: Path) -> None:
    path = tmp_path / f"table{animal.suffix}"
    content = animal.content
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    expected = animal.expected
    if isinstance(expected, Refuses):
        with pytest.raises(ImportFileError, match=expected.says):
            read_daily(path, understand(path, animal.said), "score")
        return
    understood = understand(path, animal.said)
    if isinstance(expected, Asks):
        assert [question.about for question in understood.questions] == [expected.about]
        assert expected.says in understood.questions[0].text
        assert understood.questions[0].option in str(understood.questions[0])
        return
    assert understood.questions == ()
    mapping = understood.mapping(user_constant="ada")
    foretold = foretell_import(Settings(store_root=tmp_path / "store"), path, mapping)
    assert foretold.rejected == expected.rejected
    assert expected.says in "\n".join(understood.lines)
    assert mapping.metrics()[0].unit == expected.unit
    if expected.values:
        series = read_daily(path, understood, expected.outcome, expected.aggregate)
        found = {day: series[pd.Timestamp(day)] for day in expected.values}
        assert found == pytest.approx(expected.values, nan_ok=True)

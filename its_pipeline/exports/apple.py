"""Apple Health: its XML file, alone or in the ZIP or folder that the Health app writes.

What belongs here: which records are which metric, their units, and streaming the XML. What does
not: putting nights together (`sleep`), choosing between devices (`events.exported`).

Format as in the file rgosdin/docs apple_health_export/export.xml. Records lie directly below
`HealthData`; those inside a `Correlation` are repeated there. Times have the offset that the phone
was at when it exported, not where one was. The document type that the file begins with is not
handed to the parser: some releases of iOS write one that is not well formed, and without one there
is nothing that could be expanded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Final, NoReturn
from xml.parsers import expat

from its_pipeline.events.exported import Reading, Said
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.exports.base import AppExport, by_name
from its_pipeline.exports.files import ExportFiles
from its_pipeline.exports.measures import Measure, scaled
from its_pipeline.exports.sleep import SLEEP_MEASURES, Piece, Stage, sleep_readings
from its_pipeline.exports.times import zone_of_offset

CHUNK_BYTES: Final = 256 * 1024
DOCTYPE_BYTES: Final = 1024 * 1024
"""The document type is about 10,000 bytes; one that is longer than this is not Apple's."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}")

_ENERGY = {"kcal": 1.0, "Cal": 1.0, "kJ": 1 / 4.184, "cal": 0.001, "J": 1 / 4184}
_LENGTH = {"km": 1.0, "m": 0.001, "mi": 1.609344, "yd": 0.0009144, "ft": 0.0003048}
_MASS = {"kg": 1.0, "g": 0.001, "lb": 0.45359237, "st": 6.35029318, "oz": 0.028349523125}
_MINUTES = {"min": 1.0, "s": 1 / 60, "hr": 60.0}
_RATE = {"count/min": 1.0, "count/s": 60.0}
_SHARE = {"%": 100.0}

QUANTITIES: Final[dict[str, tuple[Measure, dict[str, float]]]] = {
    f"HKQuantityTypeIdentifier{measure.field}": (measure, units)
    for measure, units in (
        (
            Measure("StepCount", "steps", "Steps", "steps", "sum", 100_000.0, hourly=True),
            {"count": 1.0},
        ),
        (
            Measure(
                "DistanceWalkingRunning",
                "distance_km",
                "Walking and running",
                "km",
                "sum",
                300.0,
                hourly=True,
            ),
            _LENGTH,
        ),
        (
            Measure("FlightsClimbed", "flights", "Flights", "flights", "sum", 1000.0, hourly=True),
            {"count": 1.0},
        ),
        (
            Measure(
                "ActiveEnergyBurned",
                "active_energy_kcal",
                "Active energy",
                "kcal",
                "sum",
                20_000.0,
                hourly=True,
            ),
            _ENERGY,
        ),
        (
            Measure(
                "AppleExerciseTime",
                "exercise_minutes",
                "Exercise",
                "minutes",
                "sum",
                1440.0,
                hourly=True,
            ),
            _MINUTES,
        ),
        (
            Measure(
                "HeartRate",
                "heart_rate",
                "Heart rate",
                "beats/min",
                "mean",
                300.0,
                20.0,
                hourly=True,
            ),
            _RATE,
        ),
        (
            Measure(
                "RestingHeartRate",
                "resting_heart_rate",
                "Resting heart rate",
                "beats/min",
                "mean",
                200.0,
                20.0,
            ),
            _RATE,
        ),
        (
            Measure("HeartRateVariabilitySDNN", "hrv_sdnn", "HRV (SDNN)", "ms", "mean", 500.0, 0.0),
            {"ms": 1.0, "s": 1000.0},
        ),
        (Measure("BodyMass", "weight_kg", "Weight", "kg", "mean", 500.0, 1.0), _MASS),
        (
            Measure("BodyFatPercentage", "body_fat_percent", "Body fat", "%", "mean", 100.0),
            _SHARE,
        ),
        (
            Measure("VO2Max", "vo2max", "VO2max", "ml/(kg min)", "mean", 100.0, 1.0),
            {"mL/min·kg": 1.0},
        ),
        (
            Measure(
                "RespiratoryRate",
                "respiratory_rate",
                "Respiratory rate",
                "breaths/min",
                "mean",
                80.0,
                2.0,
                hourly=True,
            ),
            _RATE,
        ),
        (
            Measure(
                "OxygenSaturation",
                "oxygen_percent",
                "Oxygen saturation",
                "%",
                "mean",
                100.0,
                hourly=True,
            ),
            _SHARE,
        ),
    )
}

MINDFUL: Final = Measure(
    "HKCategoryTypeIdentifierMindfulSession",
    "mindful_minutes",
    "Mindfulness",
    "minutes",
    "sum",
    1440.0,
    zero_days=True,
)
SLEEP: Final = "HKCategoryTypeIdentifierSleepAnalysis"
STAGES: Final[dict[str, Stage]] = {
    "HKCategoryValueSleepAnalysisInBed": "in_bed",
    "HKCategoryValueSleepAnalysisAsleep": "asleep",
    "HKCategoryValueSleepAnalysisAsleepUnspecified": "asleep",
    "HKCategoryValueSleepAnalysisAsleepCore": "core",
    "HKCategoryValueSleepAnalysisAsleepDeep": "deep",
    "HKCategoryValueSleepAnalysisAsleepREM": "rem",
    "HKCategoryValueSleepAnalysisAwake": "awake",
}


class AppleHealth(AppExport):
    """An export of Apple Health."""

    name = "apple"
    app = "Apple Health"
    measures = by_name(*(measure for measure, _ in QUANTITIES.values()), MINDFUL, *SLEEP_MEASURES)

    @classmethod
    def recognised(cls, files: ExportFiles) -> AppleHealth | None:
        """Return the export if one of the files is XML whose root is `HealthData`."""
        # The clinical documents that lie beside it are XML files too.
        alone = len(files.names) == 1
        for name, head in files.heads(lambda name: alone or name.lower().endswith(".xml")):
            if re.search(rb"<HealthData[\s>]", head):
                export = cls(files)
                export.kinds = {name: export.name}
                return export
        return None

    def readings(self, said: Said, left_out: Counter[tuple[str, str]]) -> Iterator[Reading]:
        """Return the readings, record after record; nights at the end.

        Raises
        ------
        ImportFileError
            If the XML is broken or declares an entity, or an offset is not one of whole hours and
            no time zone was said.
        """
        pieces: list[Piece] = []
        for name, stream in self.files.each(self.wanted):
            yield from self._of_records(name, _records(self.files, name, stream), said, pieces)
        yield from sleep_readings(pieces, self.metric_name, left_out)

    def _of_records(
        self,
        file: str,
        records: Iterator[tuple[int, dict[str, str]]],
        said: Said,
        pieces: list[Piece],
    ) -> Iterator[Reading]:
        for line, record in records:
            kind = record.get("type", "")
            quantity = QUANTITIES.get(kind)
            if quantity is None and kind not in (SLEEP, MINDFUL.field):
                continue
            place = f"{file}, line {line}"
            started, ended = _iso(record.get("startDate", "")), _iso(record.get("endDate", ""))
            zone = said.time_zone or self._own_zone(started, said)
            source = record.get("sourceName", "")
            value, at, name = record.get("value", ""), started, "sleep_hours"
            if quantity is not None:
                measure, units = quantity
                name, value = measure.name, _number(value, record.get("unit", ""), units)
            else:
                moments = _moments(started, ended)
                if moments is None:
                    # Whichever of the two cannot be read is what the contract is shown.
                    value, at = "", ended if _moments(started, started) else started
                elif kind == MINDFUL.field:
                    value = f"{(moments[1] - moments[0]).total_seconds() / 60:.9g}"
                elif value in STAGES:
                    pieces.append(Piece(source, *moments, STAGES[value], zone, place))
                    continue
                name = MINDFUL.name if kind == MINDFUL.field else name
            yield Reading(self.metric_name(name), value, started, ended, at, zone, source, place)

    def _own_zone(self, started: str, said: Said) -> str:
        return zone_of_offset(started[19:], said, self.path) if len(started) == 25 else ""


def _iso(text: str) -> str:
    """Return `2021-03-04 07:12:00 +0100` as ISO 8601, and any other text as it is."""
    if _TIME.fullmatch(text) is None:
        return text
    return f"{text[:10]}T{text[11:19]}{text[20:23]}:{text[23:]}"


def _moments(started: str, ended: str) -> tuple[datetime, datetime] | None:
    try:
        moments = datetime.fromisoformat(started), datetime.fromisoformat(ended)
    except ValueError:
        return None
    return None if any(moment.tzinfo is None for moment in moments) else moments


def _number(value: str, unit: str, units: dict[str, float]) -> str:
    factor = units.get(unit)
    # In a unit that is not known it is no number of the metric's.
    return f"{value} {unit}".strip() if factor is None else scaled(value, factor)


def _records(
    files: ExportFiles, name: str, stream: BinaryIO
) -> Iterator[tuple[int, dict[str, str]]]:
    """Return the attributes of every record directly below the root, with its line."""
    found: list[tuple[int, dict[str, str]]] = []
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 2 and tag == "Record":
            found.append((parser.CurrentLineNumber, attributes))

    def end(_tag: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_parts: object) -> NoReturn:
        raise ImportFileError(
            f"{files.path}: {name}, line {parser.CurrentLineNumber}: declares a document type or "
            "an entity where Apple Health has none; export it again"
        )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    with files.errors_in(name):
        try:
            parser.Parse(_without_document_type(files, name, stream), False)
            while chunk := stream.read(CHUNK_BYTES):
                parser.Parse(chunk, False)
                yield from found
                found.clear()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise ImportFileError(
                f"{files.path}: {name}, line {error.lineno}, column {error.offset}: "
                f"{expat.errors.messages[error.code]}; the file is damaged or not whole, export it "
                "again"
            ) from error
    yield from found


def _without_document_type(files: ExportFiles, name: str, stream: BinaryIO) -> bytes:
    """Return the beginning of the file, its document type replaced by as many empty lines.

    Raises
    ------
    ImportFileError
        If the document type declares an entity, or does not end.
    """
    head = stream.read(CHUNK_BYTES)
    start, root = head.find(b"<!DOCTYPE"), head.find(b"<HealthData")
    if start < 0 or 0 <= root < start:
        return head
    closing = head.find(b">", start)
    ending = b"]>" if head.find(b"[", start, closing) > 0 else b">"
    while (end := head.find(ending, start)) < 0 and len(head) < DOCTYPE_BYTES:
        more = stream.read(CHUNK_BYTES)
        if not more:
            break
        head += more
    declared = head[start : end + len(ending)]
    if end < 0 or b"<!ENTITY" in declared:
        raise ImportFileError(
            f"{files.path}: {name}: its document type declares entities or does not end, which "
            "Apple Health's does not; export it again"
        )
    return head[:start] + b"\n" * declared.count(b"\n") + head[end + len(ending) :]

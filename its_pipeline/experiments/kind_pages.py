"""The pages of kinds, and what members' own pages tell of the others: in place and up to date.

What belongs here: gathering what is kept of a kind for its page, putting pages in place and taking
away those of which nothing may be told any more. What does not: pooling (`pooling`), or wording and
drawing (`report`). Everything is idempotent: what shows the newest record already is left as it is.

Members' pages are not made again when a pool changes: the section "People like you" is put into the
pages that are there, which costs a file's writing each, and no figure is drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.keys import ExperimentKey
from its_pipeline.experiments.kind_told import told_between_case, told_traits
from its_pipeline.experiments.links import page_url
from its_pipeline.experiments.own_files import keys_with_files
from its_pipeline.experiments.page_marks import section_digest
from its_pipeline.experiments.page_sections import put_section, shown_section
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.service import open_store
from its_pipeline.experiments.sharding import has_shards
from its_pipeline.files.atomic import exclusive, remove_unfinished, write_bytes, write_json
from its_pipeline.files.contents import digest_of
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.files.names import ESCAPE, path_of_name
from its_pipeline.settings import Settings
from its_pipeline.stores.pooled_results import CHANGE, PooledMember, PooledResult
from its_pipeline.stores.pooled_store import PooledStore

if TYPE_CHECKING:
    from its_pipeline.report.kinds import KindInput, KindMember, KindRow, Series

#: Under the pages' folder, beside people's: no identifier holds this sign, so nobody is called so.
KINDS_FOLDER: Final = f"kinds{ESCAPE}"
#: Part of what decides whether a page is up to date: raise it when pages of kinds change.
KIND_PAGE_VERSION: Final = 2
#: The page over all experiments, from a kind's.
INDEX_HREF: Final = "../../index.html"


@dataclass(frozen=True)
class PublishedKinds:
    """What putting the pages of kinds in place came to.

    Attributes
    ----------
    written, unchanged, removed
        Pages of kinds that were written, that were up to date, and that were taken away.
    sections
        Members' pages on which the section "People like you" changed.
    """

    written: int
    unchanged: int
    removed: int
    sections: int


def kind_page_path(settings: Settings, kind: str, metric: str) -> Path:
    """Return where a kind's page lies, whether it is there or not."""
    return path_of_name(settings.reports_dir / KINDS_FOLDER, kind, metric, suffix=".html")


def told_kinds(settings: Settings) -> list[PooledResult]:
    """Return the kinds of which numbers may be told: the store tells of no smaller ones."""
    return [each for each in PooledStore(settings).all() if isinstance(each, PooledResult)]


def publish_kinds(settings: Settings, snapshot: Snapshot | None = None) -> PublishedKinds:
    """Bring the pages of all kinds, and the section on every member's page, up to date.

    Parameters
    ----------
    settings
        The installation.
    snapshot
        Reused where given.
    """
    snapshot = snapshot or Snapshot(settings)
    folder = settings.reports_dir / KINDS_FOLDER
    if not told_kinds(settings) and not folder.is_dir():
        return PublishedKinds(0, 0, 0, _put_sections(settings, snapshot, ()))
    with exclusive(folder / ".lock"):
        # Read under the lock: whoever deletes a person has taken them out of what is kept, and
        # comes after this, which then is without them, or finds it written.
        told = told_kinds(settings)
        pages = {kind_page_path(settings, each.kind, each.metric) for each in told}
        removed = _remove_others(folder, pages)
        written = sum(_publish(settings, snapshot, each) for each in told)
        sections = _put_sections(settings, snapshot, told)
    return PublishedKinds(written, len(told) - written, removed, sections)


def kind_rows(settings: Settings, snapshot: Snapshot) -> list[KindRow]:
    """Return the lines of the table of kinds; of kinds of too few people without any number.

    Parameters
    ----------
    settings, snapshot
        The installation.
    """
    from its_pipeline.report.kinds import KindRow

    rows = []
    for record in PooledStore(settings).all():
        metric = snapshot.metrics.get(record.metric)
        outcome = metric.title if metric is not None else record.metric
        key = record.kind, record.metric
        if not isinstance(record, PooledResult):
            rows.append(KindRow(key, record.kind, outcome, "", "increase", record.n_with_estimate))
            continue
        told = kind_input(snapshot, record)
        page = kind_page_path(settings, record.kind, record.metric)
        href = page.relative_to(settings.reports_dir).as_posix() if page.is_file() else None
        rows.append(
            KindRow(
                key=key,
                name=told.name,
                outcome=told.outcome,
                unit=told.unit,
                direction=told.direction,
                n_people=told.n_people,
                mean=told.mean,
                probability_helps_people=told.probability_helps_people,
                href=href,
                minimum_effect=told.minimum_effect,
            )
        )
    return rows


def kind_input(snapshot: Snapshot, result: PooledResult) -> KindInput:
    """Return a kind in the numbers that people are told, without anybody's picture.

    Parameters
    ----------
    snapshot
        The log and the metrics as they are now.
    result
        What is kept of the kind.
    """
    from its_pipeline.report.kinds import Interval, KindInput

    metric = snapshot.metrics.get(result.metric)
    standardised = result.pooled_in == "baseline_sd"
    own_times, own_unit = 1.0, metric.unit if metric is not None else ""
    if metric is not None and (metric.analysis.likelihood or metric.likelihood) == "binomial":
        # As `AnalysisSpec.told_effect` tells shares.
        own_times, own_unit = 100.0, "percentage points"
    times, unit = (1.0, "standard deviations") if standardised else (own_times, own_unit)

    def told(effect: Any) -> Interval:
        numbers = (effect.mean, effect.sd, effect.ci_lower, effect.ci_upper)
        return Interval(*(times * number for number in numbers))

    changes = {m.started_on for m in result.members if m.design == CHANGE}
    return KindInput(
        name=_name_of(snapshot, result),
        outcome=metric.title if metric is not None else result.metric,
        unit=unit,
        direction=result.direction,
        minimum_effect=times * result.minimum_effect,
        made_on=datetime.fromisoformat(result.made_at).date(),
        mean=told(result.mean),
        next_person=told(result.next_person),
        spread=told(result.spread),
        probability_helps_people=result.probability_helps_people,
        probability_next_benefits=result.probability_next_benefits,
        members=tuple(_member(snapshot.settings, m, times) for m in result.members),
        without_estimate=result.without_estimate,
        imputed=None if result.imputed is None else told(result.imputed.mean),
        heavy_tailed=None if result.heavy_tailed is None else told(result.heavy_tailed.mean),
        is_staggered=len(changes) > 1,
        is_standardised=standardised,
        traits=told_traits(result, times),
        between_case=told_between_case(result, own_unit, own_times),
    )


def member_of(
    settings: Settings, snapshot: Snapshot, key: ExperimentKey, kind: str, metric: str
) -> tuple[KindInput, KindMember] | None:
    """Return the kind that an experiment counts in, and its place there.

    Parameters
    ----------
    settings, snapshot
        The installation.
    key
        The experiment.
    kind, metric
        What it is pooled as.

    Returns
    -------
    tuple or None
        None where nothing is told of the kind, or this experiment has no part in it.
    """
    result = PooledStore(settings).read(kind, metric)
    if not isinstance(result, PooledResult):
        return None
    told = kind_input(snapshot, result)
    found = [m for m in told.members if ExperimentKey(m.user_id, m.intervention_id) == key]
    return (told, found[0]) if found else None


def _member(settings: Settings, member: PooledMember, times: float) -> KindMember:
    from its_pipeline.report.kinds import Interval, KindMember

    key = str(ExperimentKey(member.user_id, member.intervention_id))
    page, href = page_path(settings, key), page_url(settings, key)
    if page.is_file():
        href = f"../../{page.relative_to(settings.reports_dir).as_posix()}"
    numbers = (member.mean, member.sd, member.ci_lower, member.ci_upper)
    return KindMember(
        user_id=member.user_id,
        intervention_id=member.intervention_id,
        started_on=date.fromisoformat(member.started_on),
        own=Interval.normal(times * member.own_mean, times * member.own_sd),
        pooled=Interval(*(times * number for number in numbers)),
        probability_of_benefit=member.probability_of_benefit,
        moved_in_sds=member.moved_in_sds,
        weight=member.weight,
        href=href,
    )


def _name_of(snapshot: Snapshot, result: PooledResult) -> str:
    """Return what most members call it; of several, the first of the alphabet."""
    members = {(m.user_id, m.intervention_id) for m in result.members}
    names = Counter(
        each.name
        for user_id in {user for user, _ in members}
        for each in snapshot.interventions.get(user_id, ())
        if (user_id, each.intervention_id) in members and each.name
    )
    return min(names, key=lambda name: (-names[name], name)) if names else result.kind


def _publish(settings: Settings, snapshot: Snapshot, result: PooledResult) -> bool:
    """Write a kind's page unless it shows this already; tell whether it was written."""
    from its_pipeline.report.kind_page import pictured, render_kind

    page = kind_page_path(settings, result.kind, result.metric)
    remove_unfinished(page.parent)
    told = kind_input(snapshot, result)
    shown = _shown(told, result)
    mark = _mark_path(page)
    known = read_or_set_aside(mark, lambda file: json.loads(file.read_bytes()), settings.store_root)
    if (
        isinstance(known, dict)
        and known.get("shown") == shown
        and page.is_file()
        and digest_of(page) == known.get("digest")
    ):
        return False
    drawn = {member.user_id for member in pictured(told)}
    prints = {member.user_id: member.fingerprint for member in result.members}
    members = tuple(
        _with_picture(settings, member, prints[member.user_id])
        if member.user_id in drawn
        else member
        for member in told.members
    )
    html = render_kind(replace(told, members=members), INDEX_HREF).encode()
    mark.unlink(missing_ok=True)
    write_bytes(page, html)
    write_json(mark, {"shown": shown, "digest": hashlib.sha256(html).hexdigest()})
    return True


def _shown(told: KindInput, result: PooledResult) -> str:
    """Return the digest of everything that a kind's page is made from."""
    parts = [KIND_PAGE_VERSION, result.fingerprint, result.made_at, repr(told)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _mark_path(page: Path) -> Path:
    return page.with_name(f".{page.name}.json")


def _with_picture(settings: Settings, member: KindMember, fingerprint: str) -> KindMember:
    """Return a member with a picture and days from the analysis that the pool is of."""
    from its_pipeline.its.plots import thumbnail_png

    key = str(ExperimentKey(member.user_id, member.intervention_id))
    analysis = open_store(settings).analysis(key, fingerprint, with_trace=False)
    if analysis is None or analysis.effects is None:
        return member
    series = None if analysis.spec.calendar.is_sessions else _series(analysis)
    return replace(member, picture=thumbnail_png(analysis), series=series)


def _series(analysis: Any) -> Series:
    from its_pipeline.report.kinds import Series

    days = analysis.daily["day"].dt.date
    values = analysis.daily["observed"]
    return Series(tuple(days), tuple(None if value != value else float(value) for value in values))


def _remove_others(folder: Path, pages: Collection[Path]) -> int:
    """Delete the pages of kinds of which nothing may be told any more."""
    removed = 0
    for page in folder.glob("*/*.html"):
        if page not in pages:
            page.unlink()
            removed += 1
    for mark in folder.glob("*/.*.html.json"):
        if mark.with_name(mark.name[1 : -len(".json")]) not in pages:
            mark.unlink()
    for each in folder.iterdir():
        if each.is_dir():
            remove_unfinished(each)
            if not any(each.iterdir()):
                each.rmdir()
    return removed


def _put_sections(settings: Settings, snapshot: Snapshot, told: Iterable[PooledResult]) -> int:
    """Bring the section up to date on every page that has one or should."""
    from its_pipeline.report.people_like_you import section_html

    wanted: dict[str, str] = {}
    for result in told:
        kind = kind_input(snapshot, result)
        for member in kind.members:
            key = str(ExperimentKey(member.user_id, member.intervention_id))
            wanted[key] = section_html(kind, member)
    changed = 0
    written = keys_with_files(settings) if has_shards(settings) else snapshot.experiment_keys()
    for key in sorted({*written, *wanted}):
        section = wanted.get(key)
        digest = None if section is None else section_digest(section)
        if shown_section(settings, key) != digest:
            changed += put_section(settings, key, section)
    return changed

"""The section "People like you" on a member's own page, and its place there.

Here belong what one person is told of a pool, without a name of anybody else, and putting it into a
page that is already written or taking it out again. When that is done belongs to the caller.
"""

from __future__ import annotations

import re
from typing import Any, Final

from its_pipeline.report import kind_words as words
from its_pipeline.report.drawing import Span, interval_svg
from its_pipeline.report.html import isolate, render_macro
from its_pipeline.report.kind_page import tone
from its_pipeline.report.kinds import Interval, KindInput, KindMember
from its_pipeline.report.sentence import date_text

#: Where it begins on a page: all text of people is escaped, so nothing else reads like that.
_BEGIN: Final = '<section class="others" aria-labelledby="others">'
_WHOLE = re.compile(re.escape(_BEGIN) + r".*?</section>\n", re.DOTALL)
#: What it stands ahead of. A page without an answer has none of it, and gets no section.
_PLACE: Final = '<section aria-labelledby="figures">\n'


def section_view(kind: KindInput, member: KindMember) -> dict[str, Any]:
    """Return what the section shows: nothing of any other single person.

    Parameters
    ----------
    kind, member
        The pool, and whose page it is.
    """
    lines = (
        ("These days alone", member.own),
        ("Given the others", member.pooled),
        ("Average of all", kind.mean),
        ("A next person", kind.next_person),
    )
    shown = [effect for _, effect in lines[1:]]
    reach = max(max(abs(each.ci_lower), abs(each.ci_upper)) for each in shown) or 1.0
    return {
        "sentence": isolate(words.alone_sentence(kind, member), ""),
        "meaning": isolate(words.meaning_sentence(kind, member), ""),
        "next": isolate(words.next_sentence(kind), ""),
        "people": kind.n_people,
        "made_on": date_text(kind.made_on),
        "rows": [_line(name, effect, kind, reach) for name, effect in lines],
    }


def _line(name: str, effect: Interval, kind: KindInput, reach: float) -> dict[str, Any]:
    mean, interval = words.effect_text(effect, kind.unit)
    span = Span(effect.mean, effect.ci_lower, effect.ci_upper, tone(effect, kind.direction))
    return {
        "name": name,
        "mean": mean,
        "interval": interval,
        "drawing": interval_svg(span, reach),
    }


def section_html(kind: KindInput, member: KindMember) -> str:
    """Return the section as HTML, ready for `with_section`."""
    return f"{_BEGIN}\n{render_macro('people_like_you', section_view(kind, member))}</section>\n"


def section_of(page: str) -> str | None:
    """Return the section that a page has; None where it has none."""
    found = _WHOLE.search(page)
    return found[0] if found else None


def with_section(page: str, section: str | None) -> str:
    """Return a page with another section in the place of the one it has, or without any.

    Parameters
    ----------
    page
        A report or a page of a state. The latter has no answer and gets none.
    section
        What `section_html` made; None takes it out.
    """
    alone = _WHOLE.sub("", page, count=1)
    if section is None or _PLACE not in alone:
        return alone
    return alone.replace(_PLACE, section + _PLACE, 1)

"""From a template and a view to one HTML file that needs nothing but itself.

Here belong the Jinja environment, the content security policy and data URIs. What a page says
belongs to `page` and `index`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from jinja2 import Environment

# Bidirectional classes of characters that can change the order of those around them.
_ISOLATES = frozenset({"LRI", "RLI", "FSI", "PDI"})
_TURNING = _ISOLATES | {"R", "AL", "AN", "LRE", "RLE", "LRO", "RLO", "PDF"}


_OWN = "its_pipeline.report"


@dataclass(frozen=True)
class Site:
    """Where pages come from, and what they may do.

    Attributes
    ----------
    package
        Its `templates` come ahead of this package's.
    styles
        Style sheets, one after the other.
    form_action
        Source of the content security policy for what forms may be sent to.
    referrer
        Policy of what links tell; browsers leave out where a form comes from under `no-referrer`.
    """

    package: str
    styles: tuple[str, ...]
    form_action: str
    referrer: str


FILES: Final = Site(_OWN, ("style.css",), "'none'", "no-referrer")
"""Pages that are files and need no server."""


@functools.lru_cache(maxsize=4)
def _environment(package: str) -> Environment:
    """Return the environment: everything is escaped, an unknown name is an error."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    packages = dict.fromkeys((package, _OWN))
    return Environment(
        loader=ChoiceLoader([PackageLoader(name, "templates") for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def load_templates() -> int:
    """Compile the templates of pages, so that the next page is fast; return how many there are."""
    environment = _environment(_OWN)
    names = environment.list_templates(extensions=["html"])
    for name in names:
        environment.get_template(name)
    return len(names)


@functools.lru_cache(maxsize=8)
def _asset(package: str, name: str) -> str:
    """Return a style sheet or script, of a package or of this one, as text."""
    loader = _environment(package).loader
    if loader is None:
        raise ValueError(f"the templates of {package} should have a loader")
    return loader.get_source(_environment(package), name)[0].strip()


def _hash_source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _policy(css: str, script: str, form_action: str) -> str:
    """Return a content security policy that lets this one style sheet and script run, no more."""
    scripts = _hash_source(script) if script else "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src {_hash_source(css)}; "
        f"script-src {scripts}; base-uri 'none'; form-action {form_action}"
    )


def render_page(template: str, view: Any, script: str | None = None, site: Site = FILES) -> str:
    """Return a template filled with a view as one self-contained HTML page.

    Parameters
    ----------
    template
        File name under `templates`.
    view
        What the template shows as `view`.
    script
        File name of the page's one script, or None.
    site
        Where the template lies, and what the page may do.
    """
    css = "\n".join(_asset(site.package, name) for name in site.styles)
    code = _asset(site.package, script) if script else ""
    return (
        _environment(site.package)
        .get_template(template)
        .render(
            view=view,
            css=css,
            script=code,
            policy=_policy(css, code, site.form_action),
            referrer=site.referrer,
        )
    )


def render_macro(name: str, *args: Any) -> Markup:
    """Return one macro of `macros.html`, filled."""
    module = _environment(_OWN).get_template("macros.html").module
    return cast("Markup", getattr(module, name)(*args))


def data_uri(png: bytes) -> str:
    """Return a PNG as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def png_size(png: bytes) -> tuple[int, int]:
    """Return width and height of a PNG in pixels, from its header."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def safe_href(address: str | None) -> str | None:
    """Return an address that may be linked: http, https or relative; else None.

    A control character or white space in it makes it None as well, since browsers drop them
    before they read the scheme.
    """
    if not address or any(ord(c) <= 32 or ord(c) == 127 for c in address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme in ("http", "https"):
        return address if parts.netloc else None
    if parts.scheme or parts.netloc or address.startswith(("/", "\\")):
        return None
    return address


def isolate(text: str, name: str) -> Markup:
    """Escape `text` and isolate `name` in it, so that its writing direction stays its own.

    A percent sign is tied to its number.
    """
    safe = escape(text.replace(" %", "\N{NO-BREAK SPACE}%"))
    if not name:
        return safe
    return safe.replace(escape(name), Markup("<bdi>{}</bdi>").format(name))


def own_direction(text: str) -> str:
    """Return text from outside so that it cannot turn the writing direction of what follows.

    Text of one direction comes back as it is. Other text is put between the characters that
    isolate it (Unicode Standard Annex 9), which end every override inside; those that it carries
    itself are dropped, so that it cannot leave.
    """
    if all(unicodedata.bidirectional(c) not in _TURNING for c in text):
        return text
    inside = "".join(c for c in text if unicodedata.bidirectional(c) not in _ISOLATES)
    return f"\N{FIRST STRONG ISOLATE}{inside}\N{POP DIRECTIONAL ISOLATE}"


def one_line(text: str) -> str:
    """Return text without control, format and direction characters, for titles."""
    plain = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    return " ".join(plain.split())

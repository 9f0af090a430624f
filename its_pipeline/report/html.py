"""From a template and a view to one HTML file that needs nothing but itself.

Here belong the Jinja environment, the content security policy and data URIs. What a page says
belongs to `page` and `index`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import unicodedata
from importlib import resources
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from jinja2 import Environment

# Bidirectional classes of characters that can change the order of those around them.
_ISOLATES = frozenset({"LRI", "RLI", "FSI", "PDI"})
_TURNING = _ISOLATES | {"R", "AL", "AN", "LRE", "RLE", "LRO", "RLO", "PDF"}


@functools.lru_cache(maxsize=1)
def _environment() -> Environment:
    """Return the environment: everything is escaped, an unknown name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("its_pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.lru_cache(maxsize=8)
def _asset(name: str) -> str:
    """Return a style sheet or script of the package as text."""
    folder = resources.files("its_pipeline.report").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8").strip()


def _hash_source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _policy(css: str, script: str) -> str:
    """Return a content security policy that lets this one style sheet and script run, no more."""
    scripts = _hash_source(script) if script else "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src {_hash_source(css)}; "
        f"script-src {scripts}; base-uri 'none'; form-action 'none'"
    )


def render_page(template: str, view: Any, script: str | None = None) -> str:
    """Return a template filled with a view as one self-contained HTML page.

    Parameters
    ----------
    template
        File name under `templates`.
    view
        What the template shows as `view`.
    script
        File name of the page's one script, or None.
    """
    css = _asset("style.css")
    code = _asset(script) if script else ""
    return (
        _environment()
        .get_template(template)
        .render(view=view, css=css, script=code, policy=_policy(css, code))
    )


def render_macro(name: str, *args: Any) -> Markup:
    """Return one macro of `macros.html`, filled."""
    module = _environment().get_template("macros.html").module
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

"""How every figure looks, and how a figure becomes bytes.

Here belong the one style sheet, the colours, the small helpers all figures share and `render`. What
a figure shows belongs in the other `plots_*` modules. Matplotlib is imported inside functions and
used through its object interface only: no pyplot, no current figure, no window system.
"""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable
from datetime import date
from math import inf
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

from its_pipeline.schedules.cadence import SESSION_ZERO, Cadence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

P = ParamSpec("P")
R = TypeVar("R")

FigureFormat = Literal["png", "svg"]
FORMATS: tuple[FigureFormat, ...] = ("png", "svg")
DEFAULT_DPI = 150

# Okabe and Ito's palette, told apart by colour-blind readers; every use also differs in line style
# or lightness, so that a grey print loses nothing.
INK = "#1f2933"
MUTED = "#5f6c7b"
FAINT = "#c9d1da"
GRID = "#e6eaef"
BLUE = "#0072b2"
ORANGE = "#c2500a"
ORANGE_RGB = (0xC2 / 255, 0x50 / 255, 0x0A / 255)
GREEN = "#00735c"
WASHOUT = "#f0e6c8"
# With more than four chains line styles come again: those that share one differ most in colour,
# also in grey and for colour-blind readers.
CHAIN_COLOURS = (
    "#0072b2",
    "#c2500a",
    "#007a5e",
    "#7a3e8f",
    "#2f9bd8",
    "#b0366f",
    "#444f5a",
    "#8a6d00",
)
CHAIN_STYLES = ("-", "--", "-.", ":")

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    # A fixed place for titles: searching for a free one costs a quarter of the drawing time.
    "axes.titley": 1.0,
    "axes.titlepad": 6.0,
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.xmargin": 0.015,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.4,
    "lines.solid_capstyle": "round",
    "path.simplify_threshold": 0.5,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "its_pipeline",
}

# Matplotlib's settings and its text caches are shared by all threads and not guarded; an HTTP
# server draws from several.
_DRAWING = threading.RLock()


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run `draw` under the style sheet, one thread at a time; restore the settings after."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with _DRAWING, mpl.rc_context(cast("Any", STYLE)):
            return draw(*args, **kwargs)

    return wrapper


@styled
def render(figure: Figure, fmt: FigureFormat = "png", dpi: int = DEFAULT_DPI) -> bytes:
    """Return a figure as the bytes of a PNG or SVG file.

    Parameters
    ----------
    figure
        A figure of this package.
    fmt
        "png" or "svg". An SVG keeps its text as text and carries no date: equal figures,
        equal bytes.
    dpi
        Dots per inch of a PNG, between 20 and 600; an SVG ignores it.

    Raises
    ------
    ValueError
        If the format is unknown or the resolution out of range.
    """
    if fmt not in FORMATS:
        raise ValueError(f"fmt must be one of {', '.join(FORMATS)} but got {fmt!r}")
    if not 20 <= dpi <= 600:
        raise ValueError(f"dpi must be in the interval [20, 600] but got {dpi}")
    if fmt == "svg":
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()
    return _palette_png(figure, dpi)


def _palette_png(figure: Figure, dpi: int) -> bytes:
    """Return a PNG of 256 colours: a third of the bytes of full colour, and faster to pack."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image as Images

    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        raise ValueError(
            f"figure must have the Agg canvas but has {type(canvas).__name__}; use its.plots"
        )
    figure.set_dpi(dpi)
    canvas.draw()
    pixels = Images.frombuffer(
        "RGBA", canvas.get_width_height(), canvas.buffer_rgba().tobytes()
    ).convert("RGB")
    image = pixels.quantize(
        colors=256, method=Images.Quantize.FASTOCTREE, dither=Images.Dither.NONE
    )
    _keep_background(image, pixels)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=3, dpi=(dpi, dpi))
    return buffer.getvalue()


def _keep_background(image: Image, pixels: Image) -> None:
    """Give the palette entry of the corner pixel its exact colour again: white stays white."""
    corner = cast("int", image.getpixel((0, 0)))
    palette = image.getpalette() or []
    palette[3 * corner : 3 * corner + 3] = cast("tuple[int, int, int]", pixels.getpixel((0, 0)))
    image.putpalette(palette)


def date_number(day: date) -> float:
    """Return a date as Matplotlib's day number."""
    import matplotlib.dates as mdates

    return float(cast("Any", mdates.date2num(day)))


def date_axis(ax: Axes, calendar: Cadence, show_labels: bool = True) -> None:
    """Label the x axis with few, whole local dates, or numbers of sessions."""
    import matplotlib.dates as mdates

    if calendar.is_sessions:
        _session_axis(ax, show_labels)
        return
    locator = mdates.AutoDateLocator(minticks=3, maxticks=7)
    ax.xaxis.set_major_locator(locator)
    if show_labels:
        # The note at the end names the year alone: a month there reads like the axis' first one.
        notes = ["", "%Y", "%Y", "%Y", "%Y-%m-%d", "%Y-%m-%d %H:%M"]
        ax.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, offset_formats=notes))
    else:
        ax.tick_params(axis="x", labelbottom=False)


def _session_axis(ax: Axes, show_labels: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    zero = date_number(SESSION_ZERO)

    class Sessions(MaxNLocator):
        def tick_values(self, vmin: float, vmax: float) -> Any:
            return [tick + zero for tick in super().tick_values(vmin - zero, vmax - zero)]

    ax.xaxis.set_major_locator(Sessions(nbins=7, integer=True))
    if show_labels:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"session {x - zero:.0f}"))
    else:
        ax.tick_params(axis="x", labelbottom=False)


def fit_height(ax: Axes, *drawn: Any, possible: tuple[float, float] = (-inf, inf)) -> None:
    """Set the y limits to the values that are drawn and a twentieth more on either side.

    What the outcome cannot be, outside `possible`, is left out.

    Matplotlib's own scaling reads bands through the present limits, so that its last bits depend
    on what the axes showed before.
    """
    import numpy as np

    values = np.concatenate([np.ravel(np.asarray(each, dtype=float)) for each in drawn])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    pad = 0.05 * (high - low) or 1.0
    ax.set_ylim(max(low - pad, possible[0]), min(high + pad, possible[1]))


def date_numbers(days: Any) -> Any:
    """Return dates as Matplotlib's day numbers, shape (n,), so that no axis converts units."""
    import matplotlib.dates as mdates

    return mdates.date2num(days.to_numpy())


def readable_number(value: float, scale: float | None = None) -> str:
    """Return a number with as many decimals as its uncertainty `scale` deserves."""
    from math import floor, isfinite, log10

    if not isfinite(value):
        return "n/a"
    reference = abs(scale) if scale else abs(value)
    decimals = 0 if reference == 0 else min(4, max(0, 1 - floor(log10(reference))))
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0.0:
        text = text.lstrip("-")
    return text.replace("-", "−")


@functools.lru_cache(maxsize=1)
def _known_glyphs() -> frozenset[int]:
    """Return the code points that the figures' own font can draw."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    path = findfont(FontProperties(family=STYLE["font.family"]))
    return frozenset(get_font(path).get_charmap())


def axis_label(text: str, limit: int = 42) -> str:
    """Return user text safe to draw: one line, cut, `□` for what the font cannot draw."""
    known = _known_glyphs()
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    short = flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
    return "".join(c if ord(c) in known else "□" for c in short)

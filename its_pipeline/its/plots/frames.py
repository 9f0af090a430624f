"""Figures as an empty frame and what fills it, so that a thousand reports share a few frames.

Here belong the recycling of frames and the canvas that remembers texts it has drawn. Most of the
time that a figure takes goes into making axes, ticks and letters, which are the same in every
report. What a figure shows belongs in the other `plots_*` modules. A recycled frame must give the
same bytes as a fresh one; a test holds that.
"""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from its_pipeline.its.plots import style

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from its_pipeline.its import Analysis

MOST_FRAMES: Final = 24
"""Frames kept for reuse; each holds its pixels, some 5 MB at 150 dpi."""
MOST_TEXTS: Final = 2000
"""Drawn texts kept; a tick label of 150 dpi takes about 2 KB."""
_MOST_TICKS: Final = 16
"""More than any axis here has."""

_legend_forms: WeakKeyDictionary[Axes, Hashable] = WeakKeyDictionary()
_frames: OrderedDict[Hashable, Figure] = OrderedDict()
_texts: OrderedDict[Hashable, tuple[np.ndarray, int, int]] = OrderedDict()


@dataclass(frozen=True)
class Drawing:
    """One kind of figure.

    Parameters
    ----------
    name
        Tells it from other kinds.
    shape
        What of an analysis decides which axes there are.
    frame
        Makes the empty figure of a shape: axes, and whatever no analysis changes.
    fill
        Draws an analysis, under a label for its outcome, into an empty figure.
    """

    name: str
    shape: Callable[[Analysis], Hashable]
    frame: Callable[[Any], Figure]
    fill: Callable[[Figure, Analysis, str], None]

    @style.styled
    def figure(self, analysis: Analysis, label: str = "") -> Figure:
        """Return a figure of its own, which the caller may change."""
        figure = self.frame(self.shape(analysis))
        self.fill(figure, analysis, label)
        return figure

    @style.styled
    def png(self, analysis: Analysis, label: str = "", dpi: int = style.DEFAULT_DPI) -> bytes:
        """Return the PNG of `figure`, drawn into a frame that is used again and again."""
        shape = self.shape(analysis)
        key = (self.name, shape, dpi)
        # Taken out while it is in use: one that fails half-way is never used again.
        figure = _frames.pop(key, None)
        if figure is None:
            figure = self.frame(shape)
        n_texts = len(figure.texts)
        self.fill(figure, analysis, label)
        png = style.render(figure, "png", dpi)
        for ax in figure.axes:
            _clear(ax)
        for text in figure.texts[n_texts:]:
            text.remove()
        _frames[key] = figure
        while len(_frames) > MOST_FRAMES:
            _frames.popitem(last=False)
        return png


def _clear(ax: Axes) -> None:
    """Take everything out of the axes that `fill` put in, and forget its limits."""
    for artist in [*ax.lines, *ax.collections, *ax.patches, *ax.texts]:
        artist.remove()
    legend = ax.get_legend()
    if legend is not None:
        legend.set_visible(False)
    ax.relim()
    ax.set_autoscale_on(True)


def draw_legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], /, **options: Any) -> None:
    """Draw a legend, or write new numbers into the one that the axes had before.

    Parameters
    ----------
    ax
        Where.
    handles, names
        What is explained, and how; `options` are `Axes.legend`'s and the same at every call.
    """
    form = tuple(
        (re.sub(r"\d+", "0", name), getattr(handle, "_markersize", None))
        for handle, name in zip(handles, names, strict=True)
    )
    legend = ax.get_legend()
    if legend is None or _legend_forms.get(ax) != form:
        ax.legend(handles, names, **options)
        _legend_forms[ax] = form
        return
    legend.set_visible(True)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def fix_x_label(ax: Axes, below_points: float = 17.0) -> None:
    """Put the label of the x axis at a fixed distance from the axes.

    Matplotlib would look for its place below the tick labels, which takes a fifth of the time that
    a figure takes; here tick labels have one size.
    """
    from matplotlib.transforms import ScaledTranslation

    down = ScaledTranslation(0, -below_points / 72, _figure_of(ax).dpi_scale_trans)
    ax.xaxis.set_label_coords(0.5, 0.0, transform=ax.transAxes + down)
    _spare_search(ax.xaxis)


def fix_y_label(ax: Axes, from_left: float) -> None:
    """Put the label of the y axis at a fixed place, as a share of the figure's width."""
    from matplotlib.transforms import blended_transform_factory

    place = blended_transform_factory(_figure_of(ax).transFigure, ax.transAxes)
    ax.yaxis.set_label_coords(from_left, 0.5, transform=place)
    _spare_search(ax.yaxis)


def _figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("the axes should be part of a figure")
    return figure


def _spare_search(axis: Axis) -> None:
    for tick in axis.get_major_ticks(_MOST_TICKS):
        tick.label1.set_in_layout(False)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` by `height` inches, bound to the Agg canvas only."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    _canvas_class()(figure)
    return figure


@functools.cache
def _canvas_class() -> type:
    """Return Agg's canvas with a renderer that draws the same text once.

    Texts are put on whole pixels: then a text that was drawn anywhere can be copied everywhere.
    """
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

    def drawn(
        renderer: RendererAgg, gc: Any, s: str, prop: Any, angle: float, mtext: Any
    ) -> tuple[np.ndarray, int, int]:
        """Return a text's pixels and where they lie from its anchor, to the right and down."""
        width, height, descent = renderer.get_text_width_height_descent(s, prop, False)
        reach = int(width + height + descent) + 4
        scratch = RendererAgg(2 * reach, 2 * reach, renderer.dpi)
        scratch.draw_text(gc, reach, reach, s, prop, angle, False, mtext)
        pixels = np.asarray(scratch.buffer_rgba())
        inked = pixels[..., 3] > 0
        rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
        if not len(rows):
            return np.zeros((0, 0, 4), dtype=np.uint8), 0, 0
        top, left = int(rows[0]), int(columns[0])
        # From the lowest row up, as `draw_image` takes it.
        cut = pixels[top : rows[-1] + 1, left : columns[-1] + 1][::-1].copy()
        return cut, left - reach, top - reach

    class RememberingRenderer(RendererAgg):
        def draw_text(
            self,
            gc: Any,
            x: float,
            y: float,
            s: str,
            prop: Any,
            angle: float,
            ismath: Any = False,
            mtext: Any = None,
        ) -> None:
            if ismath or gc.get_clip_path()[0] is not None:
                super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
                return
            key = (s, hash(prop), angle, self.dpi, gc.get_rgb(), gc.get_alpha())
            found = _texts.get(key)
            if found is None:
                found = drawn(self, gc, s, prop, angle, mtext)
                _texts[key] = found
                if len(_texts) > MOST_TEXTS:
                    _texts.popitem(last=False)
            else:
                _texts.move_to_end(key)
            pixels, right, down = found
            if pixels.size:
                below = int(self.height) - round(y) - down - pixels.shape[0]
                self.draw_image(gc, round(x) + right, below, pixels)

    class Canvas(FigureCanvasAgg):
        def get_renderer(self) -> RendererAgg:
            wanted = (*self.get_width_height(physical=True), self.figure.dpi)
            if wanted != getattr(self, "_drawn_for", None):
                self.renderer = RememberingRenderer(*wanted)
                self._drawn_for = wanted
            return self.renderer

    return Canvas

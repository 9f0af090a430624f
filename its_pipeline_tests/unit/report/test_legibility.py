"""The figures in a grey print and for colour-blind readers: what is told apart, by what.

Two things that one panel's legend names, or that a reader compares, must differ in line style,
marker or hatching, or else in a colour that stays different in grey and for each of the three kinds
of dichromats.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from typing import Any

import matplotlib.colors as mcolors  # noqa: TID253
import numpy as np
import pytest
from matplotlib.axes import Axes  # noqa: TID253
from matplotlib.collections import LineCollection, PolyCollection  # noqa: TID253
from matplotlib.container import BarContainer  # noqa: TID253
from matplotlib.figure import Figure  # noqa: TID253
from matplotlib.lines import Line2D  # noqa: TID253
from matplotlib.patches import Rectangle  # noqa: TID253

from its_pipeline.its import plots
from its_pipeline.its.plots import style as plots_style
from its_pipeline_tests.unit.report.factories import make_analysis

#: What a dichromat sees, on linear RGB (Machado, Oliveira & Fernandes 2009, severity 1.0); for grey
#: the relative luminance of sRGB on all three channels.
SIGHTS = {
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
#: Distance in CIELAB (1976) from which two areas side by side are told apart without effort; just
#: noticeable is about 2.3 (Mahy et al. 1994).
APART = 5.0
#: Contrast of lines, marks and text against the paper, from WCAG 2.1, 1.4.11 and 1.4.3.
CONTRAST_OF_MARKS = 3.0
CONTRAST_OF_TEXT = 4.5


def linear(colour: Any) -> np.ndarray:
    """A colour over white paper as linear RGB, shape (3,)."""
    red, green, blue, alpha = mcolors.to_rgba(colour)
    shown = np.array([red, green, blue]) * alpha + (1 - alpha)
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB under D65, shape (3,)."""
    ratio = XYZ @ rgb / XYZ.sum(axis=1)
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def distance(first: Any, second: Any, sight: str) -> float:
    seen = [
        lab(np.clip(np.array(SIGHTS[sight]) @ linear(colour), 0, 1)) for colour in (first, second)
    ]
    return float(np.linalg.norm(seen[0] - seen[1]))


def contrast_with_paper(colour: Any) -> float:
    return 1.05 / (float(np.array(SIGHTS["grey"][0]) @ linear(colour)) + 0.05)


def look_of(artist: Any) -> tuple[Hashable, Any]:
    """How an artist is told apart without colour, and its colour."""
    if isinstance(artist, Line2D):
        dashes = str(artist._unscaled_dash_pattern)  # type: ignore[attr-defined]
        marker = str(artist.get_marker())
        colour = artist.get_color() if marker in ("None", "") else artist.get_markerfacecolor()
        shape = marker if str(artist.get_linestyle()) == "None" else (marker, dashes)
        return shape, mcolors.to_rgba(colour, artist.get_alpha())
    if isinstance(artist, LineCollection):
        return ("thin lines",), artist.get_color()[0]
    if isinstance(artist, PolyCollection):
        return ("area", artist.get_hatch()), artist.get_facecolor()[0]
    assert isinstance(artist, Rectangle)
    return ("area", artist.get_hatch()), artist.get_facecolor()


def dashes_of(artist: Any) -> list[Any]:
    """The line styles of one artist or of all in a collection."""
    found = artist.get_linestyle()
    return found if isinstance(artist, LineCollection) else [found]


def named_pairs(ax: Axes) -> Iterator[tuple[str, Any, Any]]:
    """Pairs of what a panel names, that look the same but for their colour."""
    handles, names = ax.get_legend_handles_labels()
    artists: list[Any] = [h[0] if isinstance(h, BarContainer) else h for h in handles]
    for (name, one), (other, two) in itertools.combinations(zip(names, artists, strict=True), 2):
        (look, colour), (other_look, other_colour) = look_of(one), look_of(two)
        if look == other_look:
            yield f"{name} / {other}", colour, other_colour


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    analysis = make_analysis(9.0, 0.1, washout_days=5, missing=0.2, minimum_effect=2.0)
    return {
        "counterfactual": plots.counterfactual_figure(analysis, "Score"),
        "predictive_check": plots.predictive_check_figure(analysis, "Score"),
        "effects": plots.effects_figure(analysis),
        "diagnostics": plots.diagnostics_figure(analysis),
    }


@pytest.mark.parametrize("name", ["counterfactual", "predictive_check", "effects", "diagnostics"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_what_a_legend_names_is_told_apart(figures, name: str, sight: str):
    for ax in figures[name].axes:
        for pair, one, two in named_pairs(ax):
            assert distance(one, two, sight) >= APART, pair


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_share_that_counts_as_benefit_is_told_from_the_rest(figures, sight: str):
    checked = 0
    for ax in figures["effects"].axes:
        rest, benefit = (area.get_facecolor()[0] for area in ax.collections[:2])
        assert ax.collections[1].get_gid() == "benefit"
        assert distance(rest, benefit, sight) >= 3 * APART
        assert lab(linear(benefit))[0] < lab(linear(rest))[0], "the caption calls it darker"
        checked += 1
    assert checked == 3


def test_the_usual_four_chains_need_no_colour(figures):
    drawn = [
        [*map(str, itertools.chain(*map(dashes_of, [*ax.patches, *ax.collections])))]
        for ax in figures["diagnostics"].axes
        if ax.get_title(loc="left") == "Ranks by chain"
    ]
    assert len(drawn) == 4
    for looks in drawn:
        assert len(set(looks)) == len(looks) == 4


def test_observed_fitted_and_expected_need_no_colour(figures):
    named = zip(*reversed(figures["counterfactual"].axes[0].get_legend_handles_labels()))  # noqa: B905
    looks = {name: look_of(artist)[0] for name, artist in named}
    wanted = ["observed", "fitted mean", "expected without it", "effect", "95 % band"]
    assert len({looks[name] for name in wanted}) == len(wanted)


@pytest.mark.parametrize("name", ["INK", "MUTED", "BLUE", "ORANGE", "GREEN"])
def test_lines_marks_and_text_stand_out_from_the_paper(name: str):
    assert contrast_with_paper(getattr(plots_style, name)) >= CONTRAST_OF_TEXT


def test_chains_stand_out_from_the_paper():
    for colour in plots_style.CHAIN_COLOURS:
        assert contrast_with_paper(colour) >= CONTRAST_OF_MARKS, colour

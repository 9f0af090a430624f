"""One experiment on one page: the report of a converged analysis, or the page of its state.

Here belong the order of a page and what it says beside the numbers. The sentences belong to
`sentence`, table rows to `views`, HTML to the templates.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from its_pipeline.events.keys import shown_id
from its_pipeline.its.estimand_names import HEADLINE
from its_pipeline.report import state_texts, views
from its_pipeline.report.cent import (
    WwcRating,
    cent_caveat,
    cent_citation,
    cent_scope,
    checklist,
    reported_count,
    wwc_rating,
)
from its_pipeline.report.comparison_views import comparison_view
from its_pipeline.report.drawing import TONES, Span, Tone, dates_svg, scale_svg, status_tone
from its_pipeline.report.facts import Facts, finding, intervention_name, outcome_label, season_text
from its_pipeline.report.finding import finding_of
from its_pipeline.report.html import (
    data_uri,
    isolate,
    one_line,
    png_size,
    render_macro,
    render_page,
    safe_href,
)
from its_pipeline.report.inputs import STATUS_LABELS, ReportInput, StateInput
from its_pipeline.report.look_views import looks_view
from its_pipeline.report.plan_views import planned_view
from its_pipeline.report.schedule_views import schedule_view
from its_pipeline.report.sentence import (
    Answer,
    answer_sentences,
    date_text,
    decimals_for,
    number_text,
    percent,
)
from its_pipeline.report.told import told_effect

if TYPE_CHECKING:
    from its_pipeline.its import Analysis, Effect

FIGURE_DPI: Final = 150


def report_answer(report: ReportInput) -> Answer:
    """Return the answer in two sentences of a report."""
    return answer_sentences(finding(report))


def figure_pngs(report: ReportInput) -> dict[str, bytes]:
    """Draw the report's four figures.

    Returns
    -------
    dict
        Name of the figure (`its.plots.DRAWINGS`) to its PNG.
    """
    from its_pipeline.its import plots

    analysis, label = report.analysis, outcome_label(report)
    return {
        name: drawing.png(analysis, label, FIGURE_DPI) for name, drawing in plots.DRAWINGS.items()
    }


def render_facts(facts: ReportInput | StateInput) -> tuple[str, dict[str, bytes]]:
    """Return the page of an experiment whatever its state, and its figures by name."""
    if isinstance(facts, StateInput):
        return render_state_page(facts), {}
    pngs = figure_pngs(facts)
    return render_report(facts, pngs), pngs


def render_report(report: ReportInput, pngs: Mapping[str, bytes] | None = None) -> str:
    """Return the report of one experiment as a self-contained HTML page.

    Parameters
    ----------
    report
        A converged analysis with what is known around it.
    pngs
        What `figure_pngs` drew, where the caller has it already.
    """
    analysis = report.analysis
    if analysis.effects is None:
        raise ValueError(f"a report needs effects but {report.intervention.key} has none")
    times, unit = analysis.spec.told_effect
    view = {
        **_shared_view(report),
        **_answer_view(analysis, report_answer(report), intervention_name(report)),
        "effects": views.effect_rows(analysis),
        "widened": views.widened_text(analysis.spec.interval_factor),
        "what_if": views.what_if_rows(analysis),
        "dates": _dates(analysis),
        "comparisons": comparison_view(analysis),
        "coefficients": views.coefficient_rows(analysis),
        "assumptions": _assumptions(analysis),
        "figures": _figures(pngs or figure_pngs(report), analysis),
        "gate": views.gate_rows(analysis.diagnostics),
        "schedule": schedule_view(analysis),
        "looks": looks_view(report.looks, report.standing, unit, analysis.spec.calendar, times),
        "wwc": _wwc(analysis),
    }
    return render_page("report.html", view)


def answer_view(analysis: Analysis, name: str, outcome: str) -> dict[str, Any]:
    """Return what is shown of the answer of a question that is asked once.

    Parameters
    ----------
    analysis
        Any with effects.
    name, outcome
        The intervention's and the outcome's names for people.

    Raises
    ------
    ValueError
        If the analysis has no effects.
    """
    answer = answer_sentences(finding_of(analysis, name, outcome))
    return _answer_view(analysis, answer, name)


def _answer_view(analysis: Analysis, answer: Answer, name: str) -> dict[str, Any]:
    if analysis.effects is None:
        raise ValueError(f"an answer needs effects but the analysis of {name!r} has none")
    effect = told_effect(HEADLINE, analysis.effects.counterfactual, analysis.spec)
    least = analysis.spec.told_effect[0] * analysis.spec.minimum_effect
    tone = TONES[answer.kind]
    return {
        "tone": tone,
        "headline": answer.headline,
        "sentence_effect": isolate(answer.sentences[0], name),
        "sentence_probability": isolate(answer.sentences[1], name),
        "scale": _scale(analysis, effect, tone),
        "key_effect": _amount(effect),
        "key_benefit_name": (
            f"Probability of {least:g} or better" if least > 0 else "Probability that it helped"
        ),
        "key_benefit": percent(analysis.probability_of_benefit or 0.0),
        "counted": f"{analysis.spec.step.capitalize()}s {_counted(analysis)}",
        "n_pre": analysis.n_pre,
        "n_post": analysis.n_post,
        "warnings": views.warning_texts(
            analysis.warnings, analysis.spec.likelihood, analysis.spec.calendar
        ),
    }


def _counted(analysis: Analysis) -> str:
    return "without / with it" if analysis.is_on_and_off else "before / since"


def _wwc(analysis: Analysis) -> WwcRating:
    """Rate the design: each switch is one more attempt to show an effect."""
    found = analysis.by_schedule
    if found is None or not found.is_on_and_off:
        return wwc_rating((analysis.n_pre, analysis.n_post))
    return wwc_rating([phase.n for phase in found.phases], by_lot=found.randomisation is not None)


def _wwc_of_state(state: StateInput) -> WwcRating:
    """Rate the design by the observed days, or by the planned ones of a schedule."""
    intervention, window = state.intervention, state.window
    if intervention.schedule is None or window is None:
        return wwc_rating((state.n_pre or 0, state.n_post or 0))
    schedule = intervention.schedule.in_zone(intervention.time_zone)
    calendar = state.calendar
    n_steps = calendar.between(window.pre_start_on, window.final_end_on) + 1
    days = (calendar.later(window.pre_start_on, step) for step in range(n_steps))
    planned = [len(list(phase)) for _, phase in groupby(days, key=schedule.is_on)]
    return wwc_rating(planned, by_lot=schedule.is_randomised, planned=True)


def render_state_page(state: StateInput) -> str:
    """Return the page of an experiment that has no published effect.

    Parameters
    ----------
    state
        What happened and why; of a "not_converged" one the diagnostics are shown, nothing else.
    """
    analysis = state.analysis
    gate = [] if analysis is None else views.gate_rows(analysis.diagnostics)
    picture = Markup("")
    if analysis is not None:
        from its_pipeline.its import plots

        picture = _figure(
            plots.DIAGNOSTICS.png(analysis, dpi=FIGURE_DPI),
            "Sampler diagnostics",
            "Traces and rank histograms of the noise parameters, R-hat and effective sample sizes.",
            "Chains that agree look like one even band, and their ranks like one level line.",
        )
    view = {
        **_shared_view(state),
        "tone": status_tone(state.state),
        "headline": (
            "Withdrawn"
            if state.is_withdrawn
            else "Too early to tell"
            if state.state == "waiting"
            else STATUS_LABELS[state.state]
        ),
        "lead": state_texts.lead(state),
        "reason": state_texts.sentence(state.reason.strip() or "No reason is recorded."),
        "advice": state_texts.advice(state),
        "days": state_texts.day_counts(state),
        "gate": gate,
        "figure": picture,
        "wwc": _wwc_of_state(state),
        "planned": planned_view(state.planned, state.metric.unit if state.metric else ""),
    }
    return render_page("state.html", view)


def _shared_view(facts: Facts) -> dict[str, Any]:
    answers = checklist(facts)
    reported, applicable = reported_count(answers)
    name = intervention_name(facts)
    return {
        "name": name,
        "plain_title": one_line(f"{name} ({shown_id(facts.intervention.user_id)})"),
        "user_id": shown_id(facts.intervention.user_id),
        "outcome": outcome_label(facts),
        "step": facts.calendar.step,
        "started": date_text(facts.intervention.started_on, facts.calendar),
        "index_href": safe_href(facts.index_href),
        "trust_href": safe_href(facts.trust_href),
        "data": views.data_rows(facts),
        "origin": views.origin_rows(facts.provenance, facts.analysis),
        "command": facts.provenance.command,
        "cent": views.cent_sections(answers),
        "cent_reported": reported,
        "cent_applicable": applicable,
        "cent_scope": cent_scope(),
        "cent_citation": f"{cent_citation()} {cent_caveat()}",
    }


def _amount(effect: Effect) -> str:
    decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    sign = "+" if effect.mean > 0 else ""
    return f"{sign}{number_text(effect.mean, decimals)} {effect.unit}".rstrip()


def _scale(analysis: Analysis, effect: Effect, tone: Tone) -> Markup:
    decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
    lower, mean, upper = (
        number_text(value, decimals) for value in (effect.ci_lower, effect.mean, effect.ci_upper)
    )
    return scale_svg(
        Span(effect.mean, effect.ci_lower, effect.ci_upper, tone),
        (lower, mean, upper),
        analysis.spec.minimum_effect,
        analysis.spec.direction == "increase",
        f"Average effect {mean}, 95 % interval {lower} to {upper}",
    )


def _dates(analysis: Analysis) -> dict[str, Any] | None:
    """Return what is shown of when it changed; None where no change is clear."""
    dates = analysis.change_dates
    if not dates:
        return None
    likeliest, calendar = max(dates, key=lambda each: each.probability), analysis.spec.calendar
    declared = next(i for i, each in enumerate(dates) if each.step == 0)
    words = (
        f"Most probable about {date_text(likeliest.on, calendar)}; declared was "
        f"{date_text(analysis.intervention_on, calendar)}"
    )
    return {
        "picture": dates_svg([each.probability for each in dates], declared, words),
        "words": words,
        "first": date_text(dates[0].on, calendar),
        "last": date_text(dates[-1].on, calendar),
    }


def _assumptions(analysis: Analysis) -> list[str]:
    step, spec = analysis.spec.step, analysis.spec
    seasons = {
        "day_of_week": "a fixed weekday pattern",
        "month": "a fixed yearly pattern",
        "none": "no season",
    }
    season = season_text(analysis, seasons, "and perhaps a yearly wave")
    trend = "perhaps a straight trend" if spec.trend else "no trend"
    change = "a jump and a change of slope" if analysis.has_slope else "a jump"
    began = date_text(analysis.intervention_on, spec.calendar)
    alone = f"Nothing else that moves the outcome began on {began}."
    last = (
        "It is one change in one person. Another person, or the same person again, may differ; "
        "going back and forth more than once would show more."
    )
    if analysis.is_on_and_off:
        alone = "Nothing else that moves the outcome came and went with it."
        if analysis.randomisation is not None:
            alone = (
                f"The lot alone decided which {step}s were on: nothing else follows it by design."
            )
        change = f"a jump on the {step}s on, of much the same size unless the {step}s say otherwise"
        last = "It is one person. Another may differ."
    compared = analysis.comparisons
    names = ", ".join(each.name for each in compared.series) if compared is not None else ""
    return [
        alone,
        *([f"It did not affect {names}."] if names else []),
        f"Without the change the outcome would have gone on as before: {trend}, {season}, slow "
        f"drift that comes back, and chance that is new every {step}.",
        f"The effect is {change}, and holds within the {step}s that were counted.",
        f"{step.capitalize()}s without data are missing for reasons that have nothing to do with "
        "the outcome.",
        last,
    ]


def _figure(png: bytes, title: str, alt: str, caption: str, heading: bool = False) -> Markup:
    width, height = png_size(png)
    return render_macro("figure", data_uri(png), width, height, alt, title, caption, heading)


def _figures(pngs: Mapping[str, bytes], analysis: Analysis) -> dict[str, Markup]:
    from its_pipeline.its.plots.counted import is_discrete, is_yes_or_no

    step = analysis.spec.step
    shaded = f" Upright stripes of shade are {step}s with it." if analysis.is_on_and_off else ""
    seen = f"Dots are observed {step}s; gaps and ticks at the bottom are {step}s without data. "
    alike = "the observed curve lies among the simulated ones, about 5"
    if is_discrete(analysis):
        alike = "the observed bars end within the simulated ranges, at most about 5"
    single = f"{step}s"
    if is_yes_or_no(analysis):
        single = f"shares of seven {step}s"
        seen = (
            f"Ticks at the top are {step}s with a yes, at the bottom with a no, crosses {step}s "
            f"without data; squares are the share of yes in seven {step}s. "
        )
    return {
        "counterfactual": _figure(
            pngs["counterfactual"],
            "Observed against expected",
            "Observed values over time with the fitted mean, and the values expected without the "
            "change with their bands; below, the difference and its sum.",
            f"{seen}The dashed line is where this person would be expected had nothing changed, "
            "slow drift included; the shaded gap to the solid line is the effect. Bands hold it "
            f"with 50 % and 95 % probability.{shaded}",
        ),
        "effects": _figure(
            pngs["effects"],
            "How large the effect may be",
            "Posterior densities of the immediate effect, the change of trend and the average "
            "effect.",
            "The higher the curve, the more plausible the value. The bar is the 95 % interval, the "
            "solid line no change; the darker share counts as benefit.",
            heading=True,
        ),
        "predictive_check": _figure(
            pngs["predictive_check"],
            "Data against data simulated from the model",
            "Distribution, residual autocorrelation and time course of observed and simulated "
            "values.",
            f"If the model describes the data, {alike} in 100 {single} lie outside the band, and "
            "the residuals' correlation stays within the bars.",
        ),
        "diagnostics": _figure(
            pngs["diagnostics"],
            "Sampler diagnostics",
            "Traces and rank histograms of what was sampled, R-hat and effective sample sizes.",
            "Chains that agree look like one even band, and their ranks like one level line.",
        ),
    }

"""The asset ``peer_audit``: a few analyses fitted again by PyMC, weekly; and its check.

What belongs here: how the independent witness stands in Dagster. What does not: the second fit and
the comparison (`experiments.peer_audit`).
"""

import base64
from datetime import UTC, datetime

import dagster as dg

from its_pipeline.defs.names import GROUP_EXPERIMENTS, OWNERS
from its_pipeline.defs.resources import Installation


@dg.asset(
    deps=["its_report"],
    group_name=GROUP_EXPERIMENTS,
    owners=OWNERS,
    kinds={"pymc", "causalpy", "arviz"},
    description=(
        "The independent witness. A few analyses of one change, alone in its model, drawn by lot "
        "each week, are fitted again through CausalPy with PyMC's own graph of the same model, "
        "sampled by PyMC's own NUTS, diagnosed by ArviZ. None of the project's kernels "
        "take part, and no published number comes from here: the published ones are the "
        "quadrature's (its_fit)."
    ),
)
def peer_audit(
    context: dg.AssetExecutionContext, installation: dg.ResourceParam[Installation]
) -> dg.MaterializeResult:
    """Fit a few analyses again with PyMC, and compare."""
    from its_pipeline.experiments.peer_audit import audit_by_peers

    audit = audit_by_peers(installation.settings, datetime.now(UTC))
    context.log.info(
        f"{len(audit.pictures)} of {audit.candidates} analyses fitted again; "
        f"{len(audit.disagreeing)} estimands disagree"
    )
    records = [
        dg.TableRecord(
            {
                "experiment": each.key,
                "estimand": each.estimand,
                "ours": f"{each.mean:.4g} ± {each.sd:.3g}",
                "PyMC": f"{each.peer_mean:.4g} ± {each.peer_sd:.3g}",
                "R-hat": round(each.r_hat, 4),
                "agrees": "yes" if each.agrees else "no",
            }
        )
        for each in audit.answers
    ]
    shown: dict[str, dg.MetadataValue | int] = {"candidates": audit.candidates}
    if records:
        shown["answers"] = dg.MetadataValue.table(records)
    for key, (ours, theirs) in audit.pictures.items():
        name = key.replace("|", "_")
        shown[f"ours_{name}"] = _picture(ours, "the quadrature's counterfactual")
        shown[f"pymc_{name}"] = _picture(theirs, "CausalPy's picture of PyMC's fit")
    return dg.MaterializeResult(metadata=shown)


@dg.asset_check(
    asset=peer_audit,
    description=(
        "PyMC, sampling its own graph of the model, says what was published: means within a tenth "
        "of a standard deviation, standard deviations within a tenth, beyond Monte Carlo error."
    ),
)
def peers_agree(installation: dg.ResourceParam[Installation]) -> dg.AssetCheckResult:
    """Hold the published answers against PyMC's."""
    from its_pipeline.experiments.peer_audit import read_peer_audit

    audit = read_peer_audit(installation.settings)
    if audit is None or not audit.answers:
        return dg.AssetCheckResult(passed=True, description="no analysis could be fitted again yet")
    apart, unjudged = audit.disagreeing, audit.unjudged
    if apart:
        first = apart[0]
        said = (
            f"{len(apart)} of {len(audit.answers)} answers differ, first {first.estimand} of "
            f"{first.key}: {first.mean:.4g} ± {first.sd:.3g} published, {first.peer_mean:.4g} ± "
            f"{first.peer_sd:.3g} by PyMC"
        )
    elif unjudged:
        said = f"PyMC's chains did not mix for {len(unjudged)} of {len(audit.answers)} answers"
    else:
        said = f"{len(audit.answers)} answers are PyMC's too"
    return dg.AssetCheckResult(
        passed=not apart,
        severity=dg.AssetCheckSeverity.ERROR,
        description=said,
        metadata={"answers": len(audit.answers), "differ": len(apart), "unmixed": len(unjudged)},
    )


def _picture(png: bytes, title: str) -> dg.MetadataValue:
    data = base64.b64encode(png).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{data})")

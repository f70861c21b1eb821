"""The figure of the learning curves of a full training."""

from collections.abc import Mapping
from typing import Any

from ...evaluators.metrics import MAIN_METRICS
from ...evaluators.targets import stated_target
from ..figures.plots import COLOURS


def curve_page(result: Mapping[str, Any]) -> str:
    """Return an HTML page with the learning curves: main score, and both losses."""
    from plotly.subplots import make_subplots

    target = stated_target(result["data"])
    main = MAIN_METRICS[target]
    score, what = f"validation_{main.name}", main.name.replace("_", " ")
    loss = "squared error, standard deviations" if target == "regression" else "loss, nat"
    changed = "" if target == "regression" else " (smoothed labels, changed images)"
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, subplot_titles=(f"validation {what}", loss)
    )
    for number, training in enumerate(result["trainings"]):
        curve, colour = training["curve"], COLOURS[number % len(COLOURS)]
        epochs = list(range(1, len(curve) + 1))
        lines = (
            (1, score, what, "solid"),
            (2, "validation_loss", "validation loss", "solid"),
            (2, "train_loss", f"training loss{changed}", "dot"),
        )
        for row, key, name, dash in lines:
            figure.add_scatter(
                x=epochs,
                y=[point[key] for point in curve],
                name=f"{name}, training {number}",
                mode="lines",
                line={"color": colour, "dash": dash},
                row=row,
                col=1,
            )
        kept = training["kept_epoch"]
        figure.add_scatter(
            x=[kept],
            y=[curve[kept - 1][score]],
            name=f"kept, training {number}",
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": "circle-open"},
            row=1,
            col=1,
        )
    figure.update_xaxes(title_text="epoch", row=2, col=1)
    if main.share:
        figure.update_yaxes(tickformat=".0%", row=1, col=1)
    figure.update_layout(title=f"Full training of {result['network']}", height=700)
    return figure.to_html(include_plotlyjs=True, full_html=True)

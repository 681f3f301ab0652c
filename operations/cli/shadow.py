"""Verbs for a challenger in the endpoint's shadow: shadow start, stop, status, compare."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from operations.cli.parts.following import unattended
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table
from operations.target import Target

if TYPE_CHECKING:
    from operations.serving.shadow import Shadow

Package = Annotated[str, typer.Argument(help="ARN, version number or latest.")]
Wait = Annotated[bool, typer.Option(help="Wait until the endpoint has changed.")]

_GOES_ON = "what was asked for goes on by itself: `fraudloop shadow status` shows it"


@guide("fraudloop shadow start 4", then="fraudloop shadow compare")
@on_target
def start(
    target: Target, package: Package = "latest", wait: Wait = True, json: Json = None
) -> None:
    """Have a package answer what the deployed one is asked; it need not be approved.

    Its answers are captured, and nobody gets them.
    """
    from operations.serving import shadow as shadows

    with unattended(_GOES_ON):
        shadow = shadows.start(target, package, wait=wait)
    _show_shadow(shadow, json)


@guide("fraudloop shadow stop", then="fraudloop models")
@on_target
def stop(target: Target, wait: Wait = True, json: Json = None) -> None:
    """Take the challenger out of the shadow; what was captured of it stays."""
    from operations.serving import shadow as shadows

    with unattended(_GOES_ON):
        shadow = shadows.stop(target, wait=wait)
    _show_shadow(shadow, json)


@guide("fraudloop shadow status", then="fraudloop shadow compare")
@on_target
def status(target: Target, json: Json = None) -> None:
    """Say what is in the shadow."""
    from operations.serving import shadow as shadows

    _show_shadow(shadows.status(target), json)


@guide("fraudloop shadow compare --hours 48", then="fraudloop approve")
@on_target
def compare(
    target: Target,
    hours: Annotated[float, typer.Option(help="How far back.", min=0.01, max=24 * 63)] = 24.0,
    package: Annotated[
        str | None,
        typer.Option(help="The challenger; if omitted, the one that is in the shadow."),
    ] = None,
    json: Json = None,
) -> None:
    """Compare what champion and challenger answered to the same requests."""
    from operations.serving.shadow_comparison import compare as comparison_of

    found = comparison_of(target, hours=hours, package=package)
    show(
        found,
        json,
        table("Shadow", ["", "champion", "challenger"], _sides(found)),
        table("Answers to the same requests", ["", ""], _differences(found)),
        table(
            "Decisions",
            ["champion", "challenger", "answers"],
            [(row["champion"], row["challenger"], row["answers"]) for row in _decisions(found)],
        ),
    )


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    group = typer.Typer(
        help="Have a challenger answer in the shadow.", no_args_is_help=True, add_completion=False
    )
    for verb in (start, stop, status, compare):
        group.command()(verb)
    app.add_typer(group, name="shadow")


def _show_shadow(shadow: "Shadow", json: str | None) -> None:
    result = shadow.as_dict()
    show(result, json, table("Shadow", ["", ""], result.items()))


def _sides(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    sides = [found["champion"], found["challenger"]]
    latencies = [side["latency_milliseconds"] for side in sides]
    flagged = found["flagged"]
    rows: list[tuple[str, list[Any]]] = [
        ("model package", [side["model_package"].rsplit("/", 1)[-1] for side in sides]),
        ("answers", [side["answers"] for side in sides]),
        ("left out", [_counts(side["left_out"]) for side in sides]),
        ("flagged", [flagged["champion"], flagged["challenger"]]),
        *(
            (f"{name} latency, ms", [_figure(latency[name]) for latency in latencies])
            for name in ("mean", "p50", "p99")
        ),
    ]
    return [(name, str(one), str(other)) for name, (one, other) in rows]


def _differences(found: dict[str, Any]) -> list[tuple[str, str]]:
    scores, flagged = found["scores"], found["flagged"]
    both = flagged["both"]
    return [
        ("compared", str(found["compared"])),
        ("of the same features", str(found["same_features"])),
        ("same decision", _figure(found["decisions"]["agreement"])),
        ("flagged by both", str(both)),
        ("flagged by the champion only", str(flagged["champion"] - both)),
        ("flagged by the challenger only", str(flagged["challenger"] - both)),
        ("mean difference of scores", _figure(scores["mean_difference"])),
        ("difference, p50", _figure(scores["p50"])),
        ("difference, p99", _figure(scores["p99"])),
        ("difference, largest", _figure(scores["max"])),
        ("rank correlation", _figure(scores["rank_correlation"])),
    ]


def _decisions(found: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = found["decisions"]["table"]
    return rows


def _counts(left_out: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"

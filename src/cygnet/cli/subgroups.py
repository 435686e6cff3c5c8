"""``cygnet audit subgroups``: does the model serve everyone alike?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cygnet.errors import InputError


def subgroups(
    scores: Annotated[Path, typer.Argument(help="Table with an image column and a score.", show_default=False)],
    truth: Annotated[
        Path,
        typer.Option(
            help="Table with target and any of age, sex, site, fitzpatrick, ita, institution.", show_default=False
        ),
    ],
    metric: Annotated[str, typer.Option(help="Metric of the threshold curve, such as auc or pauc.")] = "auc",
    least: Annotated[int, typer.Option(min=2, help="Melanomas, and others, that a group needs to be judged.")] = 20,
    score: Annotated[str | None, typer.Option(help="Column of the score.", show_default=False)] = None,
    target: Annotated[str | None, typer.Option(help="Column of the truth to predict.", show_default=False)] = None,
    fold: Annotated[
        str | None, typer.Option(help="Rank scores within this column before pooling.", show_default=False)
    ] = None,
    subset: Annotated[bool, typer.Option("--subset", help="Judge only images that have a score.")] = False,
    replicates: Annotated[int, typer.Option(min=100, help="Resamples.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the resamples.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the JSON to this file as well.", show_default=False)] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
) -> None:
    """A metric by age band, sex, site, skin tone and institution, with the gap to the best group.

    Gaps are paired on the same resamples of patients. A group with too few melanomas or others is counted, not judged.
    """
    import json

    from cygnet.cli.evaluate import read_study, write_whole
    from cygnet.cli.show import console
    from cygnet.evaluation import Reading, Resamples, by_group
    from cygnet.evaluation.evaluate import plain
    from cygnet.evaluation.table import MEMORY_MB

    how = Reading(target, (score,) if score else (), None, subset, fold)
    study = read_study(truth, [scores], how, MEMORY_MB)
    if len(study.scores) != 1:
        raise InputError(f"{scores}: name one score column with --score")
    values = next(iter(study.scores.values()))
    with console(stderr=True).status("resampling"):
        found = plain(by_group(study, values, Resamples(study.units, replicates, seed), metric=metric, least=least))
    made = {"n": len(study.images), "unit": study.unit, "metric": metric, "least": least, "subgroups": found}
    text = json.dumps({**made, "notes": list(study.notes)}, indent=1)
    if out is not None:
        write_whole(out, text + "\n")
    if json_:
        typer.echo(text)
        return
    _show(found, metric)
    for note in study.notes:
        typer.echo(f"note: {note}")
    typer.echo("Research use only; not a medical device.")


def _show(found: list[dict[str, Any]], metric: str) -> None:
    from rich.table import Table
    from rich.text import Text

    from cygnet.cli.show import console

    table = Table(box=None, pad_edge=False)
    for heading in ("variable", "group", "images", "melanomas", metric, "gap to the best"):
        table.add_column(heading, justify="right" if heading in ("images", "melanomas") else "left")
    for variable in found:
        for g in variable["groups"]:
            judged = "value" in g
            value = f"{g['value']:.3f} [{g['low']:.3f}, {g['high']:.3f}]" if judged else g["note"]
            gap = (
                ("best" if not g["gap"] else f"{g['gap']:+.3f} [{g['gap_low']:+.3f}, {g['gap_high']:+.3f}]")
                if judged
                else ""
            )
            cells = (variable["variable"], g["group"], f"{g['n']:,}", f"{g['positives']:,}", value, gap)
            table.add_row(*(Text(cell) for cell in cells))
    out = console()
    if not out.is_terminal:
        out.width = 120
    out.print(table)

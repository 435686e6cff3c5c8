"""A picture of a run so far: the loss and what judging found, by epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cygnet.errors import OutputError

#: What every entry of a log says, and what is not judged.
_COURSE = frozenset({"epoch", "size", "loss", "minutes"})


def plot(log: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Draw ``out/run.png`` and ``out/run.svg``: the training loss, and each judged figure (an AUC by source, say) over the epochs.

    Nothing is drawn of an empty log.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    if not log:
        return
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    epochs = [entry["epoch"] for entry in log]
    left.plot(epochs, [entry["loss"] for entry in log], marker=".", color="#1f4e79")
    left.set(xlabel="epoch", ylabel="training loss")
    for name, values in series(log).items():
        right.plot(epochs, values, marker=".", label=name)
    right.set(xlabel="epoch", ylabel="on the calibration split")
    if right.lines:
        right.legend(frameon=False, fontsize="small")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.xaxis.get_major_locator().set_params(integer=True)
    try:
        with mpl.rc_context({"svg.hashsalt": "cygnet", "svg.fonttype": "none"}):
            for ending, facts in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
                part = out / f".run.part.{ending}"
                figure.savefig(part, dpi=120, metadata=facts)
                os.replace(part, out / f"run.{ending}")
    except OSError as error:
        raise OutputError(
            f"{out / 'run.png'}: cannot be written ({error.strerror or error}); free some space, then run the same command "
            "again: it goes on from the last epoch that was kept"
        ) from error


def series(log: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The judged figures by name, a value each epoch (NaN where there is none): "calibration_auc ham10000", "jaccard"."""
    flat = []
    for entry in log:
        row: dict[str, float] = {}
        for key, value in entry.items():
            if key in _COURSE:
                continue
            if isinstance(value, Mapping):
                row.update({f"{key.replace('_', ' ')} {name}": float(v) for name, v in value.items()})
            else:
                row[key.replace("_", " ")] = float(value)
        flat.append(row)
    names = list(dict.fromkeys(name for row in flat for name in row))
    return {name: [row.get(name, float("nan")) for row in flat] for name in names}

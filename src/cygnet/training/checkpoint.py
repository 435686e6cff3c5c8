"""The files of a run folder that an interruption must not hurt: written beside their place, moved there, and the last but one kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import torch

from cygnet.errors import InputError, OutputError

CURRENT: Final = "checkpoint.pt"
PREVIOUS: Final = "checkpoint.previous.pt"
#: What says how a run is done, not which run it is.
MACHINE: Final = frozenset({"device", "precision", "workers"})
_PARTS: Final = frozenset({"epoch", "model", "average", "optimiser"})


def claim(out: Path, config: Any) -> None:
    """Make ``out`` the folder of this configuration's run; ``config`` is a dataclass with a default for every field.

    Settings that the folder does not know, being younger, count as their defaults, and how the run is done may change.

    Raises
    ------
    InputError
        If it holds a run with other settings, which are named.
    OutputError
        If it cannot be written.
    """
    path, mine = out / "config.json", json.loads(json.dumps(asdict(config)))
    if path.exists():
        theirs = {**json.loads(json.dumps(asdict(type(config)()))), **_read(path)}
        other = [key for key in mine if key not in MACHINE and theirs.get(key) != mine[key]]
        if other:
            raise InputError(
                f"{path}: this folder holds a run with other settings; choose another --out or delete it (there, "
                f"{', '.join(f'{key} is {json.dumps(theirs.get(key))}' for key in other)})"
            )
    write_text(path, json.dumps(mine, indent=1))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); choose another --out or delete the folder") from error
    return dict(found)


def keep(state: Mapping[str, Any], out: Path) -> None:
    """Write the checkpoint of an epoch; the one before stays beside it.

    Raises
    ------
    OutputError
        If it cannot be written, as on a full disk; both checkpoints that were there are untouched.
    """
    current = out / CURRENT
    part = _written(state, current)
    if current.exists():
        os.replace(current, out / PREVIOUS)
    os.replace(part, current)


def last_good(out: Path) -> tuple[dict[str, Any] | None, str]:
    """The newest sound checkpoint in ``out``, None where there never was one; and what is wrong with a newer one, or "".

    Raises
    ------
    InputError
        If there are checkpoints and none is sound.
    """
    there = [path for name in (CURRENT, PREVIOUS) if (path := out / name).exists()]
    damaged = ""
    for path in there:
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            _check(state)
        except Exception as error:  # noqa: BLE001 - a damaged file raises whatever its bytes happen to mean
            damaged = damaged or f"{path}: damaged ({str(error).splitlines()[0][:120] if str(error) else 'unreadable'})"
            continue
        return dict(state), damaged and f"{damaged}; going on from {path.name}, epoch {state['epoch']}"
    if damaged:
        raise InputError(f"{damaged}, and there is no sound one before it; delete it to begin again")
    return None, ""


def _check(state: Any) -> None:
    if missing := _PARTS - set(state):
        raise ValueError(f"no {', '.join(sorted(missing))} in it")
    for part in ("model", "average"):
        for name, value in state[part].items():
            if value.dtype.is_floating_point and not bool(torch.isfinite(value).all()):
                raise ValueError(f"{name} is not finite")


def save(state: object, path: Path) -> Path:
    """Write ``state`` beside ``path`` and move it there.

    Raises
    ------
    OutputError
        If it cannot be written; what stood at ``path`` is untouched.
    """
    os.replace(_written(state, path), path)
    return path


def _written(state: object, path: Path) -> Path:
    part = path.with_suffix(".part")
    try:
        torch.save(state, part)
    except (OSError, RuntimeError) as error:  # torch's writer says RuntimeError for a full disk
        part.unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    return part


def write_text(path: Path, text: str) -> None:
    """Replace a text file whole; errors as of ``save``."""
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> OutputError:
    why = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0][:120]
    return OutputError(
        f"{path}: cannot be written ({why}); free some space, then run the same command again: it goes on from the last "
        "epoch that was kept"
    )

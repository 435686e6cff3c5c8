"""``cygnet doctor``: is this installation sound, and if not, what mends it."""

from __future__ import annotations

import json
import platform
import tempfile
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from cygnet.errors import CygnetError
from cygnet.version import VERSION

_NEEDED = ("numpy", "pillow", "onnxruntime", "polars", "jinja2", "typer", "rich", "threadpoolctl")
_EXTRAS = {
    "archive": ("sqlalchemy", "alembic", "fsspec", "s3fs", "psycopg", "pydicom"),
    "train": ("torch", "efficientnet-lite-pytorch", "onnx", "onnxscript", "scikit-learn", "scipy"),
}
_FOR = {"archive": "for an image archive", "train": "to train"}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's answer. ``state`` is ok, missing (optional) or broken; ``fix`` says what mends it."""

    name: str
    state: str
    detail: str
    fix: str = ""


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check versions, models and their hashes, extras and write access; say how to mend what is missing.

    Exits with 1 when something that ranking needs is broken.
    """
    checks = [*_software(), *_models(), *_extras(), *_places()]
    broken = any(c.state == "broken" for c in checks)
    if json_:
        typer.echo(json.dumps({"ok": not broken, "checks": [asdict(c) for c in checks]}, indent=1))
    else:
        for c in checks:
            typer.echo(f"{c.state:8}{c.name:28}{c.detail}" + (f"\n{'':8}fix: {c.fix}" if c.fix else ""))
        typer.echo("Something is broken; see the fixes above." if broken else "Ready: try `cygnet demo`.")
    if broken:
        raise typer.Exit(1)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _software() -> list[Check]:
    checks = [Check("cygnet", "ok", VERSION), Check("python", "ok", platform.python_version())]
    for package in _NEEDED:
        found = _version(package)
        state, fix = ("ok", "") if found else ("broken", f"pip install {package}")
        checks.append(Check(package, state, found or "not installed", fix))
    return checks


def _models() -> list[Check]:
    from cygnet.models import LesionModel, SegmentModel, find, names
    from cygnet.models.registry import is_lesion_model

    checks = []
    for name in names():
        try:
            files = find(name)
            (LesionModel if is_lesion_model(files.card) else SegmentModel)(files)
        except CygnetError as error:
            checks.append(Check(f"model {name}", "broken", str(error), "pip install --force-reinstall cygnet"))
        else:
            size = files.network.stat().st_size / 1e6
            checks.append(Check(f"model {name}", "ok", f"{size:.1f} MB, sha256 {files.sha256[:16]}, hash verified"))
    return checks or [Check("model", "broken", "none found", "pip install --force-reinstall cygnet")]


def _extras() -> list[Check]:
    checks = []
    for extra, packages in _EXTRAS.items():
        absent = [p for p in packages if _version(p) is None]
        detail = f"not installed: {', '.join(absent)}" if absent else "installed"
        fix = f"pip install 'cygnet[{extra}]' (only needed {_FOR[extra]})" if absent else ""
        checks.append(Check(f"extra [{extra}]", "missing" if absent else "ok", detail, fix))
    return checks


def _places() -> list[Check]:
    checks = []
    for name, place in (("write access, here", Path.cwd()), ("write access, temporary", Path(tempfile.gettempdir()))):
        try:
            with tempfile.TemporaryFile(dir=place):
                checks.append(Check(name, "ok", str(place)))
        except OSError as error:
            fix = "change to a folder of your own, or name one with --out"
            checks.append(Check(name, "missing", f"{place}: {error.strerror}", fix))
    return checks

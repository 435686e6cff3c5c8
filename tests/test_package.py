"""The public face of the package, and that it costs nothing to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cygnet

HEAVY = ("torch", "numpy", "polars", "onnxruntime", "PIL", "scipy", "jinja2", "sqlalchemy", "fastapi", "uvicorn")


def test_public_names_are_frozen() -> None:
    assert cygnet.__all__ == [
        "Assessment",
        "ImageAssessment",
        "LesionAssessment",
        "Segmentation",
        "__version__",
        "rank",
        "segment",
    ]
    assert all(getattr(cygnet, name) is not None for name in cygnet.__all__)


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fly'"):
        _ = cygnet.fly


@pytest.mark.parametrize("args", ["'--help'", "'rank', '--help'", "'--version'"])
def test_help_loads_nothing_heavy(args: str) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['cygnet', {args}]\n"
        "from cygnet.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code, left.code\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_ranking_never_loads_torch() -> None:
    code = (
        "import sys, cygnet.triage, cygnet.report; print([m for m in ('torch', 'onnx', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

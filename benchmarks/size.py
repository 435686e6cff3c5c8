"""What the default install weighs, package by package.

python benchmarks/size.py [--out docs/decisions.md] [--limit 400]

Installs this checkout without extras into a new environment, whose own pip and setuptools are not counted, and measures what its files and
folders take on the disk, as ``du`` does, in MB of 1,048,576 bytes. Exits with 1 above the limit. ``--out`` puts the table between the markers of a page.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import distributions
from pathlib import Path

from cygnet.report.figures import write_figures

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python benchmarks/size.py --out docs/decisions.md"
_MB = 2**20


def main() -> None:
    """Install, measure, print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--out", type=Path, help="a page with the markers to write the table to")
    ask.add_argument("--limit", type=float, default=400, help="MB")
    args = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = installed(Path(folder))
    text = table(weights)
    print(text)
    if args.out:
        write_figures(args.out, COMMAND, text)
    if sum(weights.values()) / _MB > args.limit:
        sys.exit(f"more than {args.limit:g} MB")


def installed(folder: Path) -> dict[str, int]:
    """Bytes on the disk of each package of a default install into a new environment in ``folder``."""
    venv.create(folder, with_pip=True)
    site = next(folder.glob("lib/python*/site-packages"))
    before = {path.name: on_disk(path) for path in site.iterdir()}
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(ROOT)], check=True)
    owner = {
        file.parts[0]: dist.name for dist in distributions(path=[str(site)]) for file in dist.files or () if file.parts
    }
    found: dict[str, int] = {}
    for path in site.iterdir():
        name = owner.get(path.name, "the rest")
        found[name] = found.get(name, 0) + on_disk(path) - before.get(path.name, 0)
    return {name: size for name, size in found.items() if size}


def on_disk(path: Path) -> int:
    """Bytes that a file, or a folder with all that is in it, takes on the disk."""
    return sum(each.lstat().st_blocks * 512 for each in (path, *path.rglob("*")))


def table(weights: dict[str, int]) -> str:
    """Markdown, the heaviest first; what has less than a megabyte in one row."""
    large = {name: size for name, size in weights.items() if size >= _MB}
    rows = sorted(large.items(), key=lambda row: -row[1])
    rows.append((f"{len(weights) - len(large)} of less than 1 MB each", sum(weights.values()) - sum(large.values())))
    rows.append(("together", sum(weights.values())))
    head = f"| package ({platform.system()}, Python {platform.python_version()}) | MB |\n|---|--:|\n"
    return head + "\n".join(f"| {name} | {size / _MB:.1f} |" for name, size in rows)


if __name__ == "__main__":
    main()

"""Write src/cygnet/schema/data/isic-6.1.json from the wheel of isic-metadata.

    pip download --no-deps --python-version 3.12 --only-binary=:all: "isic-metadata==6.1.*"
    python studies/build_vocabulary.py isic_metadata-6.1.0-py3-none-any.whl

The package needs Python 3.12; its wheel is a zip, so its sources are parsed here and never run. Only names and numbers
are taken: lists of values, the fields, their kinds and bounds. Cygnet's rules are its own code.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

OUT: Final = Path(__file__).resolve().parent.parent / "src/cygnet/schema/data/isic-6.1.json"
#: Enumerations of isic-metadata that become trees, by the field that uses them.
_TREES: Final = {"DiagnosisEnum": "diagnosis", "AnatomSiteEnum": "anatom_site"}


def vocabulary(wheel: Path) -> dict[str, Any]:
    """The content of the vocabulary file, from a wheel of isic-metadata."""
    with zipfile.ZipFile(wheel) as archive:
        sources = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith((".py", "NOTICE"))}
    modules = {name: _parsed(text) for name, text in sources.items() if name.endswith(".py")}
    enums = {k: v for module in modules.values() for k, v in _enumerations(module).items()}
    notice = next(text for name, text in sources.items() if name.endswith("NOTICE"))
    version = wheel.name.split("-")[1]
    return {
        "title": "ISIC metadata vocabulary",
        "version": version,
        "source": f"isic-metadata {version}, https://pypi.org/project/isic-metadata/{version}/",
        "source_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "license": "Apache-2.0",
        "copyright": notice.splitlines()[0].strip(),
        "changes": "values, field kinds and bounds extracted into JSON by studies/build_vocabulary.py",
        "fields": _fields(modules["isic_metadata/metadata.py"], modules["isic_metadata/registry.py"], enums),
        "trees": {field: enums[name] for name, field in _TREES.items()},
    }


def _parsed(source: str) -> ast.Module:
    """The syntax tree, also under Python 3.11, which does not know ``def f[T](...)``."""
    return ast.parse(re.sub(r"(def \w+)\[\w+\]", r"\1", source))


def _enumerations(module: ast.Module) -> dict[str, list[str]]:
    """The string values of each StrEnum in a module, in their order."""
    return {
        node.name: [ast.literal_eval(item.value) for item in node.body if isinstance(item, ast.Assign)]
        for node in module.body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "StrEnum" for base in node.bases)
    }


def _fields(metadata: ast.Module, registry: ast.Module, enums: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    row = next(n for n in metadata.body if isinstance(n, ast.ClassDef) and n.name == "MetadataRow")
    acquisition = next(
        ast.literal_eval(node.comparators[0])
        for node in ast.walk(registry)
        if isinstance(node, ast.Compare)
        and "image_manipulation" in ast.unparse(node)
        and "sex" not in ast.unparse(node)
    )
    fields = {}
    for item in row.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id != "unstructured":
            name = item.target.id
            group = "acquisition" if name in acquisition else "clinical"
            fields[name] = {"group": group, **_kind(ast.unparse(item.annotation), enums)}
    return fields


def _kind(annotation: str, enums: dict[str, list[str]]) -> dict[str, Any]:
    """The kind and bounds that a type annotation states."""
    for name in re.findall(r"\w+", annotation):
        if name in _TREES:
            return {"kind": "tree"}
        if name in enums:
            return {"kind": "choice", "values": enums[name]}
    if literal := re.search(r"Literal(\[.*?\])", annotation):
        return {"kind": "choice", "values": list(ast.literal_eval(literal[1]))}
    kinds = {"int": "integer", "Decimal": "decimal", "bool": "boolean", "str": "text"}
    kind = next(kinds[word] for word in re.findall(r"\w+", annotation) if word in kinds)
    bounds: dict[str, Any] = {}
    for key, pattern in (
        ("minimum", r"Ge\((\d+)\)"),
        ("digits", r"max_digits=(\d+)"),
        ("places", r"decimal_places=(\d+)"),
    ):
        if found := re.search(pattern, annotation):
            bounds[key] = int(found[1])
    return {"kind": kind, **bounds}


def text(content: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    made = vocabulary(Path(sys.argv[1]))
    OUT.write_text(text(made), encoding="utf-8")
    print(f"{OUT}: {len(made['fields'])} fields, " + ", ".join(f"{len(v)} {k}" for k, v in made["trees"].items()))

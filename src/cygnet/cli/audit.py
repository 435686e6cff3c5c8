"""``cygnet audit``: is what we measure what we think it is?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cygnet.cli.subgroups import subgroups
from cygnet.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cygnet.evaluation.entries import Entry
    from cygnet.evaluation.leaks import Audit
    from cygnet.evaluation.lookalikes import Pair
    from cygnet.imaging.fingerprint import Fingerprint

#: What ``--embeddings`` says for those of the lesion model.
_LESION: Final = "lesion"

app = typer.Typer(help="Audit splits and results: leaks between splits, gaps between groups.", no_args_is_help=True)
app.command("subgroups")(subgroups)
_EXAMPLES = 3


@app.callback()
def _group() -> None:
    """Keeps each audit a sub-command."""


@app.command()
def leaks(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Splits: CSV/Parquet tables or folders of images; or one table with --by.", metavar="A B..."
        ),
    ],
    by: Annotated[str | None, typer.Option(help="Column that names each row's split.", show_default=False)] = None,
    images: Annotated[
        list[Path] | None, typer.Option(help="Folder with the images of the tables; repeatable.", show_default=False)
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column with the truth. \\[default: target, diagnosis...]", show_default=False)
    ] = None,
    embeddings: Annotated[
        str | None,
        typer.Option(
            help="'lesion' to embed with the lesion model, a table of `cygnet embed`, .npy (a row per image) or .parquet (image, e0, e1...).",
            show_default=False,
        ),
    ] = None,
    min_cosine: Annotated[
        float | None,
        typer.Option(
            min=-1,
            max=1,
            help="Cosine from which two embeddings are named. \\[default: 0.85 for the lesion model's, 0.98 for others]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for leaks.csv (every leak) and leaks.json.", show_default=False)
    ] = None,
    lenient: Annotated[bool, typer.Option("--lenient", help="Let rows without their image pass.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Shortcuts and look-alikes stand as well.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the audit as JSON, nothing else.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads. \\[default: cores]", show_default=False)] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The exit code and errors only.")] = False,
) -> None:
    """Find what splits share, and labels that can be told without looking at the lesion.

    Shared patients, lesions, images and duplicate pictures between splits stand as leaks. Look-alikes and shortcuts (file size, image
    size, JPEG quality, lesion count, source) are warnings unless --strict. See docs/audit.md.

    Exit codes: 0 nothing stands, 1 leaks stand, 2 wrong use, 130 interrupted.

    Examples:

      cygnet audit leaks train.csv test.csv --images photos/ --out audit/

      cygnet audit leaks all.csv --by fold
    """
    from cygnet.evaluation.entries import Reading
    from cygnet.evaluation.leaks import audit, document, write

    if len(paths) == 1 and by is None:
        raise InputError("one table has no splits to compare; give a second one, or name its fold column with --by")
    entries = read(paths, Reading(tuple(images or ()), label, by, lenient), out)
    prints, unread, pairs = compare(
        entries, workers, embeddings=embeddings, min_cosine=min_cosine, quiet=quiet or json_
    )
    found = audit(entries, prints, unread, pairs)
    if out is not None:
        write(found, out, strict=strict)
    if json_:
        typer.echo(json.dumps(document(found, strict=strict), indent=1))
    elif not quiet:
        _print(found, out, strict=strict)
    if found.standing(strict=strict):
        raise typer.Exit(1)


def read(paths: list[Path], how: Any, out: Path | None) -> list[Entry]:
    """The rows of all tables; on problems the full list goes to ``out``/problems.txt, five of them to the error."""
    from cygnet.evaluation.entries import read_splits, refuse
    from cygnet.evaluation.leaks import write_lines

    entries, problems = read_splits(paths, how)
    if problems and out is not None:
        write_lines(out / "problems.txt", problems)
    refuse(problems, f", all in {out / 'problems.txt'}" if out else "; --out writes all of them to problems.txt")
    return entries


def compare(
    entries: list[Entry],
    workers: int | None,
    *,
    embeddings: str | None = None,
    min_cosine: float | None = None,
    quiet: bool,
) -> tuple[list[Fingerprint | None], list[str], list[Pair]]:
    """Fingerprints of all images that have a file, what could not be read, and the pairs that repeat each other."""
    from cygnet.cli.show import progress
    from cygnet.evaluation.leaks import find_pairs, fingerprints
    from cygnet.evaluation.lookalikes import MIN_COSINE

    total = len({e.path for e in entries if e.path is not None})
    with progress("fingerprinting", total, "images", quiet=quiet or not total) as advance:
        prints, unread = fingerprints(entries, workers, advance)
    vectors, usual = _embed(entries, embeddings, quiet=quiet) if embeddings else (None, MIN_COSINE)
    known = sum(p is not None for p in prints)
    with progress("comparing", known, "images", quiet=quiet or not known) as advance:
        return prints, unread, find_pairs(prints, vectors, advance, usual if min_cosine is None else min_cosine)


def _embed(entries: list[Entry], wanted: str, *, quiet: bool) -> tuple[NDArray[np.floating], float]:
    """(n, d) embeddings, a row of NaN for an image without one, and the cosine from which such name a pair."""
    from cygnet.evaluation.lookalikes import LESION_COSINE, MIN_COSINE

    if wanted == _LESION:
        return _embed_with_model(entries, quiet=quiet), LESION_COSINE
    path = Path(wanted)
    if not path.is_file():
        raise InputError(f"--embeddings {wanted}: no such file; give 'lesion', a .npy or a .parquet file")
    if path.suffix.lower() == ".npy":
        return _rows(entries, path), MIN_COSINE
    return _by_image(entries, path)


def _rows(entries: list[Entry], path: Path) -> NDArray[np.floating]:
    """An array with a row for each image."""
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read as an array ({error}); save it with numpy.save") from error
    if array.ndim != 2 or len(array) != len(entries):
        raise InputError(f"{path}: has shape {array.shape}, but there are {len(entries)} images; give a row for each")
    return np.asarray(array, np.float32)


def _by_image(entries: list[Entry], path: Path) -> tuple[NDArray[np.floating], float]:
    """A table that names the image of each row, with a column a number or, as ``cygnet embed`` writes it, all in ``embedding``."""
    import numpy as np
    import polars as pl

    from cygnet.evaluation.entries import image_key, read_table
    from cygnet.evaluation.lookalikes import LESION_COSINE, MIN_COSINE

    table = read_table(path)
    name = next((c for c in ("image", "image_name", "isic_id") if c in table.columns), None)
    if name is None:
        raise InputError(f"{path}: no column image; name the image of each row in it")
    ours = "model_sha256" in table.columns
    if isinstance(table.schema.get("embedding"), pl.Array | pl.List):
        if ours and table["model_sha256"].n_unique() > 1:
            raise InputError(f"{path}: embeddings of several models (model_sha256) are no neighbours; use one model")
        listed = table["embedding"].cast(pl.List(pl.Float32))
        if listed.list.len().n_unique() != 1:
            raise InputError(f"{path}: the arrays in the column embedding are not all of one length")
        numbers = listed.list.explode().to_numpy().reshape(len(table), -1)
    else:
        cells = table.drop(name).cast(pl.Float64, strict=False)
        numbers = cells.select(c for c in cells.columns if cells[c].is_not_null().any()).to_numpy()
        if not numbers.shape[1]:
            raise InputError(f"{path}: no column holds numbers; give a column for each number of the embeddings")
    place = {image_key(str(image)): i for i, image in enumerate(table[name])}
    missing = np.full(numbers.shape[1], np.nan)
    vectors = [numbers[place[e.image]] if e.image in place else missing for e in entries]
    return np.stack(vectors).astype(np.float32), LESION_COSINE if ours else MIN_COSINE


def _embed_with_model(entries: list[Entry], *, quiet: bool) -> NDArray[np.floating]:
    import numpy as np

    from cygnet.cli.show import progress
    from cygnet.errors import DecodeError
    from cygnet.imaging import decode
    from cygnet.models import LesionModel

    model = LesionModel()
    vectors: list[NDArray[np.floating] | None] = []
    with progress("embedding", len(entries), "images", quiet=quiet) as advance:
        for done, entry in enumerate(entries, start=1):
            try:
                pixels = decode(entry.path.read_bytes(), model.size).pixels if entry.path else None
            except (DecodeError, OSError):  # reported by the fingerprints already
                pixels = None
            vectors.append(None if pixels is None else model.predict(pixels[None]).embedding[0])
            advance(done)
    width = next((len(v) for v in vectors if v is not None), 1)
    return np.stack([np.full(width, np.nan, np.float32) if v is None else v for v in vectors])


def _print(found: Audit, out: Path | None, *, strict: bool) -> None:
    from cygnet.evaluation.leaks import summary

    sizes = ", ".join(f"{name} {n}" for name, n in found.images.items())
    typer.echo(f"images: {sizes}; {found.fingerprinted} fingerprinted")
    for line in found.unread[:5]:
        typer.echo(f"not read: {line}")
    if len(found.unread) > 5:
        typer.echo(f"not read: {len(found.unread) - 5} more")
    for (kind, a, b), n in summary(found).items():
        mine = [x for x in found.leaks if (x.kind, x.split_a, x.split_b) == (kind, a, b)]
        shown = ", ".join(x.key or f"{x.image_a} = {x.image_b}" for x in mine[:_EXAMPLES])
        word = "LEAK" if mine[0].stands or strict else "look"
        typer.echo(f"{word}  {kind}: {n} shared by {a} and {b}: {shown}{', ...' if n > _EXAMPLES else ''}")
    if found.inside:
        typer.echo(f"note  {found.inside} duplicate pairs within one split; keep them together when you split again")
    for s in found.shortcuts:
        word = ("LEAK" if strict else "warn") if s.warns else "ok  "
        typer.echo(
            f"{word}  label from {s.feature}: AUC {s.auc:.3f} ({s.low:.3f} to {s.high:.3f}), {s.direction},"
            f" {s.positives} of {s.n} positive, by {s.clustered_by}"
        )
    standing = found.standing(strict=strict)
    if standing:
        typer.echo("A safe split: cygnet split TABLE --images FOLDER --out split.csv")
    where = f"; every one in {out / 'leaks.csv'}" if out else "; --out FOLDER writes every one"
    count = "1 leak stands" if standing == 1 else f"{standing or 'no'} leaks stand"
    typer.echo(f"{count}{where if found.leaks else ''}")

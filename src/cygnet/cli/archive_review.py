"""``cygnet archive review``: look at what came in, decide, publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.cli.archive_common import Actor, Json, Place, Quiet, acting, opened, show_json
from cygnet.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cygnet.archive.archive import Archive

_SHOWN = 20


def review(
    place: Place,
    query: Annotated[str, typer.Argument(help="Which images; an ISIC id will do. \\[default: all drafts]")] = "",
    accept: Annotated[bool, typer.Option("--accept", help="Accept them.")] = False,
    reject: Annotated[
        str | None,
        typer.Option(
            help="Reject them for technology, technique, terminology, metadata or privacy.",
            show_default=False,
            metavar="REASON",
        ),
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish accepted ones.")] = False,
    embargo: Annotated[
        str | None, typer.Option(help="Keep accepted ones private until this day.", show_default=False, metavar="DATE")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Back to draft.")] = False,
    release: Annotated[bool, typer.Option("--release", help="Publish every image whose embargo is over.")] = False,
    edit: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=VALUE to change, FIELD= to empty; back to draft. Repeatable.", show_default=False),
    ] = None,
    license_: Annotated[
        str | None, typer.Option("--license", help="Put them under a licence that asks less.", show_default=False)
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Show earlier versions of their metadata.")] = False,
    agreement: Annotated[bool, typer.Option("--agreement", help="Show how readers agree (Cohen's kappa).")] = False,
    note: Annotated[str, typer.Option(help="A word on why.")] = "",
    reader: Actor = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """List images that wait with what the checks said, or decide on those that a query finds.

    An image is accepted once as many readers as the archive asks for agree; then it can be published. Every step is in the log.

    Examples:

      cygnet archive review images.archive

      cygnet archive review images.archive ISIC_0000001 --reject technique --note "out of focus"

      cygnet archive review images.archive 'attribution:Clinic' --accept --actor anna
    """
    decisions = {
        "--accept": accept,
        "--reject": reject is not None,
        "--publish": publish,
        "--embargo": embargo is not None,
        "--withdraw": withdraw,
        "--release": release,
        "--edit": bool(edit),
        "--license": license_ is not None,
        "--history": history,
        "--agreement": agreement,
    }
    chosen = [name for name, given in decisions.items() if given]
    if len(chosen) > 1:
        raise InputError(f"{chosen[0]} and {chosen[1]}: one decision at a time")
    who = acting(reader)
    with opened(place) as archive:
        if not chosen:
            _list(archive, _as_query(query), as_json=json_)
        elif agreement:
            _agreement(archive, as_json=json_)
        elif release:
            n = archive.release(who)
            show_json({"now published": n}) if json_ else _say(f"{n:,} published", quiet)
        else:
            ids = _chosen(archive, query)
            if history:
                _history(archive, ids, as_json=json_)
                return
            result = _decide(archive, ids, who, accept, reject, publish, embargo, withdraw, edit, license_, note)
            show_json(result) if json_ else _say(", ".join(f"{n:,} {what}" for what, n in result.items()), quiet)


def _as_query(text: str) -> str:
    """A query; a bare ISIC id stands for itself."""
    return f"isic_id:{text}" if text.startswith("ISIC_") and ":" not in text and " " not in text else text


def _chosen(archive: Archive, query: str) -> list[int]:
    if not query.strip():
        raise InputError("which images? give an ISIC id or a query such as 'attribution:Clinic'; 'isic_id:*' means all")
    ids = archive.ids(_as_query(query))
    if not ids:
        raise InputError(f"{query!r} finds no image")
    return ids


def _decide(
    archive: Archive,
    ids: list[int],
    who: str,
    accept: bool,
    reject: str | None,
    publish: bool,
    embargo: str | None,
    withdraw: bool,
    edit: list[str] | None,
    license_: str | None,
    note: str,
) -> dict[str, int]:
    from cygnet.archive import edit as editing
    from cygnet.archive.review import vote
    from cygnet.archive.states import set_state
    from cygnet.cli.archive_ingest import day

    work: Callable[[Connection], dict[str, int]]
    if accept or reject is not None:
        work = lambda c: vote(c, ids, who, accepts=accept, reason=reject, note=note)  # noqa: E731
    elif edit:
        changes = _changes(edit)
        work = lambda c: {"changed, now drafts": editing.edit(c, ids, changes, who, note)}  # noqa: E731
    elif license_ is not None:
        work = lambda c: {f"now under {license_}": editing.relicense(c, archive.blobs, ids, license_, who)}  # noqa: E731
    else:
        state = "published" if publish else "draft" if withdraw else "embargoed"
        until = day(embargo)
        work = lambda c: {f"now {state}": set_state(c, ids, state, who, why=note, embargo_until=until)}  # noqa: E731
    with archive.database.write() as connection:
        return work(connection)


def _changes(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, sign, _ in pairs:
        if not name or not sign:
            raise InputError(f"--edit {name}: write FIELD=VALUE, or FIELD= to empty it")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _list(archive: Archive, query: str, *, as_json: bool) -> None:
    from cygnet.archive import search as searching
    from cygnet.archive.query import Matches
    from cygnet.archive.results import rows_of
    from cygnet.archive.review import findings_of
    from cygnet.archive.tables import profile

    waiting = archive.matches(query) & Matches(profile.c.state == "draft", None)
    with archive.database.read() as connection:
        count = searching.count(connection, waiting)
        ids = searching.page(connection, waiting, _SHOWN).ids
        findings = findings_of(connection, ids)
        rows = rows_of(connection, ids)
    shown = [{"isic_id": r["isic_id"], "state": r["state"], "findings": findings[r["id"]]} for r in rows]
    if as_json:
        show_json({"count": count, "results": shown})
        return
    typer.echo(f"{count:,} drafts" + (f", the first {_SHOWN}:" if count > _SHOWN else ""))
    for image in shown:
        typer.echo(image["isic_id"])
        for f in image["findings"]:
            word = "settled" if f["settled"] else {"hold": "held", "note": "note"}[f["level"]]
            typer.echo(f"  {word:8}{f['group']}: {f['message']}")


def _agreement(archive: Archive, *, as_json: bool) -> None:
    from cygnet.archive.stats import statistics

    with archive.database.read() as connection:
        found: list[dict[str, Any]] = statistics(connection)["agreement"]
    if as_json:
        show_json(found)
        return
    if not found:
        typer.echo("no two readers have read the same image")
    for pair in found:
        kappa = "undefined" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        one, other = pair["readers"]
        typer.echo(f"{one} and {other}: {pair['images']:,} images, agree on {pair['agree']:.0%}, kappa {kappa}")


def _history(archive: Archive, ids: list[int], *, as_json: bool) -> None:
    from cygnet.archive.edit import history
    from cygnet.archive.results import rows_of

    with archive.database.read() as connection:
        names = [row["isic_id"] for row in rows_of(connection, ids[:_SHOWN])]
        found = {name: history(connection, name) for name in names}
    if as_json:
        show_json(found)
        return
    for name, versions in found.items():
        typer.echo(f"{name}: {len(versions)} earlier versions")
        for v in versions:
            typer.echo(f"  {v['version']}, replaced {v['replaced'][:19]} by {v['actor']}: {v['record']}")


def _say(text: str, quiet: bool) -> None:
    if not quiet:
        typer.echo(text)

"""``cygnet archive``: images that are checked, kept and found again."""

from __future__ import annotations

import typer

from cygnet.cli import archive_find, archive_out
from cygnet.cli.archive_collection import collections
from cygnet.cli.archive_embed import embed
from cygnet.cli.archive_erase import erase
from cygnet.cli.archive_ingest import ingest
from cygnet.cli.archive_review import review

app = typer.Typer(
    help="An image archive: quality-controlled, nothing lost, searchable. Start with: cygnet archive init DIR",
    no_args_is_help=True,
)
app.command("init")(archive_find.init)
app.command("ingest")(ingest)
app.command("embed")(embed)
app.command("review")(review)
app.command("search")(archive_find.search)
app.command("facets")(archive_find.facets)
app.command("export")(archive_out.export)
app.command("verify")(archive_find.verify)
app.add_typer(collections, name="collection")
app.command("snapshot")(archive_out.snapshot)
app.command("stats")(archive_out.stats)
app.command("erase")(erase)
app.command("backup")(archive_out.backup)
app.command("restore")(archive_out.restore)

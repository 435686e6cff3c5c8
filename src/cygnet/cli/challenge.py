"""``cygnet challenge``: score, check, host and compare."""

from __future__ import annotations

import typer

from cygnet.cli import challenge_score

app = typer.Typer(
    help="Challenges: score a submission, host a challenge, compare entries. Start with: cygnet challenge list",
    no_args_is_help=True,
)
app.command("list")(challenge_score.list_)
app.command("check")(challenge_score.check)
app.command("score")(challenge_score.score)

"""``cygnet challenge``: score, check, host and compare."""

from __future__ import annotations

import typer

from cygnet.cli import challenge_board, challenge_demo, challenge_host, challenge_score

app = typer.Typer(
    help="Challenges: score a submission, host a challenge, compare entries. Start with: cygnet challenge list",
    no_args_is_help=True,
)
app.command("list")(challenge_score.list_)
app.command("check")(challenge_score.check)
app.command("score")(challenge_score.score)
app.command("new")(challenge_host.new)
app.command("open")(challenge_host.open_)
app.command("submit")(challenge_host.submit)
app.command("board")(challenge_board.board)
app.command("choose")(challenge_host.choose)
app.command("freeze")(challenge_host.freeze)
app.command("reveal")(challenge_host.reveal)
app.command("log")(challenge_board.log)
app.command("bundle")(challenge_board.bundle)
app.command("verify")(challenge_board.verify)
app.command("demo")(challenge_demo.demo)

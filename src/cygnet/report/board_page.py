"""The boards of a challenge as one HTML file without scripts or links to elsewhere: what is kept when a server is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def board_page(
    challenge: Mapping[str, Any], boards: Sequence[Mapping[str, Any]], probes: int, columns: Mapping[str, str]
) -> str:
    """The page.

    ``challenge`` has title, headline_title, images, public_images, state, frozen_at and commitment; ``boards`` are one or
    two sides with their rows; ``probes`` how often the public side was looked at; ``columns`` titles of further metrics.
    """
    return (
        _environment()
        .get_template("board.html")
        .render(challenge=challenge, boards=boards, probes=probes, columns=columns)
    )


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("cygnet.report"), autoescape=True, undefined=StrictUndefined)

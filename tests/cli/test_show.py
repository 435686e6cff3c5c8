from __future__ import annotations

from cygnet.cli.show import stacked


def test_a_narrow_terminal_gets_the_reason_below() -> None:
    lines = stacked([("rank", "image", "reason"), ("1", "A", "darker than 13 of 14 siblings; larger than 9 of 14")], 44)
    assert lines == [
        "rank image",
        "    reason",
        "1    A",
        "    darker than 13 of 14 siblings; larger",
        "    than 9 of 14",
    ]

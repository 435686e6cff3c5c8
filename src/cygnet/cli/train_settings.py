"""Settings of ``cygnet train lesion``: those of a file, over which options that were typed take precedence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from cygnet.errors import InputError

if TYPE_CHECKING:
    from cygnet.training.lesion import LesionConfig

#: Options that are no settings of a run.
_OTHERS: Final = frozenset({"data", "out", "config", "print_config", "views", "middle", "name"})
#: Options that may be repeated, and the settings they are.
_SEVERAL: Final = {"teacher": "teachers", "hold_out": "hold_out"}
#: Share of a label that is left to teachers where none is stated.
_TAUGHT: Final = 0.5


def settled(context: typer.Context, config: str | None) -> LesionConfig:
    """The configuration that a command line asks for.

    Raises
    ------
    InputError
        If the file or an option does not fit.
    """
    from cygnet.training.lesion import LesionConfig
    from cygnet.training.settings import check, find_config, read_settings

    settings = read_settings(find_config(config), LesionConfig) if config else {}
    typed = {name: value for name, value in context.params.items() if name not in _OTHERS and _typed(context, name)}
    if "sizes" in typed:
        typed["sizes"] = _numbers(typed["sizes"])
    for option, setting in _SEVERAL.items():
        if option in typed:
            typed[setting] = tuple(typed.pop(option))
    check(typed, LesionConfig, lambda name: f"--{name.replace('_', '-')}")
    settings.update(typed)
    if settings.get("teachers"):
        settings.setdefault("taught", _TAUGHT)
    made = LesionConfig(**settings)
    asked = f"--sizes {','.join(map(str, made.sizes))}"
    _refuse_sides(made.sizes, asked if "sizes" in typed or not config else f"{config}, sizes")
    return made


def _typed(context: typer.Context, name: str) -> bool:
    source: Any = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _numbers(sizes: str) -> tuple[int, ...]:
    try:
        return tuple(int(s) for s in sizes.split(","))
    except ValueError:
        raise InputError(f"--sizes {sizes}: give whole numbers with commas, such as 128,160") from None


def outline_sides(sizes: str) -> tuple[int, ...]:
    """The input sides that ``--sizes`` names for an outline network, which halves them five times.

    Raises
    ------
    InputError
        If one is no multiple of 32.
    """
    found = _numbers(sizes)
    if any(s < 32 or s % 32 for s in found):
        raise InputError(f"--sizes {sizes}: all must be multiples of 32, such as 128,160")
    return found


def _refuse_sides(sizes: tuple[int, ...], where: str) -> None:
    """Refuse input sides for a lesion network whose last is no multiple of 40, the grid of the coarse measurements."""
    if any(s < 40 or s % 40 for s in sizes[-1:]) or any(s < 32 for s in sizes) or not sizes:
        raise InputError(f"{where}: the last must be a multiple of 40, such as 160, and none below 32")

"""Checking without a truth: what a participant can do before sending."""

from __future__ import annotations

from pathlib import Path

from cygnet.challenge import mask_files, superpixels
from cygnet.challenge.packed import Source
from cygnet.challenge.problems import Problem, Problems
from cygnet.challenge.tables import image_names, read_lines, values
from cygnet.challenge.tasks import Task
from cygnet.errors import InputError


def check(task: Task, submission: Path, images: Path | None = None) -> tuple[Problem, ...]:
    """Every problem of a submission. ``images`` names those that must be there: a table with an image column (the truth will
    do), or a folder or zip of masks; without it names are not compared.

    Raises
    ------
    InputError
        If a file is missing or ``images`` cannot be understood.
    """
    return check_source(task, Source.of(submission), names_of(task, images) if images is not None else None)


def check_source(task: Task, source: Source, wanted: tuple[str, ...] | None = None) -> tuple[Problem, ...]:
    """As ``check``, for something that was sent; ``wanted`` are the images that must be there."""
    problems = Problems()
    if task.tabular:
        _table(task, source, wanted, problems)
    else:
        _files(task, source, wanted, problems)
    return problems.listed()


def names_of(task: Task, images: Path) -> tuple[str, ...]:
    """The images that a table, folder or zip names."""
    source, problems = Source.of(images), Problems()
    if source.folder or (not task.tabular and source.read_start() == b"PK"):
        names = sorted({key[0] for key in mask_files.collect(source, task, problems)})
    else:
        lines = read_lines(source, problems)
        names = [] if lines is None else image_names(lines, task)
    if not names:
        raise InputError(f"{images}: no image names there; give a table with the column {task.identifier}")
    return tuple(names)


def _table(task: Task, source: Source, wanted: tuple[str, ...] | None, problems: Problems) -> None:
    if source.folder:
        problems.add("file-type", "a folder, where one table belongs", f"send {task.layout}")
        return
    lines = read_lines(source, problems)
    if lines is None:
        return
    names = wanted if wanted is not None else tuple(dict.fromkeys(image_names(lines, task)))
    values(lines, task, {name: k for k, name in enumerate(names)}, problems)


def _files(task: Task, source: Source, wanted: tuple[str, ...] | None, problems: Problems) -> None:
    if not source.folder and source.read_start() != b"PK":
        problems.add("file-type", "neither a zip file nor a folder", f"send {task.layout}")
        return
    files = mask_files.collect(source, task, problems, frozenset(wanted) if wanted else None)
    for image in wanted or sorted({key[0] for key in files}):
        for part in task.classes if task.kind == "attributes" else ("",):
            if (image, part) not in files:
                which = f"{image}, {part}" if part else image
                problems.add("missing-image", f"no file for {which}", "add one; an empty mask is all 0", value=which)
    if task.kind == "superpixels":
        superpixels.read(files, task, problems)
        return
    for file in files.values():
        data = file.read()
        try:
            note = mask_files.pixels(data, file.name).note if isinstance(data, bytes) else ""
            why = "" if isinstance(data, bytes) else data
        except InputError as error:
            note, why = "", str(error).removeprefix(f"{file.name}: ")
        if why:
            problems.add(
                "mask", why, "send an 8-bit grey PNG of the image's size, 255 lesion, 0 skin", column=file.name
            )
        elif note:
            problems.warn("mask-values", note, column=file.name)

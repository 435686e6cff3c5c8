"""``cygnet train``: make the models again from labelled images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cygnet.cli.train_settings import outline_sides, settled
from cygnet.errors import CygnetError, InputError, MissingExtraError, TableError

if TYPE_CHECKING:
    from cygnet.training.lesion import LesionConfig
    from cygnet.training.place import Place
    from cygnet.training.sources import Sample

#: Problems that an error shows; more are listed in a file.
_SHOWN: Final = 5

# What both image networks take alike.
BackboneOption = Annotated[str, typer.Option(help="EfficientNet to start from: lite0, lite1 or lite2.")]
EpochsOption = Annotated[int, typer.Option(min=1, help="Epochs of --draws images.")]
BatchOption = Annotated[int, typer.Option(min=1, help="Images per step.")]
SizesOption = Annotated[str, typer.Option(help="Input sides in pixels, small to large, each for an equal share.")]
SeedOption = Annotated[int, typer.Option(help="Seed of draws and augmentation.")]
PreparersOption = Annotated[int, typer.Option(min=0, help="Processes that prepare images.")]
PretrainedOption = Annotated[bool, typer.Option("--pretrained/--from-scratch", help="Start from ImageNet weights.")]
StartOption = Annotated[
    str, typer.Option(help="Begin with the weights.pt of a run, or with a packaged model by name.", show_default=False)
]
KeepOption = Annotated[float, typer.Option(min=0, max=1, help="Share of --start averaged into the final weights.")]
MiddleOption = Annotated[
    float,
    typer.Option(
        help="Half of the --views show the middle square alone, this share of the photograph's shorter side.",
        show_default="none do",
    ),
]
RateOption = Annotated[float, typer.Option(min=0, help="Top of the one-cycle schedule.")]

app = typer.Typer(help="Train the models from labelled images (needs the train extra).", no_args_is_help=True)


@app.command()
def lesion(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with ham10000/, isic2017/ and isic2020/, each with manifest.csv, or with what --config describes.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run: checkpoint, log, plot, and at the end model/.", show_default=False),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            help="TOML file with settings and sources of images, or one that comes along: isic2019-2020-fast, "
            "isic2019-2020-accurate. Options beside it count more.",
            show_default=False,
        ),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print all settings as TOML for --config, and leave.")
    ] = False,
    backbone: BackboneOption = "lite0",
    epochs: EpochsOption = 22,
    draws: Annotated[int, typer.Option(min=1, help="Images drawn per epoch, classes and sources balanced.")] = 8192,
    batch: BatchOption = 64,
    sizes: SizesOption = "128,160",
    seed: SeedOption = 1,
    workers: PreparersOption = 2,
    pretrained: PretrainedOption = True,
    start: StartOption = "",
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="How far augmentation changes the look of images.")
    ] = 1.0,
    keep: KeepOption = 0.0,
    learning_rate: RateOption = 1e-3,
    mix: Annotated[float, typer.Option(min=0, max=1, help="Share of batches mixed in pairs (mixup or CutMix).")] = 0.5,
    votes: Annotated[
        float, typer.Option(min=0, max=1, help="Share of a label left to many readers, where they voted.")
    ] = 0.3,
    teacher: Annotated[
        list[str] | None,
        typer.Option(help="Learn also from this packaged model, by name or card; may be repeated.", show_default=False),
    ] = None,
    taught: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the loss that is the distance from the teachers.")
    ] = 0.5,
    teacher_sees: Annotated[
        str, typer.Option(help="What teachers are asked about: the same view, or a clear one, its look unchanged.")
    ] = "same",
    fold: Annotated[
        int, typer.Option(min=0, max=4, help="Which fifth of the lesions and patients is the test split.")
    ] = 0,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(
            help="Keep this source out of training whole, to test on it; may be repeated.", show_default=False
        ),
    ] = None,
    without_part: Annotated[
        str,
        typer.Option(
            help="Leave a part of the training split out, such as 1/3, so that the model can teach of images it has not met.",
            show_default=False,
        ),
    ] = "",
    views: Annotated[
        int, typer.Option(help="Mirror images that the finished model's answer is the mean of: 1, 2 or 4.")
    ] = 1,
    middle: MiddleOption = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda (a GPU).")] = "auto",
    precision: Annotated[
        str, typer.Option(help="What the network computes in: auto, float32, bfloat16 or float16.")
    ] = "auto",
    name: Annotated[str, typer.Option(help="Name of the model's files.")] = "lesion",
) -> None:
    """Train the lesion model; run the same command again to go on after an interruption.

    Splits are by lesion and patient; near duplicates of judged images are left out of training. The test split is not
    looked at. About an hour on two cores with the defaults.

    On several GPUs: torchrun --no-python --nproc-per-node 8 cygnet train lesion ...

    Exit codes: 0 done; 1 training cannot go on (the loss is no number), the last good checkpoint is kept; 2 wrong use or a
    full disk; 130 interrupted.

    Examples:

      cygnet train lesion --data DATA --out runs/lesion

      cygnet train lesion --config isic2019-2020-fast --print-config > mine.toml

      cygnet train lesion --config mine.toml --data DATA --out runs/mine --epochs 40
    """
    try:
        from cygnet.training.place import open_place
        from cygnet.training.settings import to_toml
    except ImportError as error:
        raise _missing(error) from error
    _refuse_views(views, middle)
    chosen = settled(context, config)
    if print_config:
        typer.echo(to_toml(chosen), nl=False)
        return
    if data is None or out is None:
        missing = "--data DATA, the folder with the images" if data is None else "--out RUN, the folder to write into"
        raise InputError(f"nothing to train: name {missing}; see cygnet train lesion --help")
    with open_place(chosen.device, chosen.precision) as place, _one_voice(place.leads):
        _train_lesion(data, out, chosen, place, name, (views, middle))


def _train_lesion(
    data: Path, out: Path, config: LesionConfig, place: Place, name: str, shown: tuple[int, float]
) -> None:
    from cygnet.schema import DIAGNOSES
    from cygnet.training.finish import finish
    from cygnet.training.lesion import train
    from cygnet.training.network import build
    from cygnet.training.reopen import start_file

    samples, dropped = place.agree(lambda: _samples(data, out, config))
    fresh = partial(build, len(DIAGNOSES), pretrained=False, backbone=config.backbone)
    start = place.agree(lambda: start_file(config.start, fresh, samples, config.sizes[-1], out))
    config = replace(config, start=start)
    if place.leads:
        where = f"{place.device}" + (f", {place.world} processes" if place.world > 1 else "")
        typer.echo(f"{len(samples)} images; {len(dropped)} left out as repeats of judged images; on {where}", err=True)
    with _run(out, quiet=not place.leads) as advance:
        train(samples, config, out, advance, place, lambda text: typer.echo(f"warning: {text}", err=True))
    if place.leads:
        typer.echo(f"model: {finish(out, samples, dropped, config, name, out / 'model', *shown)}")


def _samples(data: Path, out: Path, config: LesionConfig) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Labelled images without repeats, and the pairs that were left out; all problems go to ``out/problems.txt``."""
    from cygnet.cli.show import progress
    from cygnet.training.duplicates import without_leaks
    from cygnet.training.package import refuse_too_few
    from cygnet.training.sources import Part, in_fold, read_sources
    from cygnet.training.tables import read_tables

    if config.fold and (split := [s.name for s in config.sources if s.split]):
        raise InputError(
            f"--fold {config.fold}: the table of {split[0]} says the splits itself; leave out --fold, or its split"
        )
    try:
        samples = read_tables(data, config.sources) if config.sources else read_sources(data)
        without = Part.read(config.without_part) if config.without_part else None
        samples = in_fold(samples, config.fold, config.hold_out, without)
        with progress("looking for repeats", len(samples), "images") as advance:
            found = without_leaks(samples, advance)
        refuse_too_few(found[0])
        return found
    except TableError as error:
        if len(error.problems) <= _SHOWN:
            raise
        out.mkdir(parents=True, exist_ok=True)
        (out / "problems.txt").write_text("\n".join(error.problems) + "\n", encoding="utf-8")
        raise TableError(error.problems, f"All of them are listed in {out / 'problems.txt'}.") from error


@app.command()
def segment(
    data: Annotated[Path, typer.Option(help="Folder with ham10000/: manifest.csv, images/ and masks/.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, log, and at the end model/.")],
    backbone: BackboneOption = "lite0",
    epochs: EpochsOption = 26,
    draws: Annotated[int, typer.Option(min=1, help="Images drawn per epoch.")] = 6144,
    batch: BatchOption = 32,
    sizes: SizesOption = "128,160,160",
    seed: SeedOption = 1,
    workers: PreparersOption = 2,
    pretrained: PretrainedOption = True,
    start: StartOption = "",
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="How far augmentation changes the look of images at first.")
    ] = 0.8,
    keep: KeepOption = 0.0,
    learning_rate: RateOption = 1e-3,
    views: Annotated[
        int, typer.Option(help="Mirror images and turns that an answer of the model is the mean of: 1, 2, 4 or 8.")
    ] = 1,
    name: Annotated[str, typer.Option(help="Name of the model's files.")] = "segment",
) -> None:
    """Train the outline model on HAM10000's masks; run the same command again to go on after an interruption.

    Splits are by lesion, the same as for the lesion model; the test split is not looked at. About an hour on two cores
    with the defaults.
    """
    try:
        from cygnet.training.duplicates import without_leaks
        from cygnet.training.reopen import start_file
        from cygnet.training.segment import SegmentConfig, train
        from cygnet.training.segment_network import build_segment
        from cygnet.training.sources import read_sources
    except ImportError as error:
        raise _missing(error) from error
    _refuse_views(views, outlines=True)
    sides = outline_sides(sizes)
    samples, dropped = without_leaks([s for s in read_sources(data) if s.source == "ham10000"])
    fresh = partial(build_segment, pretrained=False, backbone=backbone)
    config = SegmentConfig(
        backbone=backbone,
        epochs=epochs,
        draws=draws,
        batch=batch,
        sizes=sides,
        learning_rate=learning_rate,
        seed=seed,
        workers=workers,
        pretrained=pretrained,
        start=start_file(start, fresh, samples, sides[-1], out),
        keep=keep,
        strength=strength,
    )
    typer.echo(f"{len(samples)} images; {len(dropped)} left out as repeats of judged images", err=True)
    with _run(out) as advance:
        train(samples, config, out, advance)
    from cygnet.training.segment_finish import finish

    typer.echo(f"model: {finish(out, samples, dropped, config, name, out / 'model', views)}")


@app.command()
def context(
    data: Annotated[
        Path, typer.Option(help="Folder with ham10000/ and tables/ (isic2020_train, isic2020_oof..., isic2024_sample).")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run: features, a network per fold, and at the end model/.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of --batch patients for each network.")] = 300,
    batch: Annotated[int, typer.Option(min=1, help="Patients per step.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of draws and weights.")] = 1,
) -> None:
    """Train the learned context network; run the same command again to go on after an interruption.

    Five patient-grouped folds, for judging, and one network on all, which is packaged. HAM10000's test split is not looked
    at. A few minutes on two cores, most of it for the features of the images.
    """
    try:
        from cygnet.training.context import ContextConfig, train
    except ImportError as error:
        raise _missing(error) from error
    if missing := [name for name in ("ham10000", "tables") if not (data / name).is_dir()]:
        raise InputError(f"{data}: no folder {', '.join(missing)} here; --data needs ham10000/ and tables/")
    config = ContextConfig(steps=steps, batch=batch, seed=seed)
    with _run(out) as advance:
        card = train(data, out, config, advance)
    typer.echo(f"model: {card}")


@app.command()
def together(
    data: Annotated[Path, typer.Option(help="The same folder that the models were trained on.")],
    model: Annotated[list[str], typer.Option(help="A packaged model by name, or the card of one; two or more times.")],
    out: Annotated[Path, typer.Option(help="Folder for the files of the model.")],
    views: Annotated[
        int, typer.Option(help="Mirror images that an answer is the mean of: 1, 2 or 4; 8 for outlines.")
    ] = 1,
    middle: MiddleOption = 0,
    name: Annotated[str, typer.Option(help="Name of the model's files.")] = "accurate",
) -> None:
    """Join lesion models, or outline models, into one that answers with their mean, calibrated anew; nothing is trained.

    About five minutes on two cores.
    """
    from cygnet.models.registry import is_lesion_model

    try:
        from cygnet.training.duplicates import without_leaks
        from cygnet.training.sources import read_sources
        from cygnet.training.teacher import model_files
        from cygnet.training.together import package_outlines_together, package_together
    except ImportError as error:
        raise _missing(error) from error
    files = [model_files(named) for named in model]
    kinds = [is_lesion_model(one.card) for one in files]
    if len(set(kinds)) > 1:
        lesion, outline = files[kinds.index(True)].name, files[kinds.index(False)].name
        raise InputError(f"{lesion} judges lesions and {outline} outlines them; join models of one kind")
    outlines = not any(kinds)
    _refuse_views(views, middle, outlines=outlines)
    samples, _ = without_leaks([s for s in read_sources(data) if not outlines or s.source == "ham10000"])
    if outlines:
        card = package_outlines_together(files, samples, name, out, views)
    else:
        card = package_together(files, samples, name, out, views, middle)
    typer.echo(f"model: {card}")


def _refuse_views(views: int, middle: float = 0, *, outlines: bool = False) -> None:
    from cygnet.models.views import OUTLINE_VIEWS, VIEWS

    allowed = OUTLINE_VIEWS if outlines else VIEWS
    if views not in allowed:
        raise InputError(f"--views {views}: give one of {', '.join(map(str, allowed))}")
    if not middle:
        return
    if outlines:
        raise InputError(f"--middle {middle}: an outline is drawn over the whole image; leave it out")
    if not 0 < middle <= 1:
        raise InputError(f"--middle {middle}: give a share of the shorter side above 0, at most 1")
    if views == 1:
        raise InputError(f"--middle {middle}: half of the views show it; say --views 2 or 4")


@contextmanager
def _run(out: Path, *, quiet: bool = False) -> Iterator[Callable[[int, int, float], None]]:
    """Progress of a training run, and what to say when it is interrupted."""
    from cygnet.cli.show import progress

    try:
        with progress("training", 0, "steps", quiet=quiet) as advance:
            yield lambda done, total, loss: advance(done, f"of {total}, loss {loss:.3f}")
    except KeyboardInterrupt:
        if not quiet:
            typer.echo(f"\ninterrupted; run the same command again to go on from the last epoch in {out}", err=True)
        raise typer.Exit(130) from None


@contextmanager
def _one_voice(leads: bool) -> Iterator[None]:
    """Of several processes that fail alike, one says why."""
    try:
        yield
    except CygnetError as error:
        if leads:
            raise
        raise SystemExit(error.exit_code) from error


def _missing(error: ImportError) -> CygnetError:
    return MissingExtraError(f"training needs the [train] extra ({error.name} is missing): pip install 'cygnet[train]'")

"""The work of ``cygnet.triage.features`` on Ray Data: the same batches, on as many workers as a cluster has.

Every worker must see the images under the same paths (a shared file system). A worker that dies is replaced and its batches are
done again; batches are those of the local engine, so that the answers are the same to the bit.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import CygnetError, MissingExtraError
from cygnet.models import LesionModel, ModelFiles
from cygnet.models.registry import find
from cygnet.schema import ImageRecord
from cygnet.triage.features import Part, Seen, answers, earlier
from cygnet.triage.workers import spans
from cygnet.workers import cores

#: Batches of images that a worker takes at a time, and that are done again where it dies.
_TASK: Final = 4


class ClusterError(CygnetError):
    """The cluster gave up; what was answered before is kept."""

    exit_code = 1


def see_on_ray(
    records: Sequence[ImageRecord],
    model: LesionModel,
    part: Part,
    *,
    workers: int | None = None,
    known: Callable[[int, ImageRecord], Seen | None] | None = None,
) -> Iterator[Seen]:
    """As ``features.see``, on the Ray cluster of ``RAY_ADDRESS``, or on one started here for as long as it takes.

    ``workers`` are processes with a model each, by default one for every processor of the cluster.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    ClusterError
        If the cluster fails for good.
    """
    todo = [span for span in spans(len(records)) if earlier(records, span, known) is None]
    made = _on_ray(records, todo, model.files, part, workers) if todo else iter(())
    left = {span.start for span in todo}
    for span in spans(len(records)):
        if span.start in left:
            yield from next(made)
        else:  # a file that changed in the meantime is looked at here
            yield from earlier(records, span, known) or answers([records[i] for i in span], model, part)


def _on_ray(
    records: Sequence[ImageRecord], todo: Sequence[range], files: ModelFiles, part: Part, workers: int | None
) -> Iterator[list[Seen]]:
    """The answers to each of the batches ``todo``, in order."""
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        _start(ray, workers)
    try:
        count = workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        rows = [{"batch": pickle.dumps([records[i] for i in span])} for span in todo]
        work = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // _TASK)).map_batches(
            _Worker,
            fn_constructor_args=(files.name, str(files.network.parent), part),
            batch_size=None,  # a block is a task; batches of a stated size make Ray put blocks together
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=min(count, -(-len(rows) // _TASK))),
        )
        for span, row in zip(todo, work.iter_rows(), strict=True):
            said = pickle.loads(row["answers"])
            yield [Seen(records[i], *one) for i, one in zip(span, said, strict=True)]
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise ClusterError(
            f"the Ray cluster gave up ({reason}); nothing is lost: run the same command with --resume"
        ) from error
    finally:
        if ours:
            ray.shutdown()


class _Worker:
    """A process with a model: pickled records to pickled answers."""

    def __init__(self, name: str, folder: str, part: Part) -> None:
        self._model = LesionModel(find(name, Path(folder)))
        self._part = part

    def __call__(self, batches: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        made = [answers(pickle.loads(batch), self._model, self._part) for batch in batches["batch"]]
        plain = [pickle.dumps([(one.values, one.strangeness, one.problem) for one in batch]) for batch in made]
        return {"answers": np.array(plain, object)}


def _start(ray: Any, workers: int | None) -> None:
    # Ray reports its use to its makers unless it is told not to; nothing leaves the machine here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not os.environ.get("RAY_ADDRESS"):
        options |= {"num_cpus": workers or cores(), "include_dashboard": False}
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises bare exceptions where its processes do not come up
        raise ClusterError(
            f"Ray did not start ({str(error).strip().splitlines()[-1][:200]}); nothing is lost: run the same command with --resume"
        ) from error


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError(
            f"--engine ray needs the [ray] extra ({error.name} is missing): pip install 'cygnet[ray]'"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


__all__ = ["ClusterError", "see_on_ray"]

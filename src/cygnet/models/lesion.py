"""The lesion network at work: pixels to logits, embedding and familiarity, in ONNX Runtime.

The network file answers with its pooled features (output ``embedding``). Their largest directions say little more than which diagnosis it is, so that
angles between them are angles between verdicts; the embedding is their coordinates along principal directions, each in units of its own spread.

No probability is made here; calibration belongs to the run that states a prevalence (``cygnet.triage``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import ModelError
from cygnet.imaging.look import look
from cygnet.models.registry import ModelFiles, find
from cygnet.models.session import open_session
from cygnet.models.views import back, close_views, enlarged, mean, views, whole

Floats = NDArray[np.float32]
#: Numbers of an embedding; fewer where a model was made of fewer images.
EMBEDDING: Final = 128


@dataclass(frozen=True, slots=True)
class Prediction:
    """For n images: ``logits`` (n, 7) in the order of ``cygnet.schema.DIAGNOSES``; ``embedding`` (n, 128), compared by angle: lesions that
    look alike are near each other; ``strangeness`` (n,): how unlike dermoscopy the image is, 1.0 at the limit that the model card states.

    ``attention`` (n, g, g), where the model offers it, else None: the class activation map of melanoma (Zhou et al. 2016,
    doi:10.1109/CVPR.2016.319) over the whole image, in logits, above 0 where the image speaks for melanoma rather than the
    other diagnoses.
    """

    logits: Floats
    embedding: Floats
    strangeness: Floats
    attention: Floats | None = None


class LesionModel:
    """A loaded lesion model. Safe to call from several threads at once.

    ``size`` is the side of the square input in pixels; ``views`` how many mirror images an answer is the mean of, and
    ``middle`` the share of the shorter side that half of them show (``cygnet.imaging.decode``), 0 where all show the whole image;
    ``card`` its model card.
    """

    def __init__(self, files: ModelFiles | None = None, *, threads: int = 1) -> None:
        self.files = files or find()
        self.card = self.files.card
        self.size = int(self.card["input"]["size"])
        self.views = int(self.card["input"].get("views", 1))
        self.middle = float(self.card["input"].get("middle", 0))
        self._session = open_session(self.files.network, threads)
        offered = {output.name for output in self._session.get_outputs()}
        self._outputs = [name for name in ("logits", "embedding", "attention") if name in offered]
        try:
            with np.load(self.files.statistics, allow_pickle=False) as arrays:
                self._space = Space.of(arrays)
                self._limit = float(arrays["limit"])
                self._looks = Looks.of(arrays)
        except Exception as error:  # numpy raises many kinds for damaged files
            raise ModelError(f"{self.files.statistics}: cannot be loaded ({error}). Reinstall cygnet.") from error

    def predict(
        self, pixels: NDArray[np.uint8], lab: Floats | None = None, near: NDArray[np.uint8] | None = None
    ) -> Prediction:
        """Run the network on (n, size, size, 3) uint8 sRGB images, each squashed to the square.

        ``lab``, their colours on the coarse grid, need not be worked out again where they are known (``cygnet.imaging.look``).
        ``near``, as large, is the middle of each, which ``cygnet.imaging.decode`` cuts out of the file; where it is needed and
        not given, it is enlarged from ``pixels``, with less detail.
        """
        answers = self._answers(pixels, self._outputs, self.views, near)
        logits = mean([np.asarray(answer[0], np.float32) for answer in answers])
        # What is seen, and where, is said of the whole image: views of the middle take part in the verdict alone.
        seen = whole(self.views, self.middle)
        features = mean([np.asarray(answers[view][1], np.float32) for view in seen])
        attention = mean([back(answers[view][2], view) for view in seen]) if self.explains else None
        placed = self._space.place(features)
        return Prediction(logits, placed.embedding, self._strangeness(placed, pixels, lab), attention)

    def logits(
        self, pixels: NDArray[np.uint8], views: int | None = None, near: NDArray[np.uint8] | None = None
    ) -> Floats:
        """The logits alone, as in ``Prediction``; of ``views`` (1, 2 or 4) mirror images, by default the model's own number."""
        answers = self._answers(pixels, ["logits"], views or self.views, near)
        return mean([np.asarray(answer[0], np.float32) for answer in answers])

    def features(self, pixels: NDArray[np.uint8]) -> Floats:
        """The network's pooled features, (n, 1280), from which ``Prediction``'s embedding and strangeness are made."""
        seen = list(views(pixels, self.views))
        shown = [seen[view] for view in whole(self.views, self.middle)]
        return mean([np.asarray(self._session.run(["embedding"], {"pixels": v})[0], np.float32) for v in shown])

    def _answers(
        self, pixels: NDArray[np.uint8], outputs: list[str], count: int, near: NDArray[np.uint8] | None
    ) -> list[Any]:
        """What the network says of each of ``count`` mirror images."""
        if self.middle and count > 1 and near is None:
            near = enlarged(pixels, self.middle)
        shown = close_views(pixels, near if self.middle else None, count)
        return [self._session.run(outputs, {"pixels": view}) for view in shown]

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        return min(EMBEDDING, len(self._space.axes))

    @property
    def explains(self) -> bool:
        """Whether the model says where it looked."""
        return "attention" in self._outputs

    def attention(self, pixels: NDArray[np.uint8]) -> Floats:
        """Where the network looked for melanoma in (n, size, size, 3) images: (n, g, g), as in ``Prediction``.

        Raises
        ------
        ModelError
            If the model does not say.
        """
        found = self.predict(pixels).attention
        if found is None:
            raise ModelError(
                f"{self.files.name}: this model does not say where it looked; take one whose file has the output attention"
            )
        return found

    def _strangeness(self, placed: Placed, pixels: NDArray[np.uint8], lab: Floats | None) -> Floats:
        found = placed.strangeness
        if self._looks is not None:
            found = np.hypot(found, self._looks.strangeness(look(pixels, lab)))
        return np.asarray(found / np.float32(self._limit), np.float32)


@dataclass(frozen=True, slots=True)
class Placed:
    """Features of n images in a ``Space``: ``along`` its axes (n, k), in standard deviations, and how far ``off`` them (n,), squared, 1 being usual."""

    along: Floats
    off: Floats

    @property
    def embedding(self) -> Floats:
        """The coordinates by which lesions are compared: (n, at most 128)."""
        return np.ascontiguousarray(self.along[:, :EMBEDDING])

    @property
    def strangeness(self) -> Floats:
        """Distance from real dermoscopy, (n,): Mahalanobis distance (Lee et al. 2018) along the axes, plus what lies off them."""
        return np.asarray(np.sqrt((self.along**2).mean(axis=1) + self.off), np.float32)


@dataclass(frozen=True, slots=True)
class Space:
    """Where real dermoscopy lies among a network's features (n, d): around ``centre`` (d,), along principal ``axes`` (k, d), the largest
    first, with standard deviations ``scale`` (k,), and ``rest``, the usual squared distance off them."""

    centre: Floats
    axes: Floats
    scale: Floats
    rest: float

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Space:
        """From the arrays of a model."""
        centre, axes, scale = (np.asarray(arrays[name], np.float32) for name in ("centre", "axes", "scale"))
        return cls(centre, axes, scale, float(arrays["rest"]))

    def place(self, features: Floats) -> Placed:
        """Features (n, d) where they lie in it."""
        offset = features - self.centre
        inside = offset @ self.axes.T
        off = np.maximum((offset**2).sum(axis=1) - (inside**2).sum(axis=1), 0) / np.float32(self.rest)
        return Placed(np.asarray(inside / self.scale, np.float32), np.asarray(off, np.float32))


@dataclass(frozen=True, slots=True)
class Looks:
    """What dermoscopy of each of s sources looks like, in the numbers of ``cygnet.imaging.look``: ``mean`` (s, k) and ``whiten``
    (s, k, k), which makes their spread 1 in every direction; ``unit`` is the distance that counts as 1."""

    mean: Floats
    whiten: Floats
    unit: float

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Looks | None:
        """From the arrays of a model; None for a model without."""
        if "look_unit" not in arrays:
            return None
        return cls(arrays["look_mean"], arrays["look_whiten"], float(arrays["look_unit"]))

    def strangeness(self, looks: Floats) -> Floats:
        """Distance of looks (n, k) from those of the nearest source: (n,), root of the mean over the k numbers (Mahalanobis)."""
        near = [
            np.sqrt((((looks - mean) @ whiten) ** 2).mean(axis=1))
            for mean, whiten in zip(self.mean, self.whiten, strict=True)
        ]
        return np.asarray(np.min(near, axis=0) / self.unit, np.float32)

"""Connected regions of stacks of masks, by runs: numpy only, a few dozen microseconds an image.

A row of a mask is a few runs of set pixels. Runs of neighbouring rows that touch are joined; regions are what hangs
together (Rosenfeld & Pfaltz 1966). The graph of runs also tells holes without looking for them: each is one independent
cycle of it, so a region has (joints - runs + 1) holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of masks (n, h, w), of all images together, in the order in which a scan first meets them.

    For m runs: ``image``, ``row``, ``start``, ``stop`` (columns start..stop - 1 are set) and ``region``, each (m,) int64,
    ordered by image, row, start. For k regions: ``home`` the image of each, ``area`` in pixels, ``holes``, each (k,)
    int64. ``shape`` is (n, h, w).
    """

    shape: tuple[int, int, int]
    image: Ints
    row: Ints
    start: Ints
    stop: Ints
    region: Ints
    home: Ints
    area: Ints
    holes: Ints

    def draw(self, kept: Mask) -> Mask:
        """The masks (n, h, w) of the regions for which ``kept`` (k,) is true."""
        n, h, w = self.shape
        runs = kept[self.region]
        line = (self.image[runs] * h + self.row[runs]) * (w + 1)
        change = np.zeros(n * h * (w + 1) + 1, np.int8)
        change[line + self.start[runs]] = 1
        # A run never starts where another stops, so that no two changes meet.
        change[line + self.stop[runs]] = -1
        return np.cumsum(change[:-1], dtype=np.int8).view(np.bool_).reshape(n, h, w + 1)[:, :, :w]

    def on_rim(self) -> Mask:
        """Whether each region has a pixel in the outermost rows or columns of its image: (k,) bool."""
        _, h, w = self.shape
        runs = (self.row == 0) | (self.row == h - 1) | (self.start == 0) | (self.stop == w)
        touching = np.zeros(len(self.home), np.bool_)
        touching[self.region[runs]] = True
        return touching


def regions(masks: Mask, *, diagonal: bool = True) -> Regions:
    """The connected regions of masks (n, h, w) bool; ``diagonal`` neighbours are connected unless it is false."""
    n, h, w = masks.shape
    # One blank column ends each row's last run, one blank row keeps images apart.
    wide = np.zeros((n, h + 1, w + 1), np.int8)
    wide[:, :h, :w] = masks
    flat = wide.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=np.int8(0)))
    start, stop = edges[::2], edges[1::2]
    upper, lower = _touching(start, stop, w + 1, int(diagonal))
    root = _joined(len(start), upper, lower)
    first, region = np.unique(root, return_inverse=True)
    line = start // (w + 1)
    image = line // (h + 1)
    begin = line * (w + 1)
    k = len(first)
    joints = np.bincount(region[lower], minlength=k)
    runs = np.bincount(region, minlength=k)
    area = np.bincount(region, weights=stop - start, minlength=k).astype(np.int64)
    return Regions(
        (n, h, w),
        image,
        line % (h + 1),
        start - begin,
        stop - begin,
        region,
        image[first],
        area,
        joints - runs + 1 if diagonal else np.zeros(k, np.int64),
    )


def _touching(start: Ints, stop: Ints, width: int, reach: int) -> tuple[Ints, Ints]:
    """Pairs (upper, lower) of runs, given by flat positions, that touch across neighbouring rows."""
    first = np.searchsorted(stop, start - width - reach, side="right")
    last = np.searchsorted(start, stop - width + reach, side="left")
    count = np.maximum(last - first, 0)
    lower = np.repeat(np.arange(len(start)), count)
    upper = np.arange(len(lower)) - np.repeat(np.cumsum(count) - count, count) + first[lower]
    return upper, lower


def _joined(m: int, one: Ints, other: Ints) -> Ints:
    """For each of m things, the smallest that it is joined to by pairs, directly or through others: (m,)."""
    root = np.arange(m)
    while True:
        a, b = root[one], root[other]
        low, high = np.minimum(a, b), np.maximum(a, b)
        apart = low != high
        if not apart.any():
            return root
        root[high[apart]] = low[apart]
        while True:
            further = root[root]
            if np.array_equal(further, root):
                break
            root = further

"""Simulated patients: the same seed the same bytes, exact measurements, one odd lesion, folders whole or absent."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import cygnet.simulate as room
from cygnet.errors import InputError, OutputError
from cygnet.simulate import ARTEFACTS, NOTICE, SITES, simulate_lesion, simulate_patient, write_patients
from cygnet.simulate.shape import Outline, measure
from cygnet.simulate.style import skin_colour

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (96, 72)
seeds = st.integers(0, 2**40)
few = settings(max_examples=15, deadline=None, derandomize=True)


def luminance(rgb: tuple[float, float, float]) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def read(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_public_names() -> None:
    assert room.__all__ == [
        "ARTEFACTS",
        "NOTICE",
        "SITES",
        "ExactMeasurements",
        "Pattern",
        "SimulatedLesion",
        "SimulatedPatient",
        "simulate_lesion",
        "simulate_patient",
        "write_patients",
    ]


@few
@given(seeds)
def test_same_seed_gives_the_same_patient(seed: int) -> None:
    one, two = (simulate_patient(seed, n_lesions=3, size=SMALL) for _ in range(2))
    assert (one.age, one.sex, one.skin_ita, one.pattern) == (two.age, two.sex, two.skin_ita, two.pattern)
    for left, right in zip(one.lesions, two.lesions, strict=True):
        assert left.image.tobytes() == right.image.tobytes()
        assert left.mask.tobytes() == right.mask.tobytes()
        assert (left.measurements, left.artefacts, left.site) == (right.measurements, right.artefacts, right.site)


@few
@given(seeds)
def test_different_seeds_and_lesions_differ(seed: int) -> None:
    lesions = [x for s in (seed, seed + 1) for x in simulate_patient(s, n_lesions=3, size=SMALL).lesions]
    assert len({lesion.image.tobytes() for lesion in lesions}) == 6
    assert len({lesion.mask.tobytes() for lesion in lesions}) == 6
    assert len({lesion.seed for lesion in lesions}) == 6


def test_more_lesions_leave_the_first_ones_as_they_were() -> None:
    some = simulate_patient(9, n_lesions=2, odd=False, size=SMALL).lesions
    more = simulate_patient(9, n_lesions=4, odd=False, size=SMALL).lesions
    assert [lesion.image.tobytes() for lesion in some] == [lesion.image.tobytes() for lesion in more[:2]]


@few
@given(seeds, st.integers(1, 6), st.booleans())
def test_exactly_one_odd_lesion_if_asked_for(seed: int, n_lesions: int, odd: bool) -> None:
    patient = simulate_patient(seed, n_lesions=n_lesions, odd=odd, size=(64, 64))
    assert len(patient.lesions) == n_lesions
    assert sum(lesion.odd for lesion in patient.lesions) == int(odd)
    assert [lesion.pattern == "multicomponent" for lesion in patient.lesions] == [x.odd for x in patient.lesions]


def test_the_odd_lesion_may_stand_anywhere() -> None:
    positions = set()
    for seed in range(30):
        lesions = simulate_patient(seed, n_lesions=3, size=(64, 64)).lesions
        positions.add([lesion.odd for lesion in lesions].index(True))
    assert positions == {0, 1, 2}


def test_siblings_are_the_same_with_and_without_the_odd_lesion() -> None:
    with_odd = simulate_patient(11, n_lesions=5, size=SMALL).lesions
    without = simulate_patient(11, n_lesions=5, odd=False, size=SMALL).lesions
    same = [a.image.tobytes() == b.image.tobytes() for a, b in zip(with_odd, without, strict=True)]
    assert same == [not lesion.odd for lesion in with_odd]


@few
@given(seeds)
def test_odd_lesion_is_darker_and_larger_than_its_siblings(seed: int) -> None:
    lesions = simulate_patient(seed, n_lesions=7, size=SMALL).lesions
    (odd,) = (lesion.measurements for lesion in lesions if lesion.odd)
    siblings = [lesion.measurements for lesion in lesions if not lesion.odd]
    assert luminance(odd.mean_rgb) < np.median([luminance(sibling.mean_rgb) for sibling in siblings])
    assert odd.area_px > np.median([sibling.area_px for sibling in siblings])


def test_nevi_of_one_patient_are_more_alike_than_those_of_different_patients() -> None:
    patients = [simulate_patient(seed, n_lesions=5, odd=False, size=SMALL) for seed in range(20)]
    colours = np.array([[lesion.measurements.mean_rgb for lesion in patient.lesions] for patient in patients])
    within = colours.var(axis=1).mean()
    between = colours.mean(axis=1).var(axis=0).mean()
    assert within < 0.5 * between


@few
@given(seeds, st.sampled_from([(64, 64), (96, 72), (64, 150), (201, 77)]), st.booleans())
def test_mask_and_its_measurements_are_exact(seed: int, size: tuple[int, int], odd: bool) -> None:
    lesion = simulate_lesion(seed, odd=odd, size=size)
    exact, mask = lesion.measurements, lesion.mask
    assert lesion.image.shape == (size[1], size[0], 3)
    assert lesion.image.dtype == np.uint8
    assert mask.shape == (size[1], size[0])
    assert mask.dtype == np.bool_
    assert not (mask[0].any())
    assert not (mask[-1].any())
    assert not (mask[:, 0].any())
    assert not (mask[:, -1].any())
    assert exact.area_px == np.count_nonzero(mask)
    assert exact.area_share == exact.area_px / (size[0] * size[1])
    y, x = np.indices(mask.shape)
    weight = mask / mask.sum()
    centre = float((x * weight).sum()), float((y * weight).sum())
    assert exact.centroid_xy == pytest.approx(centre)
    xx, yy = ((x - centre[0]) ** 2 * weight).sum(), ((y - centre[1]) ** 2 * weight).sum()
    xy = ((x - centre[0]) * (y - centre[1]) * weight).sum()
    values, _ = np.linalg.eig(np.array([[xx, xy], [xy, yy]]))
    minor, major = 4 * np.sqrt(np.sort(values.real))
    assert (exact.minor_axis_px, exact.major_axis_px) == pytest.approx((minor, major))
    assert exact.eccentricity == pytest.approx(math.sqrt(1 - (minor / major) ** 2), abs=1e-6)
    assert exact.perimeter_px > math.sqrt(4 * math.pi * exact.area_px) * 0.97
    assert all(0 < channel < 255 for channel in exact.mean_rgb)


def test_measurements_of_a_drawn_ellipse_are_those_of_the_formula() -> None:
    angle = np.linspace(-math.pi, math.pi, 720, endpoint=False)
    a, b = 80.0, 50.0
    outline = Outline((120.0, 100.0), a * b / np.hypot(b * np.cos(angle), a * np.sin(angle)))
    mask = outline.depth((200, 240)) < 0
    exact = measure(mask, outline, np.full((200, 240, 3), 0.5, np.float32))
    assert exact.area_px == pytest.approx(math.pi * a * b, rel=0.003)
    assert (exact.major_axis_px, exact.minor_axis_px) == pytest.approx((2 * a, 2 * b), rel=0.003)
    assert exact.eccentricity == pytest.approx(math.sqrt(1 - (b / a) ** 2), rel=0.003)
    ramanujan = math.pi * (3 * (a + b) - math.sqrt((3 * a + b) * (a + 3 * b)))
    assert exact.perimeter_px == pytest.approx(ramanujan, rel=0.001)
    assert exact.centroid_xy == pytest.approx((120, 100), abs=0.01)
    assert exact.mean_rgb == pytest.approx((127.5, 127.5, 127.5))


def test_lesion_is_darker_than_the_skin_around_it() -> None:
    for seed in range(12):
        lesion = simulate_lesion(seed, size=SMALL)
        around = np.median(lesion.image[~lesion.mask].mean(axis=1))
        assert lesion.image[lesion.mask].mean() < around


def test_names_sites_and_artefacts_are_of_the_vocabulary() -> None:
    patient = simulate_patient(7, n_lesions=40, size=(64, 64))
    assert patient.patient_id == "SIM-0007"
    assert patient.lesions[2].image_id == "SIM-0007_03"
    assert patient.lesions[2].lesion_id == "SIM-0007-L03"
    assert {lesion.site for lesion in patient.lesions} <= set(SITES)
    assert len({lesion.site for lesion in patient.lesions}) >= 3
    assert sum(SITES.values()) == pytest.approx(1)
    seen = {name for lesion in patient.lesions for name in lesion.artefacts}
    assert {"noise", "lighting", "vignette"} <= seen <= set(ARTEFACTS)
    assert 20 <= patient.age <= 80
    assert patient.sex in {"female", "male"}


def test_every_artefact_occurs_and_leaves_its_trace() -> None:
    lesions = [x for seed in range(12) for x in simulate_patient(seed, n_lesions=6, size=(64, 64)).lesions]
    assert {name for lesion in lesions for name in lesion.artefacts} == set(ARTEFACTS)
    for lesion in lesions:
        corners = lesion.image[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
        assert (corners < 30) == ("dark field" in lesion.artefacts)


def test_artefacts_know_where_they_lie() -> None:
    lesions = [x for seed in range(12) for x in simulate_patient(seed, n_lesions=4, size=(120, 90)).lesions]
    placed = {"hair", "bubbles", "ruler", "dark field"}
    for lesion in lesions:
        assert set(lesion.artefact_masks) == placed & set(lesion.artefacts)
        assert (lesion.mm_per_px is not None) == ("ruler" in lesion.artefacts)
        for name, mask in lesion.artefact_masks.items():
            assert mask.shape == lesion.mask.shape
            if name in ("ruler", "dark field") and mask.any():
                assert lesion.image[mask].mean() < lesion.image[~mask & ~lesion.mask].mean()
    scales = [x.mm_per_px for x in lesions if x.mm_per_px is not None]
    assert scales
    unit = 120 / 600  # ticks are 24 to 34 pixels apart in an image of 600 x 450
    assert all(1 / 34 <= scale * unit <= 1 / 24 for scale in scales)


@pytest.mark.parametrize(("ita", "lightness"), [(45.0, 64.0), (0.0, 50.0), (-10.0, 47.531)])
def test_skin_colour_has_the_typology_angle_asked_for(ita: float, lightness: float) -> None:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in skin_colour(ita, 12.0))
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert 116 * y ** (1 / 3) - 16 == pytest.approx(lightness, abs=0.05)


def test_written_folder_holds_what_the_patients_hold(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    out = tmp_path / "new" / "set"
    written = write_patients(
        out, n_patients=2, seed=5, n_lesions=3, odd=True, size=SMALL, progress=lambda n, of: done.append((n, of))
    )
    assert written == out
    assert done == [(1, 2), (2, 2)]
    assert [path.name for path in out.parent.iterdir()] == ["set"]
    rows, numbers = read(out / "manifest.csv"), read(out / "measurements.csv")
    assert ",".join(rows[0]) == "image,file,patient_id,lesion_id,age,sex,site,simulated,odd,seed"
    patients = [simulate_patient(seed, n_lesions=3, size=SMALL) for seed in (5, 6)]
    expected = [(patient, lesion) for patient in patients for lesion in patient.lesions]
    for row, number, (patient, lesion) in zip(rows, numbers, expected, strict=True):
        assert (row["image"], row["patient_id"], row["lesion_id"]) == (
            lesion.image_id,
            patient.patient_id,
            lesion.lesion_id,
        )
        assert (row["age"], row["sex"], row["site"]) == (str(patient.age), patient.sex, lesion.site)
        assert (row["simulated"], row["odd"], row["seed"]) == ("true", str(lesion.odd).lower(), str(patient.seed))
        assert (number["image"], int(number["area_px"])) == (lesion.image_id, lesion.measurements.area_px)
        assert float(number["major_axis_px"]) == pytest.approx(lesion.measurements.major_axis_px, abs=1e-4)
        assert float(number["mean_b"]) == pytest.approx(lesion.measurements.mean_rgb[2], abs=1e-4)
        with Image.open(out / row["file"]) as image:
            assert image.format == "JPEG"
            assert image.size == SMALL
            assert image.info["comment"] == NOTICE.encode()
            assert image.getexif()[0x010E] == NOTICE
            assert np.abs(np.asarray(image, dtype=float) - lesion.image).mean() < 6
        with Image.open(out / "masks" / f"{lesion.image_id}_segmentation.png") as mask:
            assert mask.mode == "L"
            assert np.array_equal(np.asarray(mask), lesion.mask * np.uint8(255))
    readme = (out / "README.txt").read_text(encoding="utf-8")
    assert NOTICE in readme
    assert "never evidence of accuracy" in readme


def test_same_call_writes_the_same_bytes(tmp_path: Path) -> None:
    one, two = (write_patients(tmp_path / n, n_patients=1, seed=3, n_lesions=2, odd=False, size=SMALL) for n in "ab")
    assert all_bytes(one) == all_bytes(two)
    assert len(all_bytes(one)) == 7


@pytest.mark.parametrize("made_before", [False, True])
def test_interrupted_run_leaves_nothing_behind(tmp_path: Path, made_before: bool) -> None:
    out = tmp_path / "set"
    if made_before:
        out.mkdir()

    def interrupt(done: int, of: int) -> None:
        assert any(tmp_path.glob(".set-*/set/images/*.jpg"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_patients(out, n_patients=2, seed=0, n_lesions=1, odd=True, size=(64, 64), progress=interrupt)
    assert list(tmp_path.rglob("*")) == ([out] if made_before else [])


def test_folder_with_contents_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(InputError, match=r"not an empty folder; give a new folder") as caught:
        write_patients(tmp_path, n_patients=1, seed=0, n_lesions=1, odd=True, size=SMALL)
    assert str(tmp_path) in str(caught.value)
    assert all_bytes(tmp_path) == {"precious.txt": b"keep"}


def test_empty_folder_is_used(tmp_path: Path) -> None:
    write_patients(tmp_path / "set", n_patients=1, seed=0, n_lesions=1, odd=True, size=(64, 64))
    (tmp_path / "empty").mkdir()
    write_patients(tmp_path / "empty", n_patients=1, seed=0, n_lesions=1, odd=True, size=(64, 64))
    assert all_bytes(tmp_path / "empty") == all_bytes(tmp_path / "set")


def test_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="set: the simulated patients could not be written"):
        write_patients(tmp_path / "file" / "set", n_patients=1, seed=0, n_lesions=1, odd=True, size=(64, 64))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n_patients": 0}, "n_patients is 0; give at least 1"),
        ({"n_lesions": 0}, "n_lesions is 0; give at least 1"),
        ({"seed": -1}, "seed is -1; give a whole number from 0 up"),
        ({"size": (63, 450)}, "size is 63x450 px; give at least 64 px"),
        ({"size": (600, 10)}, "size is 600x10 px; give at least 64 px"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_made(tmp_path: Path, wrong: dict[str, object], says: str) -> None:
    arguments: dict[str, object] = {"n_patients": 1, "seed": 0, "n_lesions": 1, "odd": True, "size": SMALL}
    with pytest.raises(InputError, match=says):
        write_patients(tmp_path / "set", **(arguments | wrong))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_simulate_patient_checks_too() -> None:
    with pytest.raises(InputError, match="n_lesions is 0"):
        simulate_patient(0, n_lesions=0)
    with pytest.raises(InputError, match="size is 600x63"):
        simulate_lesion(0, size=(600, 63))

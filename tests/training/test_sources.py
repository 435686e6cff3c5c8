"""Labels, splits, and repeats between them. No torch here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("scipy", reason="training needs the [train] extra")

from cygnet.errors import InputError, TableError
from cygnet.schema import DIAGNOSES
from cygnet.simulate import simulate_patient
from cygnet.training.duplicates import without_leaks
from cygnet.training.sources import Part, Sample, in_fold, read_sources, split_of

HEADS = {
    "ham10000": "isic_id,lesion_id,dx,file,file_224",
    "isic2017": "isic_id,label,file",
    "isic2020": "isic_id,patient_id,diagnosis,file",
}


def manifest(data: Path, source: str, *rows: str, touch: bool = True) -> Path:
    folder = data / source
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.csv").write_text("\n".join([HEADS[source], *rows]) + "\n")
    column = HEADS[source].split(",").index("file")
    for row in rows:
        if touch:
            (folder / row.split(",")[column]).touch()
    return data


def test_split_shares() -> None:
    splits = [split_of(f"ham10000:HAM_{k:07}") for k in range(20_000)]
    shares = {name: splits.count(name) / len(splits) for name in set(splits)}
    assert shares == {
        "test": pytest.approx(0.2, abs=0.01),
        "calibration": pytest.approx(0.05, abs=0.006),
        "train": pytest.approx(0.75, abs=0.012),
    }


def test_split_never_changes() -> None:
    groups = ["ham10000:HAM_0000118", "isic2017:ISIC_0000000", "isic2020:IP_7279968", "ä", ""]
    first = [split_of(g) for g in groups]
    assert first == [split_of(g) for g in groups]
    assert [split_of(f"fixed:{k}") for k in range(8)] == FIXED


def test_five_folds_test_every_group_once() -> None:
    groups = [f"ham10000:HAM_{k:07}" for k in range(500)]
    tested = [[fold for fold in range(5) if split_of(g, fold) == "test"] for g in groups]
    assert all(len(folds) == 1 for folds in tested)
    assert {folds[0] for folds in tested} == set(range(5))


def test_a_source_is_held_out_whole_and_folds_divide_the_rest(tmp_path: Path) -> None:
    manifest(tmp_path, "ham10000", *(f"H{k},L{k},nv,h{k}.jpg," for k in range(40)))
    samples = read_sources(manifest(tmp_path, "isic2017", *(f"I{k},nevus,i{k}.jpg" for k in range(9))))
    assert in_fold(samples, 0) == samples
    found = in_fold(samples, 3, ["isic2017"])
    assert {s.split for s in found if s.source == "isic2017"} == {"test"}
    assert [s.split for s in found if s.source == "ham10000"] == [split_of(f"ham10000:L{k}", 3) for k in _sorted(40)]
    with pytest.raises(InputError, match="isic2071: no such source to hold out; did you mean 'isic2017'"):
        in_fold(samples, 0, ["isic2071"])
    with pytest.raises(InputError, match="nothing is left to train on"):
        in_fold(samples, 0, ["isic2017", "ham10000"])


def test_parts_divide_every_split_alike_and_are_left_out_of_training_only() -> None:
    groups = [f"ham10000:HAM_{k:07}" for k in range(900)]
    parts = [Part.read(f"{k}/3") for k in (1, 2, 3)]
    assert all(sum(part.holds(g) for part in parts) == 1 for g in groups)
    for split in ("train", "test"):
        inside = [g for g in groups if split_of(g) == split]
        for part in parts:
            assert sum(part.holds(g) for g in inside) / len(inside) == pytest.approx(1 / 3, abs=0.1)
    lesion = Sample(
        "1", Path("1.jpg"), None, "ham10000", "", "nv", frozenset({"nv"}), frozenset({"nv"}), False, "train"
    )
    samples = [replace(lesion, group=g, split=split_of(g)) for g in groups]
    for before, after in zip(samples, in_fold(samples, 0, without=parts[1]), strict=True):
        out = before.split == "train" and parts[1].holds(before.group)
        assert after == (replace(before, split="test") if out else before)


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/1", "1/3/5", "-1/3", "a/b", "1.5/3"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"no part; 1/3, 2/3 and 3/3 are the parts of three"):
        Part.read(text)


def _sorted(count: int) -> list[int]:
    return [int(name[1:]) for name in sorted(f"H{k}" for k in range(count))]


#: Written down once: a change here would move images between training and test.
FIXED = ["test", "train", "train", "train", "train", "train", "test", "train"]


def test_labels_of_ham10000(tmp_path: Path) -> None:
    manifest(tmp_path, "ham10000", "b,L2,mel,b.jpg,", "a,L1,nv,a.jpg,a224.jpg")
    (tmp_path / "ham10000" / "a224.jpg").touch()
    a, b = read_sources(tmp_path)
    assert (a.image_id, a.targets, a.melanoma, a.stratum, a.group) == ("a", {"nv"}, False, "nv", "ham10000:L1")
    assert a.known == b.known == set(DIAGNOSES)
    assert (b.melanoma, b.sharp_path, a.sharp_path) == (True, None, tmp_path / "ham10000" / "a224.jpg")
    assert a.split == split_of("ham10000:L1")


def test_labels_of_2017(tmp_path: Path) -> None:
    manifest(tmp_path, "isic2017", "a,melanoma,a.jpg", "b,nevus,b.jpg", "c,seborrheic_keratosis,c.jpg")
    samples = read_sources(tmp_path)
    assert [s.targets for s in samples] == [{"mel"}, {"nv"}, {"bkl"}]
    assert all(s.known == {"mel", "nv", "bkl"} for s in samples)
    assert [s.melanoma for s in samples] == [True, False, False]
    assert [s.group for s in samples] == ["isic2017:a", "isic2017:b", "isic2017:c"]


def test_labels_of_2020(tmp_path: Path) -> None:
    rows = ("a,p,melanoma,a.jpg", "b,p,unknown,b.jpg", "c,q,lentigo NOS,c.jpg", "d,q,cafe-au-lait macule,d.jpg")
    samples = read_sources(manifest(tmp_path, "isic2020", *rows))
    benign = {"bkl", "df", "nv", "vasc"}
    assert [s.targets for s in samples] == [{"mel"}, benign, {"bkl"}, benign]
    assert all(s.known == benign | {"mel"} and s.targets <= s.known for s in samples)
    assert [s.melanoma for s in samples] == [True, False, False, False]
    assert samples[0].split == samples[1].split
    assert samples[1].stratum == "bkl+df+nv+vasc"


def test_votes_of_readers_are_in_the_order_of_the_diagnoses(tmp_path: Path) -> None:
    manifest(tmp_path, "ham10000", "a,L1,nv,a.jpg,", "b,L2,mel,b.jpg,")
    assert [s.votes for s in read_sources(tmp_path)] == [(), ()]
    votes = tmp_path / "tables" / "ham10000_readers_all.csv"
    votes.parent.mkdir()
    votes.write_text("isic_id,AKIEC,BCC,BKL,MEL,NV,VASC,DF,image_diag_id\na,1,2,3,4,5,6,7,NV\n")
    a, b = read_sources(tmp_path)
    assert dict(zip(DIAGNOSES, a.votes, strict=True)) == {
        "akiec": 1, "bcc": 2, "bkl": 3, "mel": 4, "nv": 5, "vasc": 6, "df": 7
    }  # fmt: skip
    assert b.votes == ()
    votes.write_text("isic_id,MEL\na,1\n")
    with pytest.raises(InputError, match=r"readers_all.csv: no column AKIEC"):
        read_sources(tmp_path)


def test_sources_are_sorted(tmp_path: Path) -> None:
    manifest(tmp_path, "isic2017", "z,nevus,z.jpg")
    manifest(tmp_path, "ham10000", "y,L,nv,y.jpg,")
    assert [s.source for s in read_sources(tmp_path)] == ["ham10000", "isic2017"]


def test_no_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no training source here; expected a folder ham10000, isic2017, isic2020"):
        read_sources(tmp_path)


def test_listed_image_is_missing(tmp_path: Path) -> None:
    manifest(tmp_path, "isic2017", "z,nevus,z.jpg", touch=False)
    with pytest.raises(
        InputError, match=r"z.jpg: listed in its manifest.csv but not there; restore the file or remove"
    ):
        read_sources(tmp_path)
    manifest(tmp_path, "ham10000", "a,L1,nv,a.jpg,a224.jpg", "b,L1,nv,b.jpg,", touch=False)
    with pytest.raises(TableError) as caught:
        read_sources(tmp_path)
    assert [Path(problem.split(":")[0]).name for problem in caught.value.problems] == [
        "a.jpg",
        "a224.jpg",
        "b.jpg",
        "z.jpg",
    ]


@pytest.mark.parametrize(
    ("source", "row"), [("ham10000", "a,L,wart,a.jpg,"), ("isic2017", "a,wart,a.jpg")], ids=["ham10000", "isic2017"]
)
def test_unknown_label(tmp_path: Path, source: str, row: str) -> None:
    with pytest.raises(InputError, match=r"manifest.csv: .*'wart'"):
        read_sources(manifest(tmp_path, source, row))


def sample(path: Path, split: str) -> Sample:
    return Sample(
        path.stem, path, None, "ham10000", path.stem, "nv", frozenset({"nv"}), frozenset(DIAGNOSES), False, split
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight unlike simulated lesions as PNG."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for seed in range(4):
        for lesion in simulate_patient(seed, n_lesions=2, size=(160, 120)).lesions:
            paths.append(folder / f"{lesion.image_id}.png")
            Image.fromarray(lesion.image).save(paths[-1])
    return paths


def turned(path: Path, folder: Path, turn: int) -> Path:
    """A quarter-turned (and mirrored from 4) JPEG copy at another size."""
    pixels = np.rot90(np.asarray(Image.open(path)), turn % 4)
    image = Image.fromarray(np.ascontiguousarray(pixels[:, ::-1] if turn > 3 else pixels))
    out = folder / f"copy-{turn}.jpg"
    image.resize((image.width * 3 // 2, image.height * 3 // 2)).save(out, quality=80)
    return out


@pytest.mark.parametrize("turn", range(8))
def test_turned_copy_is_left_out(pictures: list[Path], tmp_path: Path, turn: int) -> None:
    copy = turned(pictures[0], tmp_path, turn)
    samples = [sample(pictures[0], "test"), *(sample(p, "train") for p in pictures[2:]), sample(copy, "train")]
    kept, dropped = without_leaks(samples)
    assert dropped == [(copy.stem, pictures[0].stem)]
    assert kept == samples[:-1]


def test_images_that_cannot_be_read_are_told_before_training(pictures: list[Path], tmp_path: Path) -> None:
    broken = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in broken:
        path.write_bytes(b"no image")
    seen: list[int] = []
    with pytest.raises(TableError, match=r"2 problems:\n  .*a.jpg: cannot be read"):
        without_leaks([sample(p, "train") for p in (pictures[0], *broken)], seen.append)
    assert seen == [1, 2, 3]


def test_copies_within_a_split_stay(pictures: list[Path], tmp_path: Path) -> None:
    copy = turned(pictures[0], tmp_path, 4)
    for split in ("train", "test"):
        samples = [sample(pictures[0], split), sample(copy, split)]
        assert without_leaks(samples) == (samples, [])


def test_calibration_gives_way_to_test_and_training_to_calibration(pictures: list[Path], tmp_path: Path) -> None:
    copy = turned(pictures[0], tmp_path, 5)
    other = sample(pictures[3], "train")
    assert without_leaks([sample(copy, "calibration"), sample(pictures[0], "test"), other])[1] == [
        (copy.stem, pictures[0].stem)
    ]
    assert without_leaks([sample(copy, "calibration"), sample(pictures[0], "train"), other])[1] == [
        (pictures[0].stem, copy.stem)
    ]

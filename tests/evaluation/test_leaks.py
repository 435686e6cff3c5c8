"""The audit's parts on small cases worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cygnet.errors import InputError
from cygnet.evaluation.entries import Entry, Reading, image_key, read_splits, refuse
from cygnet.evaluation.leaks import audit, find_pairs, fingerprints, write_whole
from cygnet.evaluation.lookalikes import Pair, cosine_pairs, is_duplicate, looks_alike, near_pairs
from cygnet.evaluation.overlap import shared_ids
from cygnet.evaluation.shortcuts import out_of_fold_rates, shortcuts
from cygnet.simulate import simulate_lesion


def entry(split: str, image: str, patient: str | None = None, lesion: str | None = None, **more) -> Entry:
    return Entry(split, image, f"{split} {image}", more.pop("path", None), patient, lesion, **more)


@pytest.mark.parametrize(
    "name", ["ISIC_1", "ISIC_1.jpg", "images/ISIC_1.JPEG", "ISIC_1_downsampled", r"a\ISIC_1.png", " ISIC_1 "]
)
def test_image_key(name: str) -> None:
    assert image_key(name) == "ISIC_1"


def test_shared_ids_by_hand() -> None:
    rows = [entry("a", "1", "P", "L"), entry("a", "2", "P"), entry("b", "2", "P", "M"), entry("c", "3", "Q", "L")]
    found = {(x.kind, x.split_a, x.split_b, x.key, x.rows_a, x.rows_b) for x in shared_ids(rows)}
    assert found == {
        ("patient", "a", "b", "P", 2, 1),
        ("lesion", "a", "c", "L", 1, 1),
        ("image", "a", "b", "2", 1, 1),
    }


@given(st.integers(0, 10_000), st.integers(2, 150))
@settings(max_examples=20, deadline=None)
def test_near_pairs_are_those_of_a_plain_search(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**63, (n, 8), np.uint64)
    hashes[-1] = hashes[0] ^ np.uint64(0b111111)
    hashes[n // 2, 0] = hashes[0, 5]
    expected = {}
    for i in range(n):
        for j in range(i + 1, n):
            turned = [(hashes[i, 0], hashes[j, k]) for k in range(8)] + [(hashes[i, k], hashes[j, 0]) for k in range(8)]
            bits = min((int(a) ^ int(b)).bit_count() for a, b in turned)
            if bits <= 6:
                expected[i, j] = bits
    assert near_pairs(hashes) == expected


def test_cosine_pairs_by_hand() -> None:
    rows = np.array([[1, 0], [2, 0], [0, 1], [0, 0], [np.nan, 1], [1, 0.1]])
    assert cosine_pairs(rows, 0.99) == {
        (0, 1): pytest.approx(1),
        (0, 5): pytest.approx(1 / np.sqrt(1.01)),
        (1, 5): pytest.approx(1 / np.sqrt(1.01)),
    }


@pytest.fixture
def copies(simulated: Path, tmp_path: Path) -> list[Entry]:
    """Nine simulated images in split a; in b the first three again: the same bytes, turned and smaller, as PNG."""
    files = sorted((simulated / "images").glob("*.jpg"))
    (tmp_path / "0.jpg").write_bytes(files[0].read_bytes())
    with Image.open(files[1]) as image:
        image.transpose(Image.Transpose.ROTATE_270).resize((135, 180)).save(tmp_path / "1.jpg", quality=60)
    with Image.open(files[2]) as image:
        image.save(tmp_path / "2.png")
    first = [entry("a", file.stem, path=file, target=k < 4) for k, file in enumerate(files)]
    again = sorted(tmp_path.glob("[012].*"))
    return first + [entry("b", file.stem, path=file, target=k < 2) for k, file in enumerate(again)]


def test_copies_are_found_and_others_are_not(copies: list[Entry]) -> None:
    prints, unread = fingerprints(copies)
    found = audit(copies, prints, unread, find_pairs(prints))
    names = [e.image for e in copies]
    assert [(x.kind, x.image_a, x.image_b) for x in found.leaks] == [
        ("identical pixels", names[0], "0"),
        ("near duplicate", names[1], "1"),
        ("identical pixels", names[2], "2"),
    ]
    assert (found.standing(), found.inside, found.fingerprinted, found.images) == (3, 0, 12, {"a": 9, "b": 3})


def test_embeddings_alone_stand_only_when_strict(copies: list[Entry]) -> None:
    prints: list = [None] * len(copies)
    vectors = np.eye(len(copies))
    vectors[9] = vectors[4]
    found = audit(copies, prints, (), find_pairs(prints, vectors))
    assert [(x.kind, x.cosine, x.stands) for x in found.leaks] == [("close embedding", 1.0, False)]
    assert (found.standing(), found.standing(strict=True)) == (0, 1)


@pytest.mark.parametrize(
    ("pair", "duplicate", "alike"),
    [
        (Pair(0, 1, identical=True), True, True),
        (Pair(0, 1, bits=4, correlation=0.98), True, True),
        (Pair(0, 1, bits=4, correlation=0.97), False, True),
        (Pair(0, 1, bits=4, correlation=0.97, cosine=0.99), True, True),
        (Pair(0, 1, cosine=0.99), False, False),
    ],
)
def test_what_counts_as_the_same_photograph(pair: Pair, duplicate: bool, alike: bool) -> None:
    assert (is_duplicate(pair), looks_alike(pair)) == (duplicate, alike)


def test_unread_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("no")
    prints, unread = fingerprints([entry("a", "bad", path=tmp_path / "bad.jpg"), entry("a", "none")])
    assert prints == [None, None]
    assert unread == ["bad.jpg: not an image that can be read"]


def test_lesion_count_that_tells_all() -> None:
    """Patients with one lesion are positive, those with three are not: AUC 1, fewer among positives."""
    rows = [entry("a", f"m{p}", f"M{p}", target=True) for p in range(20)]
    rows += [entry("a", f"n{p}{k}", f"N{p}", target=False) for p in range(20) for k in range(3)]
    found = {s.feature: s for s in shortcuts(rows)}
    count = found["lesions of the patient"]
    assert (count.auc, count.low, count.high, count.direction, count.clustered_by) == (
        1.0,
        1.0,
        1.0,
        "lower",
        "patient",
    )
    assert count.warns
    assert (count.n, count.positives) == (80, 20)


def test_source_that_tells_all_and_one_that_tells_nothing() -> None:
    told = [entry("a", str(i), target=i % 2 == 0, source="xy"[i % 2]) for i in range(60)]
    mute = [entry("a", str(i), target=i % 2 == 0, source="xy"[i // 2 % 2]) for i in range(60)]
    assert shortcuts(told)[0].auc == 1.0
    assert not shortcuts(mute)[0].warns


def test_no_shortcut_without_both_classes() -> None:
    assert shortcuts([entry("a", "1", target=True), entry("a", "2")]) == []


def test_rates_by_hand() -> None:
    """Each row a fold of its own: of three x (1, 1, 0) and one y (0), shrunk by one image of the others' share."""
    rates = out_of_fold_rates(
        np.array(["x", "x", "x", "y"]), np.array([True, True, False, False]), np.array(list("abcd"))
    )
    assert rates == pytest.approx([(1 + 1 / 3) / 3, (1 + 1 / 3) / 3, (2 + 2 / 3) / 3, 2 / 3])


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_tables_with_extra_columns_and_words(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "image_name,patient_id,dx,more,site\nA.jpg,007,mel,1,back\nB,,nv,2,\n")
    entries, problems = read_splits([path])
    assert problems == []
    assert [(e.image, e.patient_id, e.target, e.site) for e in entries] == [
        ("A", "007", True, "back"),
        ("B", None, False, None),
    ]


def test_problems_name_row_and_fix(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "image,patient_id,lesion_id\nA,P,L\nA,P,\n,P,\nB,Q,L\n")
    _, problems = read_splits([path])
    assert problems == [
        "t row 4: no image named in column image; fill it in or remove the row",
        "t row 3: image A again, first in t row 2; remove one of them",
        "t row 5: lesion L belongs to patient Q here and to P in t row 2; a lesion has one patient",
    ]


def test_missing_images_are_problems_unless_lenient(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "image\nA\n")
    assert "no file for image A" in read_splits([path], Reading((tmp_path,)))[1][0]
    assert read_splits([path], Reading((tmp_path,), lenient=True))[1] == []


@pytest.mark.parametrize(
    ("text", "how", "words"),
    [
        ("a,b\n1,2\n", Reading(), "no image column"),
        ("image\n", Reading(), "no rows"),
        ("image\nA\n", Reading(by="fold"), "no column 'fold' for --by"),
        ("image\nA\n", Reading(label="y"), "no column 'y' for --label"),
        ("image\nA\n", Reading((Path("nowhere"),)), "nowhere: no such folder"),
    ],
)
def test_unusable_tables(tmp_path: Path, text: str, how: Reading, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_splits([table(tmp_path / "t.csv", text)], how)


def test_refusal_counts_and_shows_five() -> None:
    refuse([])
    with pytest.raises(InputError) as error:
        refuse([f"problem {i}" for i in range(7)])
    assert str(error.value).splitlines()[0] == "7 problems:"
    assert len(str(error.value).splitlines()) == 7
    assert str(error.value).endswith("(and 2 more)")


def test_nothing_is_half_written(tmp_path: Path) -> None:
    path = table(tmp_path / "old.txt", "old")

    def fail(stream) -> None:
        stream.write("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["old.txt"]
    assert path.read_text() == "old"


def test_the_file_column_finds_an_image_of_another_name(tmp_path: Path) -> None:
    """Archives name repeated downloads `ISIC_1(1).jpg`; the table says so in its file column."""
    (tmp_path / "images").mkdir()
    Image.fromarray(simulate_lesion(1, size=(128, 96)).image).save(tmp_path / "images" / "ISIC_1(1).jpg")
    (tmp_path / "manifest.csv").write_text("file,isic_id,target\nimages/ISIC_1(1).jpg,ISIC_1,0\n")
    entries, problems = read_splits([tmp_path])
    assert not problems
    assert [e.path for e in entries] == [tmp_path / "images" / "ISIC_1(1).jpg"]

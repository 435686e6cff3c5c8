"""Sources described in a configuration: columns, crosswalks, partial labels, and all that may be wrong. No torch here."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="training needs the [train] extra")

from cygnet.errors import InputError, TableError
from cygnet.schema import DIAGNOSES
from cygnet.schema.labels import CHALLENGES
from cygnet.training.sources import Sample, split_of
from cygnet.training.tables import Source, knowable, read_tables, targets

BENIGN = {"bkl", "df", "nv", "vasc"}


def laid(data: Path, name: str, head: str, *rows: str, missing: tuple[str, ...] = ()) -> Path:
    """A table and empty image files named as its first column."""
    (data / "images").mkdir(parents=True, exist_ok=True)
    (data / f"{name}.csv").write_text("\n".join([head, *rows]) + "\n")
    for row in rows:
        image = row.split(",")[0]
        if image not in missing:
            (data / "images" / f"{image}.jpg").touch()
    return data


def source(labels: str, **more: object) -> Source:
    return Source("s", "t.csv", labels, images="images", **more)


def read(data: Path, labels: str, **more: object) -> dict[str, Sample]:
    return {s.image_id: s for s in read_tables(data, [source(labels, **more)])}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Malignant", {"mel", "bcc"}),
        ("Benign", BENIGN),
        ("Benign:Benign melanocytic proliferations:Nevus", {"nv"}),
        ("Malignant:Malignant melanocytic proliferations (Melanoma):Melanoma in situ", {"mel"}),
        ("Benign:Flat melanotic pigmentations - not melanocytic nevus:Lentigo NOS", BENIGN),
        ("Malignant:Malignant epidermal proliferations:Squamous cell carcinoma, Invasive", set()),
        ("Indeterminate", set()),
        (None, set()),
    ],
)
def test_a_label_allows_what_it_says(label: str | None, expected: set[str]) -> None:
    """AKIEC is part Indeterminate, part Malignant: neither wide word tells it."""
    assert targets(label) == expected


def test_labels_of_the_seven_are_themselves() -> None:
    assert {name: targets(label) for name, label in CHALLENGES["ham10000"].items()} == {d: {d} for d in DIAGNOSES}
    assert targets(CHALLENGES["2019"]["VASC"]) == {"vasc"}
    assert targets(CHALLENGES["2019"]["SCC"]) == targets(CHALLENGES["2019"]["UNK"]) == set()


def test_what_a_challenge_can_say() -> None:
    every = set(DIAGNOSES)
    assert {year: knowable(year) for year in CHALLENGES} == {
        "2016": BENIGN | {"mel", "bcc"},
        "2017": {"mel", "bkl", "nv"},
        "2018": every,
        "2019": every,
        "2020": BENIGN | {"mel"},
        "2024": BENIGN | {"mel", "bcc"},
        "ham10000": every,
    }


def test_the_2019_layout(tmp_path: Path) -> None:
    head = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK"
    data = laid(
        tmp_path,
        "t",
        head,
        "a,1,0,0,0,0,0,0,0,0",
        "b,0,0,0,1.0,0,0,0,0,0",
        "c,0,0,0,0,0,0,0,1,0",
        "d,0,0,0,0,0,0,0,0,1",
    )
    (data / "meta.csv").write_text("image,age_approx,lesion_id,sex\nb,50,L7,male\na,40,,female\n")
    found = read(data, "2019", metadata="meta.csv", group="lesion_id")
    assert {k: s.targets for k, s in found.items()} == {"a": {"mel"}, "b": {"akiec"}}, "SCC and UNK teach nothing"
    assert (found["a"].group, found["b"].group) == ("s:a", "s:L7")
    assert (found["a"].lesion, found["b"].lesion) == ("", "s:L7")
    assert found["a"].melanoma
    assert found["a"].known == set(DIAGNOSES)
    assert found["b"].split == split_of("s:L7")
    assert found["a"].path == tmp_path / "images" / "a.jpg"


def test_the_2020_layout(tmp_path: Path) -> None:
    head = "image_name,patient_id,diagnosis,benign_malignant,target"
    data = laid(tmp_path, "t", head, "a,P1,melanoma,malignant,1", "b,P1,unknown,benign,0", "c,P2,nevus,benign,0")
    found = read(data, "2020")
    assert [found[k].targets for k in "abc"] == [{"mel"}, BENIGN, {"nv"}]
    assert all(s.known == BENIGN | {"mel"} for s in found.values()), "it never says bcc nor akiec"
    assert found["a"].group == found["b"].group == "s:P1"


def test_a_source_that_only_says_benign(tmp_path: Path) -> None:
    """Without a target of 1 anywhere it knows malignant all the same, as a word; and no single diagnosis."""
    found = read(laid(tmp_path, "t", "isic_id,target", "a,0", "b,1"), "2024")
    assert (found["a"].targets, found["b"].targets) == (BENIGN, {"mel", "bcc"})
    assert found["a"].known == BENIGN | {"mel", "bcc"}
    assert not found["b"].melanoma


def test_words_of_the_tree(tmp_path: Path) -> None:
    rows = ("a,Nevus", "b,Melanoma in situ", "c,Dermatofibroma", "d,Merkel cell carcinoma")
    found = read(laid(tmp_path, "t", "isic_id,diagnosis", *rows), "isic")
    assert {k: s.targets for k, s in found.items()} == {"a": {"nv"}, "b": {"mel"}, "c": {"df"}}
    assert found["a"].known == {"nv", "mel", "df"}, "what the table never says is not pushed down"
    wider = read(tmp_path, "isic", known=("mel", "nv", "df", "bcc"))
    assert wider["a"].known == {"nv", "mel", "df", "bcc"}


def test_columns_of_ones_own(tmp_path: Path) -> None:
    data = laid(tmp_path, "t", "x,what,who,part,extra", "a,NV,P1,Train,1", "b,mel,P2,TEST,2")
    found = read(data, "2018", image="x", label="what", group="who", split="part")
    assert [(s.targets, s.group, s.split) for s in found.values()] == [
        ({"nv"}, "s:P1", "train"),
        ({"mel"}, "s:P2", "test"),
    ]
    with pytest.raises(TableError, match=r"no column 'whom'; did you mean 'who'"):
        read(data, "2018", image="x", label="what", group="whom")


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    rows = ("a,NVV,P1,train", "b,MEL,P1,test", "c,NV,P1,train", "d,NV,P2,trial", "e,NV,P3,test", "f,NV,P3,test")
    data = laid(tmp_path, "t", "image,label,patient_id,part", *rows, missing=("e", "f"))
    sources = [source("2018", label="label", split="part"), Source("other", "gone.csv", "2018")]
    with pytest.raises(TableError) as caught:
        read_tables(data, sources)
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    assert "t.csv row 2 (a): 'NVV' is no label of 2018; did you mean 'NV'" in problems
    assert f"{data / 'images' / 'e'}: listed in t.csv row 6 but not there" in problems
    assert f"{data / 'images' / 'f'}: listed in t.csv row 7" in problems
    assert "s:P1 is in test (b) and in train (c); a lesion or patient must be in one split" in problems
    assert "split 'trial'; it must be train, calibration, test" in problems
    assert "source other: " in problems
    assert "gone.csv: no such file" in problems


@pytest.mark.parametrize(
    ("head", "row", "labels", "words"),
    [
        ("image,MEL,NV,BCC,AKIEC,BKL,DF,VASC", "a,1,1,0,0,0,0,0", "2018", "row 2 .*MEL and NV of .* is 1; exactly one"),
        (
            "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC",
            "a,1,0,0,0,0,0,0",
            "2019",
            "its columns are those of 2018; let labels = '2018'",
        ),
        ("image,age", "a,3", "2018", "no column with labels; say which with label"),
        ("number,target", "a,1", "2020", "no column names the images"),
        ("image,target", "a,maybe", "2020", "target 'maybe' is neither 0 nor 1"),
        ("image,diagnosis", "a,nevvus", "isic", "'nevvus' is no diagnosis of ISIC's tree"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, head: str, row: str, labels: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(laid(tmp_path, "t", head, row), labels)


def test_two_sources_of_one_name_and_no_folder(tmp_path: Path) -> None:
    laid(tmp_path, "t", "image,target", "a,0")
    with pytest.raises(InputError, match="two sources are named s; rename one"):
        read_tables(tmp_path, [source("2020"), source("2020")])
    with pytest.raises(InputError, match=r"nowhere: no such folder; images = ... names the one"):
        read_tables(tmp_path, [Source("s", "t.csv", "2020", images="nowhere")])

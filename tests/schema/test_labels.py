"""Labels of the challenges to ISIC's diagnoses and to the seven, and back; the places of sites on a body map."""

from __future__ import annotations

import pytest

from cygnet.errors import InputError
from cygnet.schema import DIAGNOSES, bodymap
from cygnet.schema.labels import (
    CHALLENGES,
    ONE_HOT,
    find_diagnosis,
    from_one_hot,
    from_target,
    labels,
    one_hot,
    seven,
    to_label,
    to_one_hot,
    to_target,
)
from cygnet.schema.sites import GENERAL, find_site, general_site, read_laterality
from cygnet.schema.vocabulary import leaf, vocabulary


def path(name: str) -> str:
    found = vocabulary().diagnoses.find(name)
    assert found is not None
    return found


def test_every_label_names_nodes_that_exist() -> None:
    tree = vocabulary().diagnoses
    for challenge, known in CHALLENGES.items():
        for name, label in known.items():
            nodes = [*label.covers, *([label.diagnosis] if label.diagnosis else [])]
            assert all(node in tree for node in nodes), (challenge, name)
            assert label.seven is None or label.seven in DIAGNOSES


@pytest.mark.parametrize(
    ("name", "cygnet", "y2018", "y2019"),
    [
        ("Melanoma in situ, Lentigo maligna type", "mel", "MEL", "MEL"),
        ("Nevus, Congenital, by history", "nv", "NV", "NV"),
        ("Basal cell carcinoma, Nodular", "bcc", "BCC", "BCC"),
        ("Actinic keratosis, Bowenoid", "akiec", "AKIEC", "AK"),
        ("Squamous cell carcinoma in situ, Bowens disease", "akiec", "AKIEC", "SCC"),
        ("Squamous cell carcinoma, Invasive", None, None, "SCC"),
        ("Seborrheic keratosis, Clonal", "bkl", "BKL", "BKL"),
        ("Solar lentigo", "bkl", "BKL", "BKL"),
        ("Lichen planus like keratosis", "bkl", "BKL", "BKL"),
        ("Dermatofibroma", "df", "DF", "DF"),
        ("Hemangioma, Cherry", "vasc", "VASC", "VASC"),
        ("Subungual hemorrhage", "vasc", "VASC", "VASC"),
        ("Merkel cell proliferation", None, None, None),
        ("Benign", None, None, None),
        ("Malignant", None, None, None),
    ],
)
def test_diagnoses_to_labels(name: str, cygnet: str | None, y2018: str | None, y2019: str | None) -> None:
    assert (seven(path(name)), to_label(path(name), "2018"), to_label(path(name), "2019")) == (cygnet, y2018, y2019)


@pytest.mark.parametrize("challenge", ["2017", "2018", "2019", "ham10000"])
def test_exact_labels_come_back(challenge: str) -> None:
    for name, label in labels(challenge).items():
        if label.diagnosis is not None and any(label.diagnosis.startswith(c) for c in label.covers):
            assert to_label(label.diagnosis, challenge) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("melanoma", "Melanoma, NOS"),
        ("NEVUS", "Nevus"),
        ("seborrheic_keratosis", "Seborrheic keratosis"),
        ("lichenoid keratosis", "Lichen planus like keratosis"),
        ("cafe-au-lait macule", "Cafe au lait macule or patch"),
        ("bkl", "Pigmented benign keratosis"),
        ("vasc", "Benign"),
        ("Malignant::Malignant melanocytic proliferations (Melanoma)::Melanoma in situ", "Melanoma in situ"),
    ],
)
def test_old_words(text: str, name: str) -> None:
    found = find_diagnosis(text)
    assert found is not None and found.path is not None
    assert leaf(found.path) == name


def test_words_that_mean_several_or_nothing() -> None:
    for text in ("akiec", "AKIEC", "UNK", "atypical melanocytic proliferation"):
        found = find_diagnosis(text)
        assert found is not None and found.path is None
    assert find_diagnosis("freckle on my arm") is None


def test_truth_tables() -> None:
    assert one_hot(["image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]) == (
        "2018",
        {n: n for n in ONE_HOT["2018"]},
    )
    assert one_hot(["image", "mel", "nv", "bcc", "ak", "bkl", "df", "vasc", "scc"])[0] == "2019"  # type: ignore[index]
    assert one_hot(["image_id", "melanoma", "seborrheic_keratosis"])[0] == "2017"  # type: ignore[index]
    assert one_hot(["image", "MEL", "NV"]) is None
    assert from_one_hot({"MEL": 0.0, "NV": 1.0}, "2018") == "NV"
    assert from_one_hot({"melanoma": 0.0, "seborrheic_keratosis": 0.0}, "2017") == "nevus"
    for wrong in ({"MEL": 1.0, "NV": 1.0}, {"MEL": 0.0, "NV": 0.0}, {"MEL": 0.5, "NV": 0.5}):
        with pytest.raises(ValueError, match="MEL"):
            from_one_hot(wrong, "2018")
    assert to_one_hot("MEL", "2018") == {n: float(n == "MEL") for n in ONE_HOT["2018"]}
    assert to_one_hot(None, "2019")["UNK"] == 1.0
    assert sum(to_one_hot("nevus", "2017").values()) == 0
    with pytest.raises(InputError, match="'SCC' is no label of 2018"):
        to_one_hot("SCC", "2018")
    with pytest.raises(InputError, match="no challenge '1999'"):
        labels("1999")


def test_binary_targets() -> None:
    assert [from_target(t, "2024") for t in (0, 1)] == ["Benign", "Malignant"]
    assert from_target(1, "2020") == path("Melanoma, NOS")
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        from_target(0.5, "2020")
    assert to_target(path("Basal cell carcinoma"), "2024") == 1
    assert to_target(path("Basal cell carcinoma"), "2020") == 0
    assert to_target("Malignant", "2020") is None
    assert to_target("Indeterminate", "2024") == 0


@pytest.mark.parametrize("name", list(GENERAL))
def test_general_sites_come_back(name: str) -> None:
    site = GENERAL[name]
    assert general_site(site.path, site.special) == name
    assert find_site(name) == site


@pytest.mark.parametrize(
    ("text", "place", "side"),
    [
        ("Left Leg - Upper", "Lower extremity:Thigh", "left"),
        ("Right Arm - Lower", "Upper extremity:Forearm", "right"),
        ("Torso Back Top Third", "Trunk:Posterior trunk:Upper back", None),
        ("Head & Neck", "Head and neck", None),
        ("L forearm", "Upper extremity:Forearm", "left"),
        ("right palm", "Upper extremity:Hand:Palm of hand", "right"),
        ("Head and neck::Head::Scalp", "Head and neck:Head:Scalp", None),
        ("face and neck", "Head and neck", None),
        ("foot sole", "Lower extremity:Foot:Sole of foot", None),
    ],
)
def test_places_in_words(text: str, place: str, side: str | None) -> None:
    site = find_site(text)
    assert site is not None
    assert (site.path, site.laterality) == (place, side)


def test_places_that_are_none() -> None:
    assert find_site("arm and leg") is None
    assert find_site("near the old scar on the arm", strict=True) is None
    assert find_site("near the old scar on the arm") is not None
    assert read_laterality("left and right arm") is None


def test_every_site_has_a_place_on_the_map() -> None:
    for site in vocabulary().sites.paths:
        found = bodymap.place(site, laterality="left")
        assert found is not None and found.region in bodymap.REGIONS and found.laterality == "left"
    assert bodymap.place("Trunk:Posterior trunk:Upper back") == ("upper back", "back", None)
    assert bodymap.place("Upper extremity:Hand:Palm of hand:Distal palm") == ("hand", "front", None)
    assert bodymap.place(None, "toenail", "right") == ("foot", "front", "right")
    assert bodymap.place(None, "oral or genital") is None
    assert bodymap.place(None) is None


def test_codes_of_the_clinic_notes() -> None:
    known = {
        "Trunk:Anterior trunk": "181491009",
        "Trunk:Posterior trunk": "66643007",
        "Upper extremity": "371311000",
        "Lower extremity": "371304004",
        "Head and neck": "774007",
        "Upper extremity:Hand:Palm of hand": "70887009",
        "Head and neck:Head:Face:Mouth:Oral mucosa": "113277000",
        "Anogenital region:Genital region": "60944009",
    }
    found = {site: bodymap.code(site) for site in known}
    assert {site: c and c.value for site, c in found.items()} == known
    assert bodymap.code("Trunk:Lateral trunk") is None
    assert bodymap.nearest_code("Upper extremity:Hand:Palm of hand:Distal palm") == (
        found["Upper extremity:Hand:Palm of hand"],
        False,
    )
    assert bodymap.nearest_code("Trunk:Lateral trunk") is None
    assert [bodymap.laterality_code(x).value for x in ("left", "right", "bilateral")] == [  # type: ignore[union-attr]
        *("7771000", "24028007", "51440002")
    ]
    assert bodymap.laterality_code("up") is None


def test_codes_are_those_of_dicom() -> None:
    pytest.importorskip("pydicom", reason="pydicom is not installed (extra dicom)")
    from pydicom.sr._cid_dict import cid_concepts
    from pydicom.sr._concepts_dict import concepts

    for cid, sites in (
        (4029, [s for s in vocabulary().sites.paths if s != "Head and neck"]),
        (4031, ["Head and neck"]),
    ):
        listed = {
            (scheme, code, meaning)
            for scheme, names in cid_concepts[cid].items()
            for name in names
            for code, (meaning, cids) in concepts[scheme][name].items()
            if cid in cids
        }
        for site in sites:
            code = bodymap.code(site)
            assert code is None or (tuple(code[:3]) in listed and str(cid) in code.source), site

"""The vocabulary file, the trees, and what is suggested for a slip."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.errors import InputError
from cygnet.schema.suggest import did_you_mean, distance, nearest
from cygnet.schema.vocabulary import (
    common,
    is_melanocytic,
    is_melanoma,
    leaf,
    levels,
    related,
    vocabulary,
)

ROOT = Path(__file__).resolve().parents[2]


def study(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "studies" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sizes_and_provenance() -> None:
    v = vocabulary()
    assert (len(v.diagnoses), len(v.sites), len(v.fields)) == (418, 206, 23)
    assert v.version == "6.1.0"
    assert v.provenance["license"] == "Apache-2.0"
    assert "Kitware" in v.provenance["copyright"]
    assert len(v.provenance["source_sha256"]) == 64


def test_other_versions_are_not_there() -> None:
    with pytest.raises(InputError, match=r"no ISIC vocabulary '4.12' here; there is 6.1"):
        vocabulary("4.12")


def test_the_file_is_what_the_package_says() -> None:
    wheel = os.environ.get("CYGNET_ISIC_WHEEL")
    if not wheel:
        pytest.skip("CYGNET_ISIC_WHEEL names no wheel of isic-metadata 6.1 (pip download --no-deps isic-metadata)")
    build = study("build_vocabulary")
    assert build.text(build.vocabulary(Path(wheel))) == build.OUT.read_text(encoding="utf-8")


@pytest.mark.parametrize("field", ["diagnosis", "anatom_site"])
def test_every_node_has_its_parent_and_a_name_of_its_own(field: str) -> None:
    tree = vocabulary().trees[field]
    assert all(path.rsplit(":", 1)[0] in tree for path in tree.paths if ":" in path)
    assert len({leaf(path).casefold() for path in tree.paths}) == len(tree)
    assert all(tree.find(leaf(path).upper()) == path == tree.find(path.replace(":", " :: ")) for path in tree.paths)


def test_levels_are_five() -> None:
    assert levels("Trunk:Posterior trunk:Upper back") == ("Trunk", "Posterior trunk", "Upper back", None, None)
    assert levels(None) == (None,) * 5


def test_trees_know_their_relations() -> None:
    assert related("Trunk", "Trunk:Posterior trunk")
    assert related("Trunk", "Trunk")
    assert not related("Trunk:Anterior trunk", "Trunk:Posterior trunk")
    assert (
        common(["Trunk:Anterior trunk:Anterior chest", "Trunk:Anterior trunk:Anterior abdomen"])
        == "Trunk:Anterior trunk"
    )
    assert common(["Trunk", "Lower extremity"]) is None
    assert "Trunk" in vocabulary().sites and "trunk" not in vocabulary().sites and 3 not in vocabulary().sites
    assert len(vocabulary().sites.below("Upper extremity:Wrist")) == 5


@pytest.mark.parametrize(
    ("name", "melanoma", "melanocytic"),
    [
        ("Melanoma, NOS", True, True),
        ("Melanoma in situ, Mucosal", True, True),
        ("Collision - At least one malignant proliferation", True, None),
        ("Malignant", False, None),
        ("Nevus, Spitz", False, True),
        ("Atypical Spitz tumor", False, True),
        ("Seborrheic keratosis", False, False),
        ("Basal cell carcinoma, Nodular", False, False),
        ("Lentigo NOS", False, None),
    ],
)
def test_what_is_a_melanoma(name: str, melanoma: bool, melanocytic: bool | None) -> None:
    path = vocabulary().diagnoses.find(name)
    assert path is not None
    assert is_melanoma(path) is melanoma
    assert is_melanocytic(path) is melanocytic


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("melanom", "Melanoma, NOS"),
        ("nevsu", "Nevus"),
        ("dysplastic nevus", "Nevus, Dysplastic"),
        ("malignant melanoma", "Malignant melanocytic proliferations (Melanoma)"),
        ("Basal cell carcinom", "Basal cell carcinoma"),
        ("sebhorreic keratosis", "Seborrheic keratosis"),
        ("Benign:Cyst", "Benign:Cysts"),
    ],
)
def test_near_diagnoses(text: str, meant: str) -> None:
    assert vocabulary().diagnoses.suggest(text)[0] == meant


@pytest.mark.parametrize("text", ["", "x", "qqqqqqqq", "12345"])
def test_nothing_is_near_to_nonsense(text: str) -> None:
    assert vocabulary().diagnoses.suggest(text) == []


@pytest.mark.parametrize(
    ("a", "b", "far"), [("", "", 0), ("abc", "acb", 1), ("abc", "abd", 1), ("abc", "ab", 1), ("kitten", "sitting", 3)]
)
def test_distances_by_hand(a: str, b: str, far: int) -> None:
    assert distance(a, b, 9) == far


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text("abc", max_size=8), st.text("abc", max_size=8), st.integers(0, 9))
def test_distance_is_symmetric_and_bounded(a: str, b: str, most: int) -> None:
    far = distance(a, b, most)
    assert far == distance(b, a, most) <= most + 1
    assert (far == 0) == (a == b)
    assert far == min(distance(a, b, 99), most + 1)


def test_words_of_a_hint() -> None:
    assert did_you_mean([]) == ""
    assert did_you_mean(["a"]) == "did you mean 'a'?"
    assert did_you_mean(["a", "b", "c"]) == "did you mean 'a', 'b' or 'c'?"
    assert nearest("forerm", ["forearm", "foot"]) == ["forearm"]


def test_the_file_is_plain_json() -> None:
    content = json.loads((ROOT / "src/cygnet/schema/data/isic-6.1.json").read_text(encoding="utf-8"))
    assert content["changes"]

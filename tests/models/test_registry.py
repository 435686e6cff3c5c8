"""The shipped model: whole, small, and refused when its files are not its own."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cygnet.errors import InputError, ModelError
from cygnet.models import LesionModel, find, find_lesion, names
from cygnet.models.lesion import EMBEDDING, Space
from cygnet.models.registry import ALIASES, DEFAULT, FOLDER, file_sha256
from cygnet.models.stored import PACKED, joined, network_file, read_network, without
from cygnet.schema import DIAGNOSES
from cygnet.simulate import simulate_lesion

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for path in FOLDER.glob(f"{DEFAULT}.*"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model() -> LesionModel:
    return LesionModel()


@pytest.fixture(scope="module")
def images(model: LesionModel) -> NDArray[np.uint8]:
    return np.stack([simulate_lesion(s, size=(model.size, model.size)).image for s in (1, 2, 3)])


def test_the_default_model_is_whole_and_small() -> None:
    files = find()
    assert files.name == DEFAULT
    assert DEFAULT in names()
    hashes = hashlib.sha256(read_network(files.network)).hexdigest(), file_sha256(files.statistics)
    assert files.sha256 == hashlib.sha256("".join(hashes).encode()).hexdigest()
    assert files.network.stat().st_size + files.statistics.stat().st_size < 10_000_000
    assert tuple(files.card["diagnoses"]) == DIAGNOSES
    assert "not a medical device" in files.card["intended_use"].lower()


def test_a_lesion_model_by_name() -> None:
    assert find_lesion().name == find_lesion(DEFAULT).name == DEFAULT
    for wrong in ("lesion-99", "segment-1", "../lesion-1"):
        with pytest.raises(InputError, match=rf"no lesion model '{wrong}'; there are .*{DEFAULT}"):
            find_lesion(wrong)


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_copy_is_as_good(copied: Path) -> None:
    assert find(folder=copied).network == copied / f"{DEFAULT}{PACKED}"
    assert names(copied) == [DEFAULT]


def test_no_such_model(copied: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ModelError, match=rf"no model 'nevus-9'; there are {DEFAULT}\."):
        find("nevus-9", copied)
    with pytest.raises(ModelError, match="there are none"):
        find(folder=tmp_path_factory.mktemp("empty"))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"files": {"network": {}}}', '{"files": 3}'])
def test_a_damaged_card(copied: Path, text: str) -> None:
    (copied / f"{DEFAULT}.json").write_text(text)
    with pytest.raises(ModelError, match="card is damaged"):
        find(folder=copied)


def test_a_card_that_is_not_text(copied: Path) -> None:
    (copied / f"{DEFAULT}.json").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ModelError, match="card is damaged"):
        find(folder=copied)


@pytest.mark.parametrize("ending", ["onnx.npz", "npz"])
def test_a_missing_file(copied: Path, ending: str) -> None:
    (copied / f"{DEFAULT}.{ending}").unlink()
    with pytest.raises(ModelError, match=r"(onnx|npz): missing"):
        find(folder=copied)


@pytest.mark.parametrize("ending", ["onnx.npz", "npz"])
def test_one_changed_byte(copied: Path, ending: str) -> None:
    path = copied / f"{DEFAULT}.{ending}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=rf"{ending}: (not the file that its card|cannot be loaded).*Reinstall"):
        find(folder=copied)
    assert find(folder=copied, verify=False).network.is_file()


def test_a_card_with_another_hash(copied: Path) -> None:
    path = copied / f"{DEFAULT}.json"
    card = json.loads(path.read_text())
    card["files"]["statistics"]["sha256"] = "0" * 64
    path.write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"npz: not the file"):
        find(folder=copied)


@pytest.mark.parametrize("ending", ["onnx.npz", "npz"])
def test_files_that_cannot_be_loaded(copied: Path, ending: str) -> None:
    (copied / f"{DEFAULT}.{ending}").write_bytes(b"no network at all")
    with pytest.raises(ModelError, match="cannot be loaded"):
        LesionModel(find(folder=copied, verify=False))


def test_shapes(model: LesionModel, images: NDArray[np.uint8]) -> None:
    found = model.predict(images)
    assert found.logits.shape == (3, 7)
    assert found.embedding.shape == (3, EMBEDDING)
    assert found.strangeness.shape == (3,)
    for values in (found.logits, found.embedding, found.strangeness):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    assert (found.strangeness > 0).all()
    assert len({tuple(row) for row in found.logits.round(3).tolist()}) == 3


def test_a_batch_is_its_images_one_by_one(model: LesionModel, images: NDArray[np.uint8]) -> None:
    together = model.predict(images)
    for i in range(3):
        alone = model.predict(images[i : i + 1])
        assert alone.logits[0] == pytest.approx(together.logits[i], abs=1e-4)
        assert alone.embedding[0] == pytest.approx(together.embedding[i], abs=1e-4)
        assert alone.strangeness[0] == pytest.approx(together.strangeness[i], abs=1e-4)


def test_several_threads_get_the_same(model: LesionModel, images: NDArray[np.uint8]) -> None:
    expected = model.predict(images).logits
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: model.predict(images).logits, range(6)):
            assert np.array_equal(found, expected)


def test_noise_is_stranger_than_a_lesion(model: LesionModel, images: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    assert model.predict(noise).strangeness.min() > model.predict(images).strangeness.max()


def test_a_space_by_hand() -> None:
    """4 along an axis of SD 2: two SD. What lies off it, 4^2, over its usual 4: 4. sqrt(2^2 + 4)."""
    space = Space(np.array([1, 0, 0], np.float32), np.array([[1, 0, 0]], np.float32), np.array([2], np.float32), 4.0)
    placed = space.place(np.array([[5, 0, 4], [1, 0, 0]], np.float32))
    assert placed.embedding.tolist() == [[2], [0]]
    assert placed.off == pytest.approx([4, 0])
    assert placed.strangeness == pytest.approx([math.sqrt(8), 0])


def test_an_embedding_has_the_largest_directions_each_in_its_own_spread() -> None:
    """Against numpy's principal components of the same made-up features."""
    rng = np.random.default_rng(3)
    features = (rng.normal(size=(500, 160)) * np.linspace(9, 0.5, 160) + 4).astype(np.float32)
    _, singular, axes = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    space = Space(features.mean(axis=0), axes, singular / np.sqrt(500), 1.0)
    embedding = space.place(features).embedding
    assert embedding.shape == (500, EMBEDDING)
    assert embedding.std(axis=0) == pytest.approx(np.ones(EMBEDDING), abs=1e-3)
    correlation = np.corrcoef(embedding.T) - np.eye(EMBEDDING)
    assert np.abs(correlation).max() < 1e-3


def test_no_shipped_network_says_where_it_was_made() -> None:
    for path in sorted(FOLDER.rglob("*.onnx*")):
        content = read_network(path)
        assert b"site-packages" not in content, path.name
        assert b'File "' not in content, path.name


def test_what_two_networks_share_is_copied() -> None:
    # By hand: "bcd" stands from 1 on in both, "hi" at 6 here and at 0 there.
    content, other = (np.frombuffer(text, np.uint8) for text in (b"abcdefhij", b"hibcd"))
    runs = np.array([[1, 2, 3], [6, 0, 2]])
    own = without(content, runs)
    assert own.tobytes() == b"aefj"
    assert joined(own, other, runs) == b"abcdefhij"
    none = np.empty((0, 3), np.int64)
    assert joined(without(content, none), other, none) == b"abcdefhij"


def test_every_network_ships_packed() -> None:
    plain = [path.name for path in FOLDER.glob("*.onnx")]
    assert not plain, f"python studies/pack_models.py packs {plain}"


def test_a_network_that_shares_weights_needs_the_other(tmp_path: Path) -> None:
    name = ALIASES["accurate"]
    for path in FOLDER.glob("*.*"):
        if path.stem.startswith(name) or path.suffix == ".npz":
            shutil.copy(path, tmp_path)
    assert find(name, tmp_path).network == network_file(tmp_path, name)
    network_file(tmp_path, DEFAULT).unlink()
    with pytest.raises(ModelError, match=rf"{DEFAULT}\.onnx: cannot be loaded"):
        find(name, tmp_path)

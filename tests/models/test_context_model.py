"""The learned context model as it ships."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cygnet.context.learned import PAIR, PATIENT, SITES, TOKEN
from cygnet.errors import InputError, ModelError
from cygnet.models.context import DEFAULT, ContextNetwork, find_context, has_context
from cygnet.models.registry import FOLDER
from cygnet.triage.context_methods import NAMES, context_method

if TYPE_CHECKING:
    from pathlib import Path


if not has_context():
    pytest.skip("no learned context model is packaged; cygnet train context makes it", allow_module_level=True)


def test_card_and_file_agree() -> None:
    files = find_context()
    assert files.network.stat().st_size < 400_000
    assert files.card["licence"].startswith("CC BY-NC")
    assert all(weight >= 0 for weight in files.card["stack"].values())
    assert set(files.card["stack"]) == set(NAMES) - {"stack"}


def test_any_number_of_patients_and_lesions() -> None:
    network = ContextNetwork()
    rng = np.random.default_rng(0)
    for b, n in [(1, 1), (3, 2), (2, 40)]:
        lesions = rng.normal(size=(b, n, TOKEN)).astype(np.float32)
        sites = rng.integers(0, SITES + 1, (b, n))
        pairs = rng.random((b, n, n, PAIR)).astype(np.float32)
        patients = rng.random((b, PATIENT)).astype(np.float32)
        found = network(lesions, sites, pairs, patients)
        assert found.shape == (b, n)
        assert (np.abs(found) <= 1).all()
        assert np.array_equal(found[-1:], network(lesions[-1:], sites[-1:], pairs[-1:], patients[-1:]))


def test_every_name_is_a_method() -> None:
    for name in NAMES:
        chosen = context_method(name)
        assert chosen.method.name == name
        assert chosen.method.paper
        assert bool(chosen.learned) == (name in ("set_transformer", "stack"))
    with pytest.raises(InputError, match="no context method 'magic'"):
        context_method("magic")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDER / "context", tmp_path / "context")
    assert find_context(folder).sha256 == find_context().sha256
    network = folder / f"{DEFAULT}.onnx"
    network.write_bytes(network.read_bytes()[:-1])
    with pytest.raises(ModelError, match="not the file that its card"):
        find_context(folder)
    card = json.loads((folder / f"{DEFAULT}.json").read_text())
    del card["files"]
    (folder / f"{DEFAULT}.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="card is damaged"):
        find_context(folder)
    (folder / f"{DEFAULT}.json").unlink()
    with pytest.raises(ModelError, match=f"no model '{DEFAULT}'"):
        find_context(folder)

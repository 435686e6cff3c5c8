"""Pack the networks of ``src/cygnet/models/data`` that lie there plain, as they ship; after a model was replaced.

    python studies/pack_models.py

What is read from a packed file is the network to the byte, so that no card changes and no result does.
"""

from __future__ import annotations

from cygnet.models.registry import ALIASES, DEFAULT, FOLDER
from cygnet.training.pack import pack

#: The network whose weights each of these repeats.
_REPEATS = {ALIASES["accurate"]: DEFAULT}


def main() -> None:
    """Pack, the repeated ones first, and say what it saved."""
    for plain in sorted(FOLDER.glob("*.onnx"), key=lambda path: path.stem in _REPEATS):
        before = plain.stat().st_size
        packed = pack(FOLDER, plain.stem, _REPEATS.get(plain.stem, ""))
        print(f"{packed.name}: {before / 1e6:.2f} MB before, {packed.stat().st_size / 1e6:.2f} now")


if __name__ == "__main__":
    main()

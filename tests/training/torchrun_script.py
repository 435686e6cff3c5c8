"""One small lesion training, alone or as one of torchrun's processes: ``torchrun_script.py DATA OUT [EPOCHS]``.

Without dropout, whose masks each process draws for itself, so that what is left to differ is the order of sums. A network of random weights makes a
hundredth of a gradient out of the rounding of 32 bits, hence 64; and AdamW a whole step out of a gradient that is 0 but for rounding,
hence plain gradient descent.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import torch

from cygnet.training import lesion
from cygnet.training.loop import fit
from cygnet.training.network import LesionNet, scaled
from cygnet.training.place import open_place
from cygnet.training.sources import read_sources

CONFIG = lesion.LesionConfig(
    epochs=2,
    draws=16,
    batch=8,
    sizes=(64, 80),
    workers=0,
    pretrained=False,
    mix=0.0,
    precision="float32",
    learning_rate=0.05,
)


def steady(model: torch.nn.Module, *args: object) -> None:
    model.double().dropout.p = 0.0
    args[0].double()
    model.backbone._global_params = model.backbone._global_params._replace(drop_connect_rate=0.0)
    fit(model, *args)


if __name__ == "__main__":
    torch.set_num_threads(1)
    lesion.fit = steady
    LesionNet.maps = lambda self, pixels: self.backbone.extract_features(scaled(pixels).double())
    torch.optim.AdamW = torch.optim.SGD
    stop = int(sys.argv[3]) if len(sys.argv) > 3 else 99

    def pull(step: int, steps: int, loss: float) -> None:
        if step == stop:
            raise SystemExit(9)

    with open_place("cpu", CONFIG.precision) as place:
        samples = place.agree(lambda: read_sources(Path(sys.argv[1])))
        lesion.train(samples, CONFIG, Path(sys.argv[2]), pull, place)
        print(f"rank {place.rank} of {place.world}: done")

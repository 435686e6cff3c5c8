"""Sites as numbers."""

from __future__ import annotations

import numpy as np

from cygnet.context.learned import SITES as KNOWN
from cygnet.context.sites import site_numbers, site_words
from cygnet.schema import SITES


def test_isic_words_have_their_place_in_every_table() -> None:
    assert KNOWN == len(SITES)
    given = np.array(["left forearm", "", "TORSO", "unknown", "Mars", "venus", "back", "mars"], object)
    assert site_words(given).tolist() == [
        "upper extremity",
        "",
        "torso",
        "",
        "mars",
        "venus",
        "posterior torso",
        "mars",
    ]
    assert site_numbers(given).tolist() == [SITES.index("upper extremity"), -1, SITES.index("torso"), -1, 9, 10, 1, 9]
    assert site_numbers(given[:3]).tolist() == site_numbers(given)[:3].tolist()

"""Where on the body: ISIC's tree, the general sites of the challenges, plain words, and left or right beside them.

ISIC has no left and right; laterality is kept apart (DICOM CID 244).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from cygnet.schema.suggest import nearest
from cygnet.schema.vocabulary import Tree, common, leaf, vocabulary, within


class Site(NamedTuple):
    """A place on the body.

    ``path`` is a node of ISIC's anatom_site, None where ISIC has none (palms/soles); ``special`` an anatom_site_special;
    ``laterality`` "left", "right" or "bilateral". ``approximate`` means that the word was wider or narrower than the node.
    """

    path: str | None
    special: str | None = None
    laterality: str | None = None
    approximate: bool = False


#: The general sites of the challenges 2018 to 2024, each with what ISIC 6.1 calls it.
GENERAL: Final[dict[str, Site]] = {
    "anterior torso": Site("Trunk:Anterior trunk"),
    "posterior torso": Site("Trunk:Posterior trunk"),
    "lateral torso": Site("Trunk:Lateral trunk"),
    "torso": Site("Trunk"),
    "upper extremity": Site("Upper extremity"),
    "lower extremity": Site("Lower extremity"),
    "head/neck": Site("Head and neck"),
    "palms/soles": Site(None, "acral palms or soles"),
    "oral/genital": Site(None, "oral or genital"),
}
SITES: Final = tuple(GENERAL)

#: From the tree back to the general sites; the longest that fits counts.
_GROUPS: Final[dict[str, str]] = {
    **{site.path: name for name, site in GENERAL.items() if site.path},
    "Upper extremity:Hand:Palm of hand": "palms/soles",
    "Lower extremity:Foot:Sole of foot": "palms/soles",
    "Head and neck:Head:Face:Mouth": "oral/genital",
    "Anogenital region": "oral/genital",
}
_SURE: Final = {site.special: name for name, site in GENERAL.items() if site.special}

_ABDOMEN: Final = "Trunk:Anterior trunk:Anterior abdomen"
_CHEST: Final = "Trunk:Anterior trunk:Anterior chest"
_FACE: Final = "Head and neck:Head:Face"
#: Plain words and the localizations of HAM10000. Names of the tree itself need no entry.
_WORDS: Final[dict[str, Site]] = {
    **GENERAL,
    **dict.fromkeys(("abdomen", "belly"), Site(_ABDOMEN)),
    "chest": Site(_CHEST),
    "breast": Site(f"{_CHEST}:Breast"),
    "back": Site("Trunk:Posterior trunk"),
    **dict.fromkeys(("buttock", "buttocks"), Site("Lower extremity:Buttock")),
    **dict.fromkeys(("flank", "side"), Site("Trunk:Lateral trunk", approximate=True)),
    "trunk": Site("Trunk"),
    "arm": Site("Upper extremity", approximate=True),
    "forearm": Site("Upper extremity:Forearm"),
    "hand": Site("Upper extremity:Hand"),
    "shoulder": Site("Upper extremity:Shoulder"),
    "elbow": Site("Upper extremity:Elbow"),
    "wrist": Site("Upper extremity:Wrist"),
    **dict.fromkeys(("finger", "fingers"), Site("Upper extremity:Hand:Fingers and thumb")),
    "leg": Site("Lower extremity", approximate=True),
    "thigh": Site("Lower extremity:Thigh"),
    "calf": Site("Lower extremity:Lower leg:Calf"),
    "shin": Site("Lower extremity:Lower leg:Shin"),
    "knee": Site("Lower extremity:Knee"),
    "foot": Site("Lower extremity:Foot"),
    "ankle": Site("Lower extremity:Ankle"),
    **dict.fromkeys(("toe", "toes"), Site("Lower extremity:Foot:Toes")),
    "head": Site("Head and neck:Head"),
    "neck": Site("Head and neck:Neck"),
    "face": Site(_FACE),
    "scalp": Site("Head and neck:Head:Scalp"),
    "ear": Site("Head and neck:Head:Ear"),
    "nose": Site(f"{_FACE}:Nose"),
    "cheek": Site(f"{_FACE}:Cheek"),
    "forehead": Site(f"{_FACE}:Forehead"),
    "lip": Site(f"{_FACE}:Oral region:Lip"),
    **dict.fromkeys(("palm", "palms"), Site("Upper extremity:Hand:Palm of hand")),
    **dict.fromkeys(("sole", "soles"), Site("Lower extremity:Foot:Sole of foot")),
    "acral": Site(None, "acral NOS"),
    "genital": Site("Anogenital region:Genital region"),
    "oral": Site(f"{_FACE}:Mouth", "oral or genital"),
    "mucosa": Site(None, "oral or genital", approximate=True),
}
#: tbp_lv_location of ISIC 2024 (Vectra WB360), without its Left or Right. Halves and thirds are not ISIC's own bounds.
_TBP: Final[dict[str, Site]] = {
    "head & neck": Site("Head and neck"),
    "torso back": Site("Trunk:Posterior trunk"),
    "torso back top third": Site("Trunk:Posterior trunk:Upper back", approximate=True),
    "torso back middle third": Site("Trunk:Posterior trunk:Mid back", approximate=True),
    "torso back bottom third": Site("Trunk:Posterior trunk:Lower back", approximate=True),
    "torso front": Site("Trunk:Anterior trunk"),
    "torso front top half": Site(_CHEST, approximate=True),
    "torso front bottom half": Site(_ABDOMEN, approximate=True),
    "arm - upper": Site("Upper extremity:Upper arm", approximate=True),
    "arm - lower": Site("Upper extremity:Forearm", approximate=True),
    "leg - upper": Site("Lower extremity:Thigh", approximate=True),
    "leg - lower": Site("Lower extremity:Lower leg", approximate=True),
}
_SIDES: Final = {
    **dict.fromkeys(("left", "l", "lt"), "left"),
    **dict.fromkeys(("right", "r", "rt"), "right"),
    **dict.fromkeys(("bilateral", "both"), "bilateral"),
}
_IGNORED: Final = {"upper", "lower", "the", "of", "on", "and"}


def read_laterality(text: str) -> str | None:
    """ "left", "right" or "bilateral", where one of the words of ``text`` says so."""
    found = {_SIDES[word] for word in _split(text) if word in _SIDES}
    return found.pop() if len(found) == 1 else None


@lru_cache(8192)
def find_site(text: str, *, strict: bool = False) -> Site | None:
    """The place that ISIC's, a challenge's or plain words mean ("left forearm", "torso", "Head and neck:Head:Scalp").

    None where no place is meant, or two that have nothing in common. ``strict`` also refuses text with words that name no
    place.
    """
    side = read_laterality(text)
    bare = _without_side(text)
    named = _WORDS.get(bare) or _TBP.get(bare)
    if named is None and (path := vocabulary().sites.find(text) or vocabulary().sites.find(bare)):
        named = Site(path)
    if named is None:
        named = _from_words(bare, strict=strict)
    return named._replace(laterality=side) if named and side else named


def _from_words(text: str, *, strict: bool) -> Site | None:
    words = [word for word in _split(text) if word not in _IGNORED]
    found = [_WORDS[word] for word in words if word in _WORDS]
    if not found or (strict and len(found) < len(words)):
        return None
    paths = list(dict.fromkeys(site.path for site in found if site.path))
    deepest = max(paths, key=len, default=None)
    if deepest is not None and not all(within(deepest, path) for path in paths):
        deepest = common(paths)
        if deepest is None:
            return None
    special = next((site.special for site in found if site.special), None)
    return Site(deepest, special, approximate=True)


def general_site(path: str | None, special: str | None = None) -> str | None:
    """The general site of the challenges ("anterior torso", "palms/soles") of a place; None where none contains it."""
    if special in _SURE:
        return _SURE[special]
    fitting = [ancestor for ancestor in _GROUPS if path is not None and within(path, ancestor)]
    if fitting:
        return _GROUPS[max(fitting, key=len)]
    return "palms/soles" if special == "acral NOS" else None


def suggest_sites(text: str, n: int = 3) -> list[str]:
    """Names of places that ``text`` may have meant."""
    tree: Tree = vocabulary().sites
    if ":" in text:
        return tree.suggest(text, n)
    bare = _without_side(text)
    return nearest(bare, _names(tree), n)


def _names(tree: Tree) -> Iterable[str]:
    """Each name of a place once, plain words first."""
    words = {word.casefold(): word for word in map(leaf, tree.paths)}
    return {**words, **{word: word for word in _WORDS}}.values()


def _without_side(text: str) -> str:
    kept = re.sub(r"\b(left|right|bilateral|both|l|r|lt|rt)\b", " ", text.replace("_", " ").lower())
    return re.sub(r"\s+", " ", kept).strip(" -,.")


def _split(text: str) -> list[str]:
    return re.split(r"[\s_/,.;()\-]+", text.lower().strip())

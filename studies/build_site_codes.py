"""Write src/cygnet/schema/data/site-codes.json: codes of ISIC's anatomic sites, out of DICOM's tables as pydicom holds them.

    python studies/build_site_codes.py

Only sites that DICOM names just as widely are listed: a wrong code is worse than none. Left out are, for example, the upper
outer quadrant of the breast (CID 4029 has the left one only), the antihelix and the eyelid (upper and lower apart), the
temple and the temporal scalp (one code for both), and the abdomen (CID 4029 does not tell anterior from lateral).
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any, Final

OUT: Final = Path(__file__).resolve().parent.parent / "src/cygnet/schema/data/site-codes.json"
VOCABULARY: Final = OUT.with_name("isic-6.1.json")
_CID: Final = 4029
#: DICOM's keyword for each last name of ISIC's tree that means the same.
SAME: Final[dict[str, str]] = {
    "Head": "SkinOfHead", "Neck": "SkinOfNeck", "Scalp": "SkinOfScalp", "Ear": "SkinOfEar", "Face": "SkinOfFace",
    "Front of neck": "SkinOfAnteriorPortionOfNeck", "Side of neck": "SkinOfLateralPortionOfNeck",
    "Nape of neck": "SkinOfNuchalRegion", "Supraclavicular region": "SkinOfSupraclavicularRegionOfNeck",
    "Parietal scalp": "SkinOfParietalRegion", "Occipital scalp": "SkinOfOccipitalRegion",
    "Vertex of scalp": "SkinOfVertexOfScalp", "External auditory canal": "SkinOfExternalAuditoryCanal",
    "Forehead": "SkinOfForehead", "Orbital region": "SkinOfEyeRegion", "Cheek": "SkinOfCheek", "Nose": "SkinOfNose",
    "Oral mucosa": "OralMucosa", "Chin": "SkinOfChin", "Helix of pinna": "SkinOfHelixOfEar", "Sclera": "Sclera",
    "Cornea": "Cornea", "Iris": "Iris", "Dorsum of nose": "SkinOfDorsumOfNose",
    "Lateral side wall of nose": "SkinOfSideOfNose", "Tip of nose": "SkinOfTipOfNose", "Ala nasi": "SkinOfAlaNasi",
    "Perioral region": "SkinOfPerioralRegionOfFace", "Lip": "SkinOfLip", "Upper lip": "SkinOfUpperLip",
    "Lower lip": "SkinOfLowerLip", "Nasolabial fold": "SkinOfNasolabialFold",
    "Floor of mouth": "MucosaOfFloorOfMouth", "Tongue": "MucosaOfTongue", "Anterior trunk": "SkinOfAnteriorTrunk",
    "Posterior trunk": "SkinOfBack", "Axilla": "SkinOfAxilla", "Anterior chest": "SkinOfAnteriorSurfaceOfThorax",
    "Mid back": "SkinOfMidBack", "Lower back": "SkinOfLowerBack",
    "Paraspinal mid back": "SkinOfMidParaspinalRegion", "Paraspinal lower back": "SkinOfLowerParaspinalRegion",
    "Infraclavicular region": "SkinOfInfraclavicularRegion", "Presternal region": "SternalSkin",
    "Upper inner quadrant of breast": "SkinOfUpperInnerQuadrantOfBreast",
    "Lower outer quadrant of breast": "SkinOfLowerOuterQuadrantOfBreast",
    "Lower inner quadrant of breast": "SkinOfLowerInnerQuadrantOfBreast", "Areola": "SkinOfAreola",
    "Nipple": "SkinOfNipple", "Umbilicus": "SkinOfUmbilicus", "Hypogastric region": "SkinOfHypogastricRegion",
    "Inguinal region": "SkinOfInguinalRegion", "Upper extremity": "SkinOfUpperExtremity",
    "Lower extremity": "SkinOfLowerExtremity", "Anterior upper arm": "SkinOfAnteriorSurfaceOfUpperArm",
    "Posterior upper arm": "SkinOfPosteriorSurfaceOfUpperArm", "Dorsal forearm": "SkinOfPosteriorSurfaceOfForearm",
    "Volar forearm": "SkinOfAnteriorSurfaceOfForearm", "Antecubital fossa": "SkinOfAntecubitalFossa",
    "Dorsal wrist": "SkinOfDorsalAreaOfWrist", "Volar wrist": "SkinOfPalmarAreaOfWrist", "Hand": "SkinOfHand",
    "Palm of hand": "SkinOfPalmOfHand", "Hypothenar eminence": "SkinOfHypothenarRegionOfPalm",
    "Thenar eminence": "SkinOfThenarRegionOfPalm", "Fingers and thumb": "SkinOfDigitOfHand",
    "Buttock": "SkinOfButtock", "Gluteal fold": "SkinOfGlutealFold", "Anterior thigh": "SkinOfAnteriorSurfaceOfThigh",
    "Posterior thigh": "SkinOfPosteriorSurfaceOfThigh", "Medial thigh": "SkinOfMedialSurfaceOfThigh",
    "Popliteal fossa": "SkinOfPoplitealFossa", "Shin": "SkinOfAnteriorSurfaceOfLowerLeg",
    "Posterior calf": "SkinOfPosteriorSurfaceOfLowerLeg", "Medial ankle": "SkinOfMedialAspectOfAnkle",
    "Lateral ankle": "SkinOfLateralAspectOfAnkle", "Foot": "SkinOfFoot", "Toes": "SkinOfToe", "Heel": "SkinOfHeel",
    "Plantar surface of forefoot": "SkinOfSoleOfForefoot", "Anus": "SkinOfAnus", "Perineum": "SkinOfPerineum",
    "Genital region": "SkinOfExternalGenitalia", "Penis": "SkinOfPenis", "Glans penis": "SkinOfGlansPenis",
    "Scrotum": "SkinOfScrotum", "Labium majus": "SkinOfLabiumMajus", "Labium minus": "SkinOfLabiumMinus",
    "Clitoris": "SkinOfClitoris", "Vulval vestibule": "VulvalVestibule",
    "Frenulum of labia minora": "FrenulumOfLabiaMinora", "Vaginal introitus": "VaginalIntroitus",
}  # fmt: skip


def codes() -> dict[str, list[str]]:
    """Path to coding scheme, code and meaning."""
    cid_concepts: dict[int, dict[str, list[str]]] = import_module("pydicom.sr._cid_dict").cid_concepts
    concepts: dict[str, Any] = import_module("pydicom.sr._concepts_dict").concepts
    keywords = {keyword: scheme for scheme, found in cid_concepts[_CID].items() for keyword in found}
    paths: list[str] = json.loads(VOCABULARY.read_text(encoding="utf-8"))["trees"]["anatom_site"]
    found = {}
    for path in paths:
        keyword = SAME.get(path.split(":")[-1])
        if keyword is not None:
            scheme = keywords[keyword]
            given: dict[str, Any] = concepts[scheme][keyword]
            code, meaning = next((c, m) for c, (m, cids) in given.items() if _CID in cids)
            found[path] = [scheme, code, meaning]
    return found


if __name__ == "__main__":
    made = codes()
    content: dict[str, Any] = {
        "source": "DICOM PS3.16 CID 4029 Dermatology Anatomic Site, as in pydicom 3.0; SCT is SNOMED CT, FMA the "
        "Foundational Model of Anatomy, DCM DICOM's own codes. Head and neck: SNOMED CT 774007, CID 4031",
        "codes": {"Head and neck": ["SCT", "774007", "Head and Neck"], **made},
        "laterality": {"left": ["SCT", "7771000", "Left"], "right": ["SCT", "24028007", "Right"],
                       "bilateral": ["SCT", "51440002", "Bilateral"]},
    }  # fmt: skip
    lines = json.dumps(content, indent=1, ensure_ascii=False)
    OUT.write_text(lines + "\n", encoding="utf-8")
    print(f"{OUT}: {len(content['codes'])} of 206 sites have a code; {len(SAME) - len(made)} names are not in the tree")

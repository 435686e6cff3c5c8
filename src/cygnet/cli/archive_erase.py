"""``cygnet archive erase``: a patient's images go for good, there and in the local app."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cygnet.cli.archive_common import Actor, Place, acting, opened, show_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cygnet.archive.archive import Archive
    from cygnet.clinic import Clinic
    from cygnet.clinic.elsewhere import Held


def erase(
    place: Place,
    who: Annotated[
        str,
        typer.Argument(
            help="Patient (IP_...), lesion (IL_...) or image (ISIC_...), or a patient by the contributor's own id.",
            metavar="ID",
        ),
    ],
    why: Annotated[str, typer.Option(help="Reason, for the log. Do not name the patient here.")],
    cohort: Annotated[str, typer.Option(help="Where a contributor's own id means this patient.")] = "default",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    actor: Actor = None,
) -> None:
    """Erase images for good: files, catalogue, search, collections, snapshots; prints the proof as JSON.

    A patient of the local app of this folder who has no other pictures than these goes, too. The log keeps random ids only.
    Backups and exports made before are not touched.

    Examples:

      cygnet archive erase images.archive IP_1234567 --why "consent withdrawn"

      cygnet archive erase images.archive P-0042 --cohort "Clinic A" --why "consent withdrawn" --yes
    """
    from cygnet.archive.erase import images_of
    from cygnet.clinic.elsewhere import in_clinic

    with opened(place) as archive, _clinic_beside(place) as clinic:
        with archive.database.read() as connection:
            images = images_of(connection, who, cohort)
        held = in_clinic(clinic, archive, images) if clinic is not None else []
        going = [h for h in held if h.pictures == h.of]
        if not yes:
            also = "".join(f" and {h.label} of the local app" for h in going)
            typer.confirm(f"Erase {len(images):,} images{also} for good?", abort=True)
        proofs = _both(archive, clinic, images, going, acting(actor), why)
    show_json(proofs | {"clinic_left": [f"{h.label}: {h.pictures} of {h.of}" for h in held if h not in going]})


def _both(
    archive: Archive, clinic: Clinic | None, images: list[str], going: list[Held], actor: str, why: str
) -> dict[str, Any]:
    """The proofs of both sides."""
    from cygnet.clinic.erase import erase as erase_patient

    gone = archive.erase(images, actor, why)
    patients = [erase_patient(clinic, actor, h.patient_id, why) for h in going] if clinic is not None else []
    return {"archive": gone, "clinic": patients}


@contextmanager
def _clinic_beside(place: str) -> Iterator[Clinic | None]:
    """The clinic of an archive's folder, None where there is none."""
    from cygnet.clinic import Clinic
    from cygnet.clinic.store import FILE

    folder = Path(place) / "site"
    if not (folder / FILE).exists():
        yield None
        return
    with Clinic(folder) as clinic:
        yield clinic

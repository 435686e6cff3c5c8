"""The clinic's pages: worklist, the duckling view, lesions, reports, and what keeps them honest."""

from __future__ import annotations

from cygnet.web.clinic import admin, duckling, exports, lesions, new_patient, pictures, verdicts, worklist
from cygnet.web.clinic.assessing import go_on

ROUTERS = (
    worklist.router,
    new_patient.router,
    duckling.router,
    verdicts.router,
    lesions.router,
    pictures.router,
    exports.router,
    admin.router,
)

__all__ = ["ROUTERS", "go_on"]

"""The world outside: archives that speak the ISIC Archive's API v2.

:func:`pull` fetches images with their metadata, licences and credits, checks every file, and goes on where it was interrupted.
Needs the extra ``[pull]``, or ``[archive]``, which contains it. Beside it stand the writers of results: ``fhir`` and ``dicom_results``, of the
extra ``[clinic]``.
"""

from __future__ import annotations

from cygnet.archive.extras import needs

with needs("urllib3", extra="pull"):
    from cygnet.interop.patience import Patience
    from cygnet.interop.pulled import Problem, Pulled
    from cygnet.interop.run import pull
    from cygnet.interop.verify import Verified, verify

__all__ = ["Patience", "Problem", "Pulled", "Verified", "pull", "verify"]

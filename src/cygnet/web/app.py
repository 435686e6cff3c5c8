"""The app: one site, the routers of every area, and what all of them share."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI

from cygnet.accounts import Accounts
from cygnet.archive import Archive
from cygnet.challenge.store.hosted import NAME as CHALLENGES
from cygnet.clinic import Clinic
from cygnet.errors import CygnetError
from cygnet.version import VERSION
from cygnet.web import api, archive, clinic, files, static_files
from cygnet.web.challenge import organise, take_part
from cygnet.web.challenge import pages as challenges
from cygnet.web.challenge.desk import desk_for
from cygnet.web.failures import handle_failures
from cygnet.web.front import account, home, login, runs
from cygnet.web.headers import SecurityHeaders
from cygnet.web.patience import Patience
from cygnet.web.settings import Settings
from cygnet.web.site import Site

#: One line per area. Texts, templates and static files lie in folders of the same name.
ROUTERS = (
    static_files.router,
    files.router,
    api.router,
    home.router,
    login.router,
    account.router,
    runs.router,
    archive.router,
    *clinic.ROUTERS,
    organise.router,
    challenges.router,
    take_part.router,
)
#: Bytes of a request's body, unless a route allows more.
_BODY = 2 << 20
#: Threads that answer requests.
_THREADS = 12


def create_app(settings: Settings) -> FastAPI:
    """The app over one archive.

    Raises
    ------
    InputError
        If there is no archive, or others could reach it without an account.
    """
    tempfile.gettempdir()  # chosen while there is room: it is tried by writing
    site = make_site(settings)
    if (settings.site / CHALLENGES).exists():  # runs that a crash left are scored now
        desk_for(site)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # As many as the archive's connections to its catalogue; whoever waits for one waits without a thread.
        to_thread.current_default_thread_limiter().total_tokens = _THREADS
        clinic.go_on(site)
        yield
        site.close()

    app = FastAPI(
        title="Cygnet",
        version=VERSION,
        description="An image archive that speaks the ISIC Archive's API v2. Research use only.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=_BODY,
    )
    app.state.site = site
    app.add_middleware(Patience, seconds=settings.patience)
    app.add_middleware(SecurityHeaders, local_only=not site.guarded)
    handle_failures(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


def make_site(settings: Settings) -> Site:
    """The archive and accounts that the settings name, opened."""
    opened = Archive.open(settings.archive)
    accounts = Accounts(settings.site / "accounts.sqlite")
    try:
        some = accounts.any()
        settings.check(accounts=some)
        patients = Clinic(settings.site)
    except CygnetError:
        accounts.close()
        opened.close()
        raise
    return Site(settings, opened, accounts, patients, guarded=some or settings.accounts)

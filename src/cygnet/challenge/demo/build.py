"""From a plan to a board: made, opened, entered, and for past ones frozen and revealed."""

from __future__ import annotations

from cygnet.challenge.demo.plan import Planned
from cygnet.challenge.store import runs
from cygnet.challenge.store.hosted import Challenges


def host(store: Challenges, planned: Planned) -> dict[str, str]:
    """Host a challenge with its entries; the state of each team's run. One that is there already is left as it is."""
    if any(c.name == planned.name for c in store.all()):
        return {}
    store.create(planned.name, planned.table, planned.truth, planned.metadata, "demo")
    store.open(planned.name, "demo")
    states = {}
    for entry in planned.entries:
        team = runs.join(store, planned.name, entry.team)
        with entry.file.open("rb") as stream:
            run = runs.send(
                store,
                planned.name,
                team,
                stream,
                entry.file.name,
                approach=entry.approach,
                description=entry.description,
                external_data=entry.external,
                actor="demo",
            )
        states[entry.team] = runs.score_run(store, run)
        if states[entry.team] == "scored":
            runs.choose(store, planned.name, team, run, "demo")
    if planned.past:
        store.freeze(planned.name, "demo")
        store.reveal(planned.name, "demo")
    return states

"""People, agents and grants."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from interlock.cli import keyfile, out
from interlock.cli.options import Asked, asks, note_mode, seconds
from interlock.console.schemas import (
    Agents,
    Empty,
    Grants,
    NewAgent,
    NewGrant,
    NewPerson,
    NewToken,
    People,
)
from interlock.console.schemas.governed import NewGroups, NewKey, NewOwner
from interlock.model.operation import Action
from interlock.model.people import Agent, Grant, Person

people = typer.Typer(no_args_is_help=True, help="People: who may approve, and with which key.")
agents = typer.Typer(
    no_args_is_help=True, help="Agents: who is let in, with which token, and who answers for them."
)
grants = typer.Typer(no_args_is_help=True, help="Grants: what an agent may do on a target, and until when.")

Name = Annotated[str, typer.Argument(metavar="NAME")]


@people.command("add")
@asks
def add_person(
    asked: Asked,
    name: Name,
    group: Annotated[
        list[str], typer.Option("--group", metavar="G", help="A group they belong to (may be repeated).")
    ],
    pubkey: Annotated[
        Path,
        typer.Option("--pubkey", metavar="FILE.pub", help="Their public key, from `interlock keys new`."),
    ],
) -> None:
    """Enrol a person."""
    new = NewPerson(name, tuple(group), keyfile.read_public(pubkey))
    server = asked.connect()
    person = server.post("/api/v1/people", Person, new)
    note_mode(server)
    if asked.json:
        out.json(person)
    else:
        out.say(f"{person.name} is enrolled, in {', '.join(person.groups) or 'no group'}.")


@people.command("list")
@asks
def list_people(asked: Asked) -> None:
    """List the people."""
    found = asked.connect().get("/api/v1/people", People)
    if asked.json:
        out.json(found)
        return
    rows = [
        (p.name, ", ".join(p.groups), _standing(p.disabled), p.created_at, p.public_key, passkeys(p))
        for p in found.people
    ]
    out.print_table(out.table("", ("person", "groups", "", "since", "key", "passkeys"), rows))


@people.command("disable")
@asks
def disable_person(
    asked: Asked,
    name: Name,
) -> None:
    """Disable a person: what they sign from now on counts for nothing."""
    person = asked.connect().post(f"/api/v1/people/{quote(name, safe='')}/disable", Person, Empty())
    if asked.json:
        out.json(person)
    else:
        out.say(f"{person.name} is disabled.")


@people.command("groups")
@asks
def set_groups(
    asked: Asked,
    name: Name,
    group: Annotated[
        list[str], typer.Option("--group", metavar="G", help="A group they are to be in (may be repeated).")
    ],
) -> None:
    """Give a person other groups, in the place of those they have."""
    server = asked.connect()
    _told(server.post(_of(name, "groups"), Person, NewGroups(tuple(group))), asked.json)


@people.command("recover")
@asks
def recover_person(
    asked: Asked,
    name: Name,
    pubkey: Annotated[
        Path,
        typer.Option("--pubkey", metavar="FILE.pub", help="Their new public key, from `interlock keys new`."),
    ],
) -> None:
    """Give a person who lost their key another one. The old one is worth nothing from then on."""
    server = asked.connect()
    _told(server.post(_of(name, "recover"), Person, NewKey(keyfile.read_public(pubkey))), asked.json)


def _of(name: str, what: str) -> str:
    return f"/api/v1/people/{quote(name, safe='')}/{what}"


def passkeys(person: Person) -> int:
    """How many passkeys of theirs count."""
    return sum(each.revoked_at is None for each in person.passkeys)


def _told(person: Person, json: bool) -> None:
    if json:
        out.json(person)
    else:
        groups = ", ".join(person.groups) or "no group"
        out.say(f"{person.name} is in {groups}, with the key {person.public_key}.")


@agents.command("give")
@asks
def give_agent(
    asked: Asked,
    name: Name,
    owner: Annotated[str, typer.Option("--owner", metavar="PERSON", help="Who answers for it from now on.")],
) -> None:
    """Give an agent another owner. Neither the old one nor the new one counts towards its approvals."""
    path = f"/api/v1/agents/{quote(name, safe='')}/owner"
    agent = asked.connect().post(path, Agent, NewOwner(owner))
    if asked.json:
        out.json(agent)
    else:
        out.say(f"{agent.name} is owned by {agent.owner}.")


@agents.command("add")
@asks
def add_agent(
    asked: Asked,
    name: Name,
    owner: Annotated[str, typer.Option("--owner", metavar="PERSON", help="Who answers for it.")],
) -> None:
    """Add an agent and print its token, once."""
    server = asked.connect()
    new = server.post("/api/v1/agents", NewToken, NewAgent(name, owner))
    note_mode(server)
    _print_token(new, asked.json)


@agents.command("rotate")
@asks
def rotate_agent(
    asked: Asked,
    name: Name,
) -> None:
    """Give an agent a new token, printed once. The old one ends, and its open sessions with it."""
    path = f"/api/v1/agents/{quote(name, safe='')}/rotate"
    _print_token(asked.connect().post(path, NewToken, Empty()), asked.json)


@agents.command("disable")
@asks
def disable_agent(
    asked: Asked,
    name: Name,
) -> None:
    """Disable an agent at once; its open sessions end."""
    agent = asked.connect().post(f"/api/v1/agents/{quote(name, safe='')}/disable", Agent, Empty())
    if asked.json:
        out.json(agent)
    else:
        out.say(f"{agent.name} is disabled.")


@agents.command("list")
@asks
def list_agents(asked: Asked) -> None:
    """List the agents."""
    found = asked.connect().get("/api/v1/agents", Agents)
    if asked.json:
        out.json(found)
        return
    rows = [(a.name, a.owner, _standing(a.disabled), a.created_at) for a in found.agents]
    out.print_table(out.table("", ("agent", "owner", "", "since"), rows))


def _print_token(new: NewToken, json: bool) -> None:
    """The token goes to standard output and nowhere else."""
    if json:
        out.json(new)
        return
    out.say(f"Agent {new.agent.name}, owner {new.agent.owner}. Its token, shown this once:")
    out.say(f"  {new.token}", style="bold")
    for connection in new.connections:
        out.say(f"{connection.target}:")
        out.say(f"  {connection.address.replace('TOKEN', new.token)}", style="bold")
    out.say(
        f"Unless it has a grant already: interlock grants add --agent {new.agent.name} --target T --actions … --expires 8h",
        style="dim",
    )


def _standing(disabled: bool) -> str:
    return "disabled" if disabled else "enabled"


@grants.command("add")
@asks
def add_grant(
    asked: Asked,
    agent: Annotated[str, typer.Option("--agent", metavar="A")],
    target: Annotated[str, typer.Option("--target", metavar="T")],
    actions: Annotated[
        str, typer.Option("--actions", metavar="A,A", help="Of read, create, update, delete, admin.")
    ],
    expires: Annotated[
        str, typer.Option("--expires", metavar="8h", help="How long it lasts: 90s, 30m, 8h, 7d.")
    ],
    max_rows: Annotated[
        int | None,
        typer.Option("--max-rows", metavar="N", min=1, help="Most rows one unit of work may touch."),
    ] = None,
    resources: Annotated[
        str, typer.Option("--resources", metavar="N,N", help="Only these, as public.orders or public.*.")
    ] = "",
) -> None:
    """Let an agent do something on a target for some time."""
    new = NewGrant(
        agent,
        target,
        _actions(actions),
        seconds(expires),
        max_rows,
        tuple(name.strip() for name in resources.split(",") if name.strip()),
    )
    server = asked.connect()
    grant = server.post("/api/v1/grants", Grant, new)
    note_mode(server)
    if asked.json:
        out.json(grant)
    else:
        can = ", ".join(a.value for a in grant.actions)
        out.say(f"{grant.id}: {grant.agent} may {can} on {grant.target} until {out.when(grant.expires_at)}.")


@grants.command("list")
@asks
def list_grants(
    asked: Asked,
    every: Annotated[bool, typer.Option("--all", help="Ended ones too.")] = False,
) -> None:
    """List the grants that are live."""
    found = asked.connect().get("/api/v1/grants", Grants)
    live = [g for g in found.grants if every or (g.revoked_at is None and g.expires_at > found.now)]
    if asked.json:
        out.json(Grants(tuple(live), found.now))
        return
    rows = [
        (
            g.id,
            g.agent,
            g.target,
            ", ".join(a.value for a in g.actions),
            _limits(g),
            "revoked" if g.revoked_at else g.expires_at,
            g.granted_by,
        )
        for g in live
    ]
    out.print_table(out.table("", ("grant", "agent", "target", "may", "limits", "until", "by"), rows))


@grants.command("revoke")
@asks
def revoke_grant(
    asked: Asked,
    grant_id: Annotated[str, typer.Argument(metavar="ID")],
) -> None:
    """Revoke a grant at once."""
    grant = asked.connect().delete(f"/api/v1/grants/{quote(grant_id, safe='')}", Grant)
    if asked.json:
        out.json(grant)
    else:
        out.say(f"{grant.id} is revoked.")


def _limits(grant: Grant) -> str:
    rows = [f"{grant.max_rows:,} rows"] if grant.max_rows is not None else []
    return ", ".join([*rows, *grant.resources])


def _actions(text: str) -> tuple[Action, ...]:
    known = {a.value: a for a in Action if a is not Action.UNKNOWN}
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(
            f"no such action: {', '.join(unknown)} (there are {', '.join(known)})", param_hint="--actions"
        )
    return tuple(dict.fromkeys(known[name] for name in names))

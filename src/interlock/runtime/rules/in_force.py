"""What is in force, as the ledger has it: recorded when it differs from what was recorded last."""

from collections.abc import Mapping

from interlock.model.base import Json, digest_of, to_json
from interlock.runtime.config.document import Config
from interlock.sdk.ports import Tx


def record(tx: Tx, kind: str, body: Mapping[str, Json]) -> None:
    """Record what is in force, when it differs from what was recorded last."""
    key, digest = f"recorded.{kind}", digest_of(body)
    if tx.meta(key) != digest:
        tx.append(kind, body)
        tx.put_meta(key, digest)


def config_entry(config: Config) -> dict[str, Json]:
    """What decides, of the configuration; never addresses of targets or references to secrets."""
    decides: dict[str, Json] = {
        "site": config.api.public_url,
        "environments": {name: e.protection for name, e in config.environments.items()},
        "targets": {t.name: [t.connector, t.environment, t.mode] for t in config.targets.values()},
        "quorums": {q.name: [q.count, q.group] for q in config.quorums.values()},
        "guardrails": config.guardrails,
        "reveal": sorted(config.reveal),
        "limits": to_json(config.limits),
        "budgets": None if config.budgets is None else to_json(config.budgets),
        "breakers": None if config.signals is None else to_json(config.signals),
    }
    if checks := {
        t.name: [[c.name, c.definition] for c in t.health] for t in config.targets.values() if t.health
    }:
        decides["health"] = checks
    if config.oidc is not None:
        decides["oidc"] = [
            config.oidc.issuer,
            config.oidc.groups_claim,
            config.oidc.groups,
            config.oidc.trust_groups,
        ]
    return {"digest": digest_of(decides), "guardrails": config.guardrails, "targets": len(config.targets)}

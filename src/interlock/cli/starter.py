"""What `interlock init` writes."""

CONFIG = """\
# Interlock. `interlock doctor` checks this file and everything it names; `interlock serve` runs it.
# Relative paths are relative to this file. An unknown key is an error.
# A secret is never written here: {env: NAME}, {file: PATH} or {command: [ARGV, …]}.

store: sqlite:///var/interlock.db      # several replicas share one: postgresql+psycopg://interlock@db/interlock
state_dir: var                         # admin socket, halt file, master key; only you may read it

api:
  listen: "127.0.0.1:8470"             # beyond this machine only with tls: {cert: FILE, key: FILE}
  public_url: "http://127.0.0.1:8470"  # people sign requests to this address

environments:
  production: {protection: strict}     # strict is the default; guardrails look at this word, not at the name
  staging: {protection: relaxed}

targets: {}
# targets:
#   shop:
#     connector: postgres
#     environment: production
#     mode: observe                    # decides and records, holds nothing; then: enforce
#     listen: "127.0.0.1:6543"         # agents: postgresql://AGENT:TOKEN@127.0.0.1:6543/shop
#     # The SQL that makes these three roles: interlock postgres grants-sql shop
#     upstream:   {dsn: "postgresql://agent_rw@db/shop", password: {env: SHOP_PASSWORD}}
#     observer:   {dsn: "postgresql://interlock_observer@db/shop", password: {env: OBSERVER_PASSWORD}}
#     maintainer: {dsn: "postgresql://interlock_owner@db/shop", password: {env: OWNER_PASSWORD}}
#     health: [{http: "https://shop.example/healthz"}]   # stops the agent after whose change this fails (docs/health.md)

quorums:
  two-sre: {count: 2, group: sre}      # what the shipped guardrails ask for
  two-admins: {count: 2, group: admin}
# sre-and-dba: {count: 1, group: sre, also: [{count: 1, group: dba}], wider: [{rows: 100000, count: 2}]}
# Against the rubber stamp, and for the night when nobody else is there (docs/approvals.md):
# reviews: {per_hour: 10, median_s: 5, slowed_s: 60, remind: 1h}
# break_glass: {people: [ana], minutes: 15}

# agent_uids: [1001]                   # user ids that agents run as on this machine: the admin socket refuses them
# people: {counts_after: 24h}          # governed mode (docs/governed.md): when a new person's approvals begin to count

guardrails: default                    # the shipped rules; their numbers, where yours differ:
# limits: {rows_deleted: 100, share_deleted: 10, rows_updated: 1000, share_updated: 30, quorum: two-sre}
# Agents that work with queues (docs/policy.md): limits: {messages_sent: 10, messages_taken: 10}
# Many small changes add up (docs/policy.md); what may pass in that time without people: budgets: none, or
# budgets: {window: 1h, agent: {rows_deleted: 100}, owner: {rows_deleted: 200}}
# Breakers open by themselves for an agent that runs away (docs/breakers.md); thresholds, where yours differ: breakers: off, or
# breakers: {destructive_minute: 3, groups_written_ten_minutes: off, agents: {deployer: {destructive_day: 50}}}
policies: policies/                    # your own rules beside them: *.cedar, and *.toml with test cases

retention: {payloads: 30d, trash: 7d}
notify: []                             # who is told what (docs/notifications.md), such as
# notify: [{url: {env: CHAT_URL}, name: sre, groups: [sre]}, {webhook: "https://…", secret: {env: HOOK_SECRET}}]
samples: {reveal: []}                  # groups whose people may see values of rows in the console; each time it is recorded
witness: []                            # where signed checkpoints go, so that a cut log shows (docs/ledger.md), such as
# witness: [{file: /mnt/elsewhere/checkpoints}, {url: "https://…", token: {env: WITNESS_TOKEN}}]
"""

POLICY = """\
// Rules of your own, beside the shipped guardrails. A `forbid` with a remedy holds a change until people have given it; one
// without a remedy refuses. `permit` comes from grants only. Check: interlock policy check. Try: interlock policy test.

@id("payments-need-two")
@remedy("quorum:two-sre")
@description("Rows of public.payments are deleted, however few.")
forbid (principal, action == Action::"delete", resource)
when { resource.strict && resource.name == "public.payments" && context.effects.rows_deleted > 0 }
unless { context.evidence.quorums.contains("two-sre") };
"""

CASES = """\
# What the rules must say; `interlock policy test` decides each case.

[targets.shop]
environment = "production"

[[grant]]
agent = "fixer"
target = "shop"
actions = ["read", "update", "delete"]

[[case]]
name = "a payment is deleted by two people's word only"
agent = "fixer"
target = "shop"
action = "delete"
resource = {kind = "table", name = "public.payments", group = "public"}
effects = {rows_deleted = 1}
expect = "hold"
remedies = ["quorum:two-sre"]
reasons = ["payments-need-two"]

[[case]]
name = "an order may be deleted"
agent = "fixer"
target = "shop"
action = "delete"
resource = {kind = "table", name = "public.orders", group = "public"}
effects = {rows_deleted = 1}
expect = "permit"
"""

FILES = {"interlock.yaml": CONFIG, "policies/payments.cedar": POLICY, "policies/payments.toml": CASES}
"""Every file by its path below the new folder."""

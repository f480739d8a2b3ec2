"""What people and programs do with a running gateway, apart from sending work: the command line and the API are built on it.

Each service records its ledger entry in the transaction that makes the change, and refreshes the directory, so that a disabled
agent's sessions end at once. `by` names who asked, as `person/NAME`, `agent/NAME` or `uid/NUMBER`.
"""

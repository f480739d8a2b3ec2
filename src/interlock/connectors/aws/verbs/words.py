"""What an operation's verb says, when nothing better is known, and what it says of a write.

Every first word of botocore's operations is here, by what it does in the worst plain case. A word that is not here says nothing:
then a write counts as a deletion, and what has no level is unknown.
"""

import re
from collections.abc import Iterator

from interlock.model.operation import Action

_READ = """
Get List Describe Head Search Lookup Query Scan Select Count View Is Filter
"""
"""Words that a read begins with. It takes more to be one: see `reading`."""

_CREATE = """
Create Register Import Upload Allocate Copy Clone Purchase Request Reserve Provision Publish Launch Run Submit Initiate Generate
Issue Post Record Insert Claim Invite Begin Bundle Open Meter Replicate Index Ingest Populate
"""

_DELETE = """
Delete Remove Terminate Purge Destroy Deregister Unregister Reset Cancel Stop Abort Revoke Disassociate Dissociate Detach
Release Reject Disable Deactivate Deprecate Archive Expire Evict Flush Forget Withdraw Deprovision Unassign Unlink Unshare
Unsubscribe Unpeer Undeploy Ungroup Unlabel Unmonitor Dispose Discard Redact Clear Close Leave Retire Return Decline Deny
Disallow Disconnect Dismiss Drain Shutdown Shrink Decrease Suspend Pause Reboot Restart Rebuild Reload Replace Restore Rollback
Backtrack Failover Switchover Swap Resize Reverse Evacuate Schedule Merge Split Move Transfer Push Rename Reimport Invalidate
Lock Unlock Override Overwrite Migrate Take Deploy Finalize Drop Truncate Erase Wipe Empty Disown Deauthorize Opt Logout End
Skip Vote Recall Synchronize Sync Rebalance Promote Mark Convert Global
"""

_UPDATE = """
Update Put Modify Set Change Configure Enable Activate Associate Attach Accept Authorize Apply Approve Assign Tag Untag Label Link
Add Confirm Complete Continue Refresh Resend Renew Rotate Regenerate Upgrade Extend Increase Enter Exit Acknowledge Subscribe Commit
Connect Define Initialize Join Peer Setup Share Grant Group Advertise Allow Amend Install Manage Monitor Reorder Resync Save
Unarchive Undeprecate Write Checkpoint Resume
"""

_DOES = """
Start Send Invoke Execute Test Verify Validate Retry Respond Notify Report Poll Prepare Signal Build Compose Distribute Process
Provide Redeem Redrive Checkout Deliver Estimate Optimize Translate Evaluate Export Exchange Acquire Assume Decrypt Encrypt Re
Sign Derive Decapsulate Encapsulate Download Retrieve Receive Sample Synthesize Transcribe Predict Recognize Converse Chat
Introspect Infer Classify Analyze Rerank Discover Probe Render Preview Compare Calculate Resolve Check Simulate Suggest Forecast
Autocomplete Geocode Snap Contains Rescore Domain Phone Carrier Insight Channel Agentic Detect Decode Forgot
"""
"""Words that say that something is done, but not what: a write by them changes something; without a level they say nothing."""

_ACTIONS = {
    **dict.fromkeys(_READ.split(), Action.READ),
    **dict.fromkeys(_UPDATE.split(), Action.UPDATE),
    **dict.fromkeys(_DOES.split(), Action.UPDATE),
    **dict.fromkeys(_CREATE.split(), Action.CREATE),
    **dict.fromkeys(_DELETE.split(), Action.DELETE),
}

_VAGUE = frozenset(_DOES.split())

_MANY = frozenset(("Batch", "Admin", "Transact", "Bulk"))
"""Words before the verb itself (BatchGetItem, AdminDeleteUser)."""

_NEVER_READ = re.compile(
    r"Delete|Remove|Terminat|Purge|Destroy|Deregister|Reset|Revoke|Disable|Detach|Disassociate|Dissociate|Stop(?!ped)|Cancel(?!led|ed|lation)"
    r"|Expire(?!d)|Wipe|Erase|Drop(?!ped)"
)
"""Words of destruction: an operation that has one at its beginning is never a read, whatever the reference says."""


def words(operation: str) -> list[str]:
    """The words of an operation's name: `BatchGetItem` is Batch, Get, Item."""
    return list(_split(operation))


def verb(operation: str) -> str:
    """The word that says what is done."""
    found = words(operation)
    if len(found) > 1 and found[0] in _MANY:
        return found[1]
    return found[0] if found else ""


def action_of(operation: str) -> Action:
    """What the verb says, `unknown` when it says nothing."""
    return _ACTIONS.get(verb(operation), Action.UNKNOWN)


def says_what(operation: str) -> bool:
    """Whether its verb says what is done, not only that something is."""
    return verb(operation) in _ACTIONS.keys() - _VAGUE


_RUNS = frozenset(("Invoke", "Execute", "Submit", "Redrive", "Retry"))
_RUN = re.compile(
    r"Start.*(?:Execution|Jobs?|Tasks?|Runs?|Builds?|Batch|Quer(?:y|ies)|Sessions?|Commands?|Pipelines?|Workflows?|Imports?|Exports?|Ingestion"
    r"|Flows?|Experiments?|Campaigns?|Simulation|Evaluation|Test|Migration)\Z"
)


def runs(operation: str) -> bool:
    """Whether it runs something, by its name."""
    return verb(operation) in _RUNS or _RUN.fullmatch(operation) is not None


def destroys(operation: str) -> bool:
    """Whether its verb is one of destruction."""
    return bool(_NEVER_READ.match(verb(operation)))


def _split(operation: str) -> Iterator[str]:
    for match in re.finditer(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", operation):
        yield match.group()

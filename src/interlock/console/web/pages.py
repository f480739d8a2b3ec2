"""The table of pages: what is where, and for whom. `console.web.frame` serves it, and the tests go through it."""

from interlock.console.web import changes, entering, overview, provider
from interlock.console.web.views import agents, ledger, people, policy, targets
from interlock.console.web.visit import Page, Who

C = "/console"
PAGES: tuple[Page, ...] = (
    Page(path=f"{C}/", handler=overview.shown),
    Page(path=f"{C}/login", who=Who.ANYONE, handler=entering.login),
    Page(method="POST", path=f"{C}/login/options", who=Who.ANYONE, handler=entering.login_options, json=True),
    Page(method="POST", path=f"{C}/login/answer", who=Who.ANYONE, handler=entering.login_answer, json=True),
    Page(path=f"{C}/login/oidc", who=Who.ANYONE, handler=provider.begin),
    Page(path=f"{C}/login/oidc/answer", who=Who.ANYONE, handler=provider.answer),
    Page(method="POST", path=f"{C}/logout", handler=entering.logout, light=True),
    Page(path=f"{C}/enrol", who=Who.ANYONE, handler=entering.enrol),
    Page(method="POST", path=f"{C}/enrol/options", who=Who.ANYONE, handler=entering.enrol_options, json=True),
    Page(method="POST", path=f"{C}/enrol/answer", who=Who.ANYONE, handler=entering.enrol_answer, json=True),
    Page(method="POST", path=f"{C}/enrol/oidc", who=Who.ANYONE, handler=provider.enrol, json=True),
    Page(path=f"{C}/changes", handler=changes.listed),
    Page(path=f"{C}/changes/{{id}}", handler=changes.shown),
    Page(method="POST", path=f"{C}/changes/{{id}}/sign", handler=changes.sign, light=True),
    Page(method="POST", path=f"{C}/changes/{{id}}/opened", handler=changes.opened, json=True, light=True),
    Page(method="POST", path=f"{C}/changes/{{id}}/take-back", handler=changes.taken_back, light=True),
    Page(method="POST", path=f"{C}/changes/{{id}}/comment", handler=changes.commented, light=True),
    Page(path=f"{C}/changes/{{id}}/sample", handler=changes.masked_again),
    Page(method="POST", path=f"{C}/changes/{{id}}/sample", handler=changes.revealed),
    Page(method="POST", path=f"{C}/changes/{{id}}/apply", handler=changes.applied),
    Page(method="POST", path=f"{C}/changes/{{id}}/withdraw", handler=changes.withdrawn, light=True),
    Page(method="POST", path=f"{C}/break-glass/{{id}}/review", handler=changes.reviewed),
    Page(path=f"{C}/agents", handler=agents.listed),
    Page(path=f"{C}/agents/{{name}}", handler=agents.shown),
    Page(method="POST", path=f"{C}/agents/{{name}}/disable", handler=agents.disabled, light=True),
    Page(method="POST", path=f"{C}/grants/{{id}}/revoke", handler=agents.revoked, light=True),
    Page(path=f"{C}/people", handler=people.listed),
    Page(path=f"{C}/people/{{name}}", handler=people.shown),
    Page(method="POST", path=f"{C}/people/{{name}}/disable", handler=people.disabled, light=True),
    Page(
        method="POST", path=f"{C}/people/{{name}}/passkeys/{{id}}/revoke", handler=people.revoked, light=True
    ),
    Page(method="POST", path=f"{C}/people/{{name}}/confirm", who=Who.ADMIN, handler=people.confirmed),
    Page(method="POST", path=f"{C}/people/{{name}}/unlink", handler=people.unlinked, light=True),
    Page(method="POST", path=f"{C}/confirmations", who=Who.ADMIN, handler=people.linked),
    Page(method="POST", path=f"{C}/invitations", who=Who.ADMIN, handler=people.invited),
    Page(path=f"{C}/targets", handler=targets.listed),
    Page(method="POST", path=f"{C}/targets/{{name}}/break-glass", handler=targets.glass, light=True),
    Page(path=f"{C}/doctor", handler=targets.doctor),
    Page(method="POST", path=f"{C}/environments/{{name}}/freeze", handler=targets.frozen, light=True),
    Page(method="POST", path=f"{C}/environments/{{name}}/thaw", who=Who.ADMIN, handler=targets.thawed),
    Page(method="POST", path=f"{C}/halt", handler=overview.halted, light=True),
    Page(method="POST", path=f"{C}/resume", who=Who.ADMIN, handler=overview.resumed),
    Page(path=f"{C}/policy", handler=policy.shown),
    Page(path=f"{C}/policy/simulator", handler=policy.simulator),
    Page(method="POST", path=f"{C}/policy/simulator", handler=policy.simulated, light=True),
    Page(path=f"{C}/ledger", handler=ledger.listed),
    Page(path=f"{C}/ledger/{{number}}", handler=ledger.entry),
)
"""Every page there is."""

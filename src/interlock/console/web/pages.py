"""The table of pages: what is where, and for whom. `console.web.frame` serves it, and the tests go through it."""

from interlock.console.web import changes, entering, overview
from interlock.console.web.visit import Page, Who

C = "/console"
PAGES: tuple[Page, ...] = (
    Page(path=f"{C}/", handler=overview.shown),
    Page(path=f"{C}/login", who=Who.ANYONE, handler=entering.login),
    Page(method="POST", path=f"{C}/login/options", who=Who.ANYONE, handler=entering.login_options, json=True),
    Page(method="POST", path=f"{C}/login/answer", who=Who.ANYONE, handler=entering.login_answer, json=True),
    Page(method="POST", path=f"{C}/logout", handler=entering.logout),
    Page(path=f"{C}/enrol", who=Who.ANYONE, handler=entering.enrol),
    Page(method="POST", path=f"{C}/enrol/options", who=Who.ANYONE, handler=entering.enrol_options, json=True),
    Page(method="POST", path=f"{C}/enrol/answer", who=Who.ANYONE, handler=entering.enrol_answer, json=True),
    Page(path=f"{C}/changes", handler=changes.listed),
    Page(path=f"{C}/changes/{{id}}", handler=changes.shown),
    Page(method="POST", path=f"{C}/changes/{{id}}/sign", handler=changes.sign),
    Page(method="POST", path=f"{C}/changes/{{id}}/opened", handler=changes.opened, json=True),
    Page(method="POST", path=f"{C}/changes/{{id}}/take-back", handler=changes.taken_back),
    Page(method="POST", path=f"{C}/changes/{{id}}/comment", handler=changes.commented),
    Page(method="POST", path=f"{C}/changes/{{id}}/apply", handler=changes.applied),
    Page(method="POST", path=f"{C}/changes/{{id}}/withdraw", handler=changes.withdrawn),
)
"""Every page there is."""

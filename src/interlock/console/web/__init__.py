"""The web console: pages made on the server, readable without scripts. Start reading at `pages.PAGES`.

request ─ frame.Frame (host, session, form) ─ a page's function ─ render (Jinja2 templates) ─ HTML with a strict policy
"""

from interlock.console.web.frame import routes

__all__ = ["routes"]

"""`notify:` of the configuration: every complaint says file, line and key, and none repeats an address."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from tests.doc_tables import DOCS
from tests.runtime.config.test_config import FULL, complaint
from tests.runtime.config.test_config import read as read_config
from tests.runtime.notify.kit import configured

from interlock.model.message import Event
from interlock.runtime.config import secrets
from interlock.runtime.config.secrets import Secret
from interlock.runtime.notify.config import _WHAT, EVENTS, AppriseConfig, Wants, WebhookConfig

OF_OURS = """\
- slack://hunter2/B/C
- {url: {env: CHAT}, name: chat, groups: [sre, dba], environments: [production]}
- url: {file: mail}
  events: [held, reminder, decided, applied, reverted, breaker, health, freeze, halt, break_glass, expired]
  digest: 10m
- {webhook: "https://hooks.example/a?b=c", secret: {env: HOOK}}
- {webhook: {env: HOOK_URL}, secret: {command: [vault, read]}, name: pager}
"""


def test_all_forms() -> None:
    slack, chat, mail, hook, pager = configured(OF_OURS)
    assert slack == AppriseConfig("1-slack", "slack://hunter2/B/C", Wants())
    assert chat.name == "chat"
    assert isinstance(chat.url, Secret)
    assert chat.wants == Wants(("sre", "dba"), ("production",))
    assert mail.name == "3-apprise"
    assert mail.wants.digest == timedelta(minutes=10)
    assert set(mail.wants.events) == set(map(Event, EVENTS))
    assert len(EVENTS) == 11
    assert isinstance(hook, WebhookConfig)
    assert (hook.name, hook.url) == ("4-webhook", "https://hooks.example/a?b=c")
    assert (pager.name, type(pager.url)) == ("pager", Secret)
    assert configured("[]") == ()


def test_addresses_are_secrets_and_are_not_shown() -> None:
    channels = configured(
        '[slack://hunter2/B/C, {webhook: "https://hooks.example/hunter3", secret: {env: X}}]'
    )
    assert "hunter" not in repr(channels)
    assert {"slack://hunter2/B/C", "https://hooks.example/hunter3"} <= secrets.seen()


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("hunter2", "notify.0: expected SERVICE://…"),
        ("'json://a json://hunter2'", "notify.0: expected SERVICE://…"),
        ("7", "notify.0: expected keys and values"),
        ("{}", "notify.0: a channel is a URL of Apprise, {url: …}, or {webhook: …, secret: SECRET}"),
        ("{url: 'json://a', webhook: 'https://a', secret: {env: A}}", "notify.0: a channel is"),
        ("{url: 'json://a', secret: {env: A}}", "notify.0: a channel is"),
        ("{webhook: 'https://a'}", "notify.0: a channel is"),
        ("{webhook: 'https://a', secret: hunter2}", "notify.0.secret: a secret is {env: NAME}"),
        ("{url: {environ: hunter2}}", "notify.0.url: a secret is {env: NAME}"),
        ("{url: 'json://a', group: [sre]}", "notify.0.group: unknown key; did you mean 'groups'?"),
        ("{url: 'json://a', groups: [sire]}", "notify.0.groups.0: there is no 'sire' (known: admin, sre)"),
        ("{url: 'json://a', groups: sre}", "notify.0.groups: expected a list of words, at least one"),
        ("{url: 'json://a', groups: []}", "notify.0.groups: expected a list of words, at least one"),
        ("{url: 'json://a', environments: [prod]}", "notify.0.environments.0: there is no 'prod'"),
        ("{url: 'json://a', events: [hold]}", "notify.0.events.0: there is no 'hold' (known: applied, break_glass,"),
        ("{url: 'json://a', events: [digest]}", "notify.0.events.0: there is no 'digest'"),
        ("{url: 'json://a', digest: soon}", "notify.0.digest: 'soon' is not a length of time"),
        ("{url: 'json://a', digest: 2d}", "notify.0.digest: a digest collects for a day at most"),
        ("{url: 'json://a', name: A B}", "notify.0.name: a name has small letters"),
        ("{url: 'json://a', name: x}, {url: 'json://a', name: x}", "notify.1.name: another channel has that name"),
        ("{webhook: 'http://hunter2.example/', secret: {env: A}}", "notify.0.webhook: plain http is accepted for a loopback"),
        ("{webhook: 'https://u:hunter2@a.example/', secret: {env: A}}", "notify.0.webhook: expected https://"),
        ("{webhook: 'https://a:hunter2/', secret: {env: A}}", "notify.0.webhook: not a URL"),
        ("{webhook: 'https://[hunter2/', secret: {env: A}}", "notify.0.webhook: not a URL"),
        ("{webhook: 'ftp://hunter2/', secret: {env: A}}", "notify.0.webhook: expected https://"),
        ("{webhook: 'https://a/ü', secret: {env: A}}", "notify.0.webhook: expected https://"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(channel: str, said: str) -> None:
    found = complaint(FULL.replace("notify: []", f"notify: [{channel}]", 1))
    assert f"interlock.yaml:16: {said}" in found
    assert "hunter2" not in found


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:99"])
def test_plain_http_is_for_loopback(host: str) -> None:
    (hook,) = configured(f'[{{webhook: "http://{host}/x", secret: {{env: A}}}}]')
    assert hook.name == "1-webhook"


def test_lines_of_channels_below_each_other() -> None:
    text = FULL.replace("notify: []", "notify:\n  - json://a\n  - url: json://b\n    digests: 1m", 1)
    assert "interlock.yaml:19: notify.1.digests: unknown key; did you mean 'digest'?" in complaint(text)


def test_the_document_has_every_event_and_its_example_is_read(tmp_path: Path) -> None:
    text = (DOCS / "notifications.md").read_text("utf-8")
    rows = text.partition("<!-- table: events -->")[2].partition("<!-- end -->")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == set(EVENTS)
    example = re.search(r"```yaml\nnotify:\n(.*?)```", text, re.DOTALL)
    assert example is not None
    assert [c.name for c in configured(example[1])] == ["sre", "oncall", "audit", "hook"]
    for key in ("url", "webhook", "secret", *_WHAT):
        assert f"`{key}`" in text


def test_the_whole_configuration_has_them(tmp_path: Path) -> None:
    config = read_config(FULL.replace("notify: []", "notify: [json://a]", 1))
    assert [c.name for c in config.notify] == ["1-json"]

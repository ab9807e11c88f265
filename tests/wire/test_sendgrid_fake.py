"""The fake SendGrid is as strict as the documented API: each rule refuses, and our calls pass."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from tests.fakes.sendgrid_rules import RULES, Refused, Rules, refusals
from tests.fakes.sendgrid_sending import send
from tests.fakes.sendgrid_server import KEY, SendgridServer

from newsletter.clock import SettableClock

Spoil = Callable[[dict[str, Any]], object]


def a_call(people: int = 2) -> dict[str, Any]:
    """Return a body that the API takes."""
    return {
        "from": {"email": "news@example.org", "name": "The Daily"},
        "subject": "Ferries",
        "content": [
            {"type": "text/plain", "value": "Hello -name-"},
            {"type": "text/html", "value": "<p>Hello -name-</p>"},
        ],
        "tracking_settings": {"click_tracking": {"enable": False, "enable_text": False}},
        "personalizations": [
            {
                "to": [{"email": f"reader{n}@example.org"}],
                "substitutions": {"-name-": "Ada"},
                "custom_args": {"delivery": f"1-{n}"},
                "headers": {"List-Unsubscribe": f"<https://news.example.org/u/{n}>"},
            }
            for n in range(people)
        ],
    }


def first(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["personalizations"][0]
    return found


SPOILT: dict[str, list[Spoil]] = {
    "no personalization": [lambda b: b["personalizations"].clear()],
    "too many personalizations": [lambda b: b.update(a_call(1_001))],
    "too many recipients": [
        lambda b: first(b)["to"].extend({"email": f"a{n}@example.org"} for n in range(1_000))
    ],
    "nobody to send to": [lambda b: first(b)["to"].clear()],
    "no valid address": [
        lambda b: first(b).update(to=[{"email": "nobody"}]),
        lambda b: first(b).update(to=[{"email": "a@b@example.org"}]),
        lambda b: first(b).update(to=[{"email": "a b@example.org"}]),
        lambda b: first(b).update(to=[{"email": "ü@example.org"}]),
        lambda b: first(b).update(to=[{"email": "a@example.org\r\nBcc: x@example.org"}]),
        lambda b: first(b).update(to=[{"email": ""}]),
        lambda b: b.update({"from": {"email": "news"}}),
        lambda b: b.update(reply_to={"email": "news@"}),
    ],
    "an address twice": [
        lambda b: first(b).update(cc=[{"email": "Reader0@example.org"}]),
        lambda b: first(b)["to"].append({"email": "reader0@example.org"}),
    ],
    "a control in a name": [
        lambda b: b["from"].update(name="The\r\nDaily"),
        lambda b: first(b)["to"][0].update(name="Ada\nBcc: x@example.org"),
    ],
    "no subject": [lambda b: b.pop("subject"), lambda b: b.update(subject="")],
    "a line break in a subject": [
        lambda b: b.update(subject="Ferries\nBcc: x"),
        lambda b: first(b).update(subject="Ferries\r"),
    ],
    "no content": [lambda b: b["content"].clear()],
    "empty content": [lambda b: b["content"][0].update(value="")],
    "a parameter in a content type": [
        lambda b: b["content"][0].update(type="text/plain; charset=utf-8"),
        lambda b: b["content"][1].update(type="text/html;"),
        lambda b: b["content"][1].update(type="text/html\r\n"),
    ],
    "no content type": [lambda b: b["content"][1].update(type="html")],
    "parts out of order": [
        lambda b: b["content"].reverse(),
        lambda b: b["content"].append({"type": "text/plain", "value": "again"}),
        lambda b: b["content"].insert(0, {"type": "text/calendar", "value": "x"}),
    ],
    "a reserved header": [
        lambda b: first(b)["headers"].update({"Reply-To": "a@example.org"}),
        lambda b: b.update(headers={"content-TYPE": "text/plain"}),
    ],
    "no header name": [lambda b: first(b)["headers"].update({"X Y": "z"})],
    "a header that is no line of ASCII": [
        lambda b: first(b)["headers"].update({"X-A": "ü"}),
        lambda b: first(b)["headers"].update({"X-A": "a\r\nBcc: x@example.org"}),
    ],
    "a header that is no string": [lambda b: first(b)["headers"].update({"X-A": 7})],
    "a substitution that is no string": [lambda b: first(b)["substitutions"].update({"-n-": 7})],
    "a custom argument that is no string": [lambda b: first(b)["custom_args"].update(campaign=7)],
    "substitutions too large": [
        lambda b: first(b)["substitutions"].update({"-name-": "x" * 10_000})
    ],
    "custom arguments too large": [lambda b: first(b)["custom_args"].update(a="é" * 5_000)],
    "a tag within a tag": [lambda b: first(b)["substitutions"].update({"-name-x": "y"})],
    "too many categories": [lambda b: b.update(categories=[str(n) for n in range(11)])],
    "a category twice": [lambda b: b.update(categories=["daily", "daily"])],
    "a long category": [lambda b: b.update(categories=["x" * 256])],
}


def test_every_rule_has_a_call_that_it_refuses() -> None:
    assert [*SPOILT] == [rule.name for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_call_that_breaks_a_rule_is_refused_in_its_words(rule: Any) -> None:
    for spoil in SPOILT[rule.name]:
        body = copy.deepcopy(a_call())
        spoil(body)

        assert rule.message in [str(refused) for refused in refusals(body)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b.update(template_id="d-1"),
        lambda b: b.pop("from"),
        lambda b: b.update(subject=7),
        lambda b: b["content"][0].pop("type"),
        lambda b: first(b).update(to={"email": "reader0@example.org"}),
        lambda b: b.update(tracking_settings={"click_tracking": {"enable": "no"}}),
        lambda b: first(b).pop("custom_args"),
        lambda b: first(b).update(bypass="x"),
    ],
    ids=["unknown", "from", "subject", "type", "to", "tracking", "custom args", "unknown of one"],
)
def test_a_call_of_another_shape_than_documented_is_refused(spoil: Spoil) -> None:
    body = a_call()
    spoil(body)

    with pytest.raises(Refused):
        Rules().check(json.dumps(body).encode())


def test_a_call_over_30_megabytes_is_413_and_what_is_no_json_400() -> None:
    body = a_call()
    body["content"][1]["value"] = "x" * 30_000_000

    with pytest.raises(Refused) as caught:
        Rules().check(json.dumps(body).encode())
    assert caught.value.status == 413
    with pytest.raises(Refused, match="Bad Request"):
        Rules().check(b"{")


def test_a_sound_call_is_taken_and_a_refusal_comes_in_the_apis_form() -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    spoilt = a_call()
    spoilt["content"][0]["type"] = "text/plain; charset=utf-8"
    with SendgridServer() as server, httpx.Client(base_url=server.url, headers=headers) as client:
        taken = client.post("/v3/mail/send", json=a_call())
        refused = client.post("/v3/mail/send", json=spoilt)
        no_key = client.post("/v3/mail/send", json=a_call(), headers={"Authorization": "Bearer x"})
        no_json = client.post(
            "/v3/mail/send", content=b"{}", headers={"Content-Type": "text/plain"}
        )

    assert (taken.status_code, taken.content) == (202, b"")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "content.0.type"
    assert "cannot contain ';'" in refused.json()["errors"][0]["message"]
    assert (no_key.status_code, no_json.status_code) == (401, 415)


def test_our_calls_name_bare_types_plain_text_first(clock: SettableClock) -> None:
    _, server = send(clock)

    assert [part["type"] for part in server.calls[0]["content"]] == ["text/plain", "text/html"]


def test_our_calls_fit_the_published_description(clock: SettableClock, shared: Path) -> None:
    path = shared / "sendgrid" / "tsg_mail_v3.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    body = description["components"]["requestBodies"]["PostMailSend"]
    schema = body["content"]["application/json"]["schema"]
    _, server = send(clock)

    for call in server.calls:
        jsonschema.validate(call, {**schema, "components": description["components"]})

"""`/away`: to look at the away mode and to switch it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx

    from tests.api.conftest import Serve
    from tests.api.fake_node import FakeNode

OFF = {"enabled": True, "state": "OFF", "armed": False, "arming_until": None, "quiet": False}


def test_it_is_switched_and_told(client: httpx.Client, node: FakeNode) -> None:
    """PUT answers with what GET says from then on."""
    assert client.get("/away").json() == OFF
    answer = client.put("/away", json={"state": "ON"})
    assert answer.status_code == 200
    assert (
        answer.json()
        == client.get("/away").json()
        == {**OFF, "state": "ON", "arming_until": "2026-05-01T12:00:30.000Z"}
    )
    assert node.away_on
    assert client.put("/away", json={"state": "OFF"}).json() == OFF


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"state": "on"}', 422),
        (b'{"state": true}', 422),
        (b'{"state": "ON", "now": 1}', 422),
        (b"{}", 422),
        (b"[]", 422),
        (b"ON", 422),
        (b"\xff", 422),
        (b"", 422),
        (b" " * 2000, 413),
    ],
)
def test_another_body_is_refused_and_changes_nothing(
    client: httpx.Client, node: FakeNode, body: bytes, status: int
) -> None:
    """The problem shows what to send."""
    answer = client.put("/away", content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert '{"state": "ON"}' in answer.json()["detail"]
    assert not node.away_on


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_cannot_switch_it(client: httpx.Client, node: FakeNode, kind: str | None) -> None:
    """A body is taken as JSON where it says so: what a page can send without asking first is refused."""
    headers = {} if kind is None else {"Content-Type": kind}
    answer = client.put("/away", content=b'{"state": "ON"}', headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]
    assert not node.away_on


def test_a_node_without_it_says_what_to_set(client: httpx.Client, node: FakeNode) -> None:
    """To look is allowed; to switch is a conflict with the configuration."""
    node.away_enabled = False
    assert client.get("/away").json()["enabled"] is False
    answer = client.put("/away", json={"state": "ON"})
    assert answer.status_code == 409
    assert answer.json()["detail"] == "the away mode is not enabled; set away.enabled = true"


def test_only_those_who_may_switch_it(serve: Serve, node: FakeNode) -> None:
    """Neither without the token nor from a page of another origin."""
    with serve(host="0.0.0.0", token="correct horse") as client:
        assert client.get("/away").status_code == 401
        assert client.put("/away", json={"state": "ON"}).status_code == 401
        headers = {"Authorization": "Bearer correct horse", "Origin": "http://elsewhere.example"}
        assert client.put("/away", json={"state": "ON"}, headers=headers).status_code == 403
        assert not node.away_on
        del headers["Origin"]
        assert client.put("/away", json={"state": "ON"}, headers=headers).status_code == 200


def test_it_is_described(client: httpx.Client) -> None:
    """The OpenAPI document has the body and the problems."""
    put = client.get("/openapi.json").json()["paths"]["/away"]["put"]
    assert put["requestBody"]["content"]["application/json"]["schema"]["properties"]["state"]["enum"] == ["ON", "OFF"]
    assert {"200", "409", "413", "422"} <= set(put["responses"])

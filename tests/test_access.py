"""Who is let in: the server's own names, its own pages, those with the token; and nobody from elsewhere by accident."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.web.access import MAX_BODY, Access, Guard, is_loopback, same_origin
from engine.errors import ReverieError

HOME = "http://127.0.0.1:7860"
TOKEN = "open-sesame-ü"


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"inside {request.url.path}")


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("inside")
    await websocket.close()


@contextmanager
def client(access: Access, base_url: str = HOME) -> Iterator[TestClient]:
    routes = [Route("/{path:path}", page, methods=["GET", "POST"]), WebSocketRoute("/api/play", stream)]
    with TestClient(Guard(Starlette(routes=routes), access), base_url, follow_redirects=False) as made:
        yield made


def connects(web: TestClient, **headers: str) -> bool:
    """Whether a WebSocket with these headers is let in."""
    try:
        with web.websocket_connect("/api/play", headers={"host": "127.0.0.1:7860", **headers}) as socket:
            return socket.receive_text() == "inside"
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "127.9.9.9:1"])
def test_a_server_of_this_machine_answers_to_its_names(host: str) -> None:
    """Bug: the page does not open under localhost, under IPv6, or through a forwarded port."""
    with client(Access()) as web:
        assert web.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "", "192.168.1.5:7860", "a@127.0.0.1", "x:y"],
)
def test_a_foreign_name_that_leads_here_is_refused(host: str) -> None:
    """Bug: a web page rebinds its own name to 127.0.0.1, and then reads and plays as if it were ours."""
    with client(Access()) as web:
        assert web.get("/", headers={"host": host}).status_code == 421
        assert not connects(web, host=host, origin=f"http://{host}")


def test_names_that_lead_here_can_be_given() -> None:
    """Bug: behind a reverse proxy, or under the address it is bound to, a server refuses everybody."""
    access = Access("10.0.0.7", 7860, TOKEN, names=("play.example",))
    for host, known in (("play.example", True), ("10.0.0.7:7860", True), ("10.0.0.8:7860", False)):
        assert access.knows_host(host) is known, host
    for bound in ("2001:db8::7", "[2001:db8::7]"):
        assert Access(bound, 7860, TOKEN).knows_host("[2001:DB8::7]:7860"), bound
    everywhere = Access("0.0.0.0", 7860, TOKEN)
    assert everywhere.knows_host("10.0.0.8:7860") and not everywhere.knows_host("evil.example")


@pytest.mark.parametrize(
    ("origin", "let_in"),
    [
        (HOME, True),
        ("http://localhost:7860", False),
        ("http://127.0.0.1:9999", False),
        ("https://127.0.0.1:7860", True),
        ("http://evil.example", False),
        ("null", False),
        ("file://", False),
        ("http://127.0.0.1:7860.evil.example", False),
    ],
)
def test_other_pages_cannot_connect_or_change_anything(origin: str, let_in: bool) -> None:
    """Bug: any web page that is open in the browser plays on, uploads to, or spies on a server of this machine."""
    with client(Access()) as web:
        assert connects(web, origin=origin) is let_in
        assert (web.post("/api/x", headers={"origin": origin}).status_code == 200) is let_in
        assert (web.get("/", headers={"origin": origin}).status_code == 200) is let_in


def test_programs_without_an_origin_may_connect() -> None:
    """Bug: only browsers can play, no script on this machine."""
    with client(Access()) as web:
        assert connects(web)
        assert web.post("/api/x").status_code == 200


def test_another_site_may_link_here_and_no_more() -> None:
    """Bug: another site's page loads our files as scripts or frames; or a replay link in a chat does not open."""
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    with client(Access()) as web:
        assert web.get("/?replay=x", headers=link).status_code == 200
        assert web.get("/x", headers=link | {"sec-fetch-dest": "iframe"}).status_code == 403
        assert (
            web.get("/x", headers=link | {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"}).status_code == 403
        )
        assert web.get("/x", headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_without_the_token_nobody_gets_in() -> None:
    """Bug: one way in is forgotten: the page, a file, a wrong token, an empty cookie, or the stream."""
    with client(Access(token=TOKEN)) as web:
        wrong: list[dict[str, Any]] = [
            {},
            {"params": {"token": "open-sesame-u"}},
            {"params": {"token": ""}},
            {"headers": {"authorization": "Bearer nothing"}},
            {"headers": {"authorization": "Bearer"}},
            {"headers": {"cookie": "reverie_7860="}},
            {"headers": {"cookie": "reverie_7860=open-sesame"}},
        ]
        for asked in wrong:
            answer = web.get("/static/main.js", **asked)
            assert answer.status_code == 401 and "inside" not in answer.text, asked
        assert web.post("/api/x").status_code == 401
        assert not connects(web) and not connects(web, cookie="reverie_7860=x")


def test_the_token_in_the_address_becomes_a_cookie() -> None:
    """Bug: the token stays in the address, where it is copied, logged and told to other sites; or the rest of the
    address is lost on the way; or the cookie can be read by scripts or is sent with other sites' requests."""
    with client(Access(token=TOKEN)) as web:
        answer = web.get("/", params={"world": "pong", "token": TOKEN, "seed": "7"})
        assert answer.status_code == 303 and answer.headers["location"] == "/?world=pong&seed=7"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
        assert web.get("/?world=pong").text == "inside /"
        value = cookie.split(";")[0]
        assert connects(web, cookie=value, origin=HOME) and not connects(
            web, cookie=value, origin="http://evil.example"
        )


def test_two_servers_of_one_machine_keep_their_cookies_apart() -> None:
    """Bug: cookies do not tell ports apart, so the second server's cookie replaces the first one's."""
    assert Access(port=1).cookie != Access(port=2).cookie


def test_programs_bring_the_token_as_a_bearer() -> None:
    """Bug: a script can only come in by a cookie."""
    token = "a-plain-token"
    with client(Access(token=token)) as web:
        assert web.get("/", headers={"authorization": f"Bearer {token}"}).status_code == 200
        assert connects(web, authorization=f"bearer {token}")
        with web.websocket_connect(f"ws://127.0.0.1:7860/api/play?token={token}") as socket:
            assert socket.receive_text() == "inside"


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "//evil.example"])
def test_the_way_in_leads_to_no_other_site(path: str) -> None:
    """Bug: an address with the token and a doubled slash sends the visitor to another site."""
    with client(Access(token="a-plain-token")) as web:
        answer = web.get(f"{HOME}{path}?token=a-plain-token")
        location = answer.headers["location"]
        assert location.startswith("/") and not location.startswith(("//", "/\\"))


def test_every_answer_has_its_security_headers() -> None:
    """Bug: a refusal or a page can be framed by another site, or read as another type than it is."""
    with client(Access(token=TOKEN)) as web:
        for answer in (web.get("/"), web.get("/", params={"token": TOKEN}), web.get("/", headers={"host": "evil"})):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["referrer-policy"] == "same-origin"


def test_bodies_are_of_a_known_and_modest_size() -> None:
    """Bug: an upload fills the disk, whatever route takes it."""
    with client(Access()) as web:
        assert web.post("/upload", content=b"x" * 1000).status_code == 200
        assert web.post("/upload", headers={"content-length": str(MAX_BODY + 1)}).status_code == 413
        assert web.post("/upload", content=iter([b"x"])).status_code == 411


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "play.example", ""])
def test_what_others_can_reach_needs_a_token(host: str) -> None:
    """Bug: one option puts a server on the network that anybody may use."""
    with pytest.raises(ReverieError, match="--token auto"):
        Access(host)
    assert Access(host, token="long enough").token


def test_a_token_that_can_be_guessed_is_refused() -> None:
    """Bug: `--token 1` passes for a lock."""
    with pytest.raises(ReverieError, match="at least 8"):
        Access(token="1234567")


def test_loopback_and_origins_are_told_by_value_not_by_prefix() -> None:
    """Bug: names that only look like this machine's count as such; a default port counts as another origin."""
    assert all(map(is_loopback, ("127.0.0.1", "::1", "[::1]", "localhost", "127.1.2.3")))
    assert not any(map(is_loopback, ("127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "")))
    assert same_origin("https://play.example", "play.example") and same_origin("http://a:80", "a")
    assert not same_origin("http://a", "a:81") and not same_origin("", "") and not same_origin("http://", "a")

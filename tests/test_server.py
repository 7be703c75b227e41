"""The lab's server: only this machine is let in, and only with the token."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from sim.lab import LESSONS
from sim.lab.server import Gate, find_lesson, index_page, listen, require_marimo, serve


def test_lessons_are_found_by_number_and_name():
    assert find_lesson("3") is find_lesson("lesson_3") is LESSONS[2]
    assert find_lesson("") is None
    with pytest.raises(InputError, match="1 to 9"):
        find_lesson("10")


def test_only_loopback_is_listened_on_unless_asked():
    for address in ("0.0.0.0", "192.0.2.1"):
        with pytest.raises(InputError, match="loopback"):
            listen(address, 0)
    with pytest.raises(InputError, match="IP address"):
        listen("example.org", 0)
    for address, remote in (("127.0.0.1", False), ("0.0.0.0", True)):
        door = listen(address, 0, remote)
        assert door.getsockname()[0] == address
        door.close()


def test_a_port_in_use_is_one_line():
    door = listen("127.0.0.1", 0)
    door.listen()
    with pytest.raises(InputError, match="a free port"):
        listen("127.0.0.1", door.getsockname()[1])
    door.close()


def test_a_missing_extra_says_what_to_install(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if name == "marimo":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'edgetpusim\[lab\]'"):
        require_marimo()
    with pytest.raises(InputError, match="LESSON"):
        serve("nine")


def ask(path="/", query="", cookie="", kind="http", host="127.0.0.1:4242", origin=""):
    """Send one request through the gate; return the messages that came back and whether it was let in."""
    import asyncio

    sent, inside = [], []

    async def app(scope, receive, send):
        inside.append(scope["path"])

    async def send(message):
        sent.append(message)

    named = {"cookie": cookie, "host": host, "origin": origin}
    headers = [(key.encode(), value.encode()) for key, value in named.items() if value]
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": headers}
    asyncio.run(Gate(app, "secret")(scope, None, send))
    return sent, bool(inside)


def test_the_gate_wants_the_token():
    assert ask()[0][0]["status"] == 403
    assert ask(query="access_token=wrong")[0][0]["status"] == 403
    assert ask(cookie="edgetpusim_lab=wrong")[0][0]["status"] == 403
    assert ask(cookie="\x00;;=")[0][0]["status"] == 403
    assert ask(kind="websocket")[0][0]["type"] == "websocket.close"
    assert not ask(kind="websocket", query="access_token=secret")[1]


def test_the_token_becomes_a_cookie():
    sent, inside = ask("/lesson_3/", "access_token=secret")
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], inside, headers[b"location"]) == (303, False, b"/lesson_3/")
    cookie = headers[b"set-cookie"].decode()
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ask("/lesson_3/", cookie=cookie.split(";")[0])[1]


MINE = "edgetpusim_lab=secret"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]:1", "10.0.0.1:4242"])
def test_another_host_is_refused_token_or_not(host):
    assert ask(cookie=MINE, host=host)[0][0]["status"] == 403
    assert ask(query="access_token=secret", host=host)[0][0]["status"] == 403
    assert ask(cookie=MINE, host=host, kind="websocket")[0][0]["type"] == "websocket.close"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:4242", "[::1]:4242"])
def test_pages_of_this_host_are_let_in_and_others_are_not(host):
    assert ask(cookie=MINE, host=host, origin=f"http://{host}", kind="websocket")[1]
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert not ask(cookie=MINE, host=host, origin=origin, kind="websocket")[1]
        assert not ask(cookie=MINE, host=host, origin=origin)[1]


def test_the_redirect_stays_on_this_host():
    for path in ("//evil.example/", "/\\evil.example", "/a\r\nset-cookie: x"):
        location = dict(ask(path, "access_token=secret")[0][0]["headers"])[b"location"]
        assert location.startswith(b"/")
        assert not location.startswith((b"//", b"/\\"))
        assert b"\n" not in location


def test_the_list_names_every_lesson():
    assert all(lesson.title in index_page() and f"/{lesson.name}/" in index_page() for lesson in LESSONS)

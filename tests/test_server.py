"""The lab's server: only this machine is let in, only with the token, and only to the pages and their questions."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from email.message import Message
from threading import Thread

import pytest

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.lab.catalogue import LESSONS
from sim.site.answering import LabServer, asked
from sim.site.gate import Gate
from sim.site.server import find_lesson, listen, serve

SECRET = "not for the lab's visitors"
TOKEN = "secret"
MINE = f"edgetpusim_lab={TOKEN}"
NET = "mobilenet_v1_0.25_128"

# --- addresses ----------------------------------------------------------------------------------------------------


def test_lessons_are_found_by_number_and_name():
    assert find_lesson("2") is find_lesson("lesson_2") is LESSONS[1]
    assert find_lesson("") is None
    for text in ("10", "nine"):
        with pytest.raises(InputError, match=f"LESSON must be 1 to {len(LESSONS)}"):
            serve(text)


def test_only_loopback_is_listened_on_unless_asked():
    for address in ("0.0.0.0", "192.0.2.1"):
        with pytest.raises(InputError, match="loopback"):
            listen(address, 0)
    with pytest.raises(InputError, match="IP address"):
        listen("example.org", 0)
    for address, remote in (("127.0.0.1", False), ("0.0.0.0", True)):
        with listen(address, 0, remote) as door:
            assert door.getsockname()[0] == address


def test_a_port_in_use_is_one_line():
    with listen("127.0.0.1", 0) as door, pytest.raises(InputError, match="a free port"):
        listen("127.0.0.1", door.getsockname()[1])


# --- the gate -----------------------------------------------------------------------------------------------------


def refusal(target="/", host="127.0.0.1:4242", **named):
    """What the gate says to a request with these headers."""
    headers = Message()
    for key, value in {"host": host, **named}.items():
        headers[key] = value
    return Gate(TOKEN).refusal(target, headers)


def test_the_gate_wants_the_token():
    for request in ({}, {"target": "/?access_token=wrong"}, {"cookie": "edgetpusim_lab=wrong"}, {"cookie": "\x00;;="}):
        assert refusal(**request).status == 403
    assert refusal(cookie=MINE) is None


def test_the_token_becomes_a_cookie():
    found = refusal("/lesson.html?access_token=secret")
    headers = dict(found.headers)
    assert (found.status, headers["Location"]) == (303, "/lesson.html")
    assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Strict" in headers["Set-Cookie"]
    assert refusal("/lesson.html", cookie=headers["Set-Cookie"].split(";")[0]) is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "[::2]:1", "10.0.0.1:4242"])
def test_another_host_is_refused_token_or_not(host):
    assert refusal(cookie=MINE, host=host).status == 403
    assert refusal("/?access_token=secret", host=host).status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:4242", "[::1]:4242"])
def test_pages_of_this_host_are_let_in_and_others_are_not(host):
    assert refusal(cookie=MINE, host=host, origin=f"http://{host}") is None
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert refusal(cookie=MINE, host=host, origin=origin).status == 403


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/%5cevil.example", "/%0d%0aset-cookie: x"])
def test_the_redirect_stays_on_this_host(path):
    location = dict(refusal(f"{path}?access_token=secret").headers)["Location"]
    assert location.startswith("/") and not location.startswith(("//", "/\\"))
    assert not set(location) & set("\r\n\\")


# --- what is served -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab():
    """The port of a lab in this process."""
    with LabServer(listen("127.0.0.1", 0), Gate(TOKEN)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1]
        server.shutdown()


def ask(lab, path, body=None, is_known=True, **headers):
    """Send one request exactly as written; the status and the body that came back."""
    with closing(http.client.HTTPConnection("127.0.0.1", lab, timeout=60)) as connection:
        connection.putrequest("GET" if body is None else "POST", path)
        own = {"Cookie": MINE} if is_known else {}
        size = {} if body is None else {"Content-Length": str(len(body))}
        for key, value in (own | size | headers).items():
            connection.putheader(key, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")


@pytest.mark.parametrize("name", ["", "index.html", "lessons.html", "lesson.html", "teacher.html"])
def test_a_page_carries_the_sign_that_the_server_answers(lab, name):
    status, body = ask(lab, f"/{name}")
    assert status == 200 and '<meta name="transport" content="server">' in body
    assert ask(lab, f"/{name}", is_known=False)[0] == 403


def test_the_lessons_are_served_without_their_answers(lab):
    found = json.loads(ask(lab, "/lessons.json")[1])["lessons"]
    assert [one["title"] for one in found] == [lesson.title for lesson in LESSONS]
    assert LESSONS[0].parts[1].solve().because not in json.dumps(found)


def test_the_notebooks_are_served(lab):
    assert json.loads(ask(lab, "/notebooks/lesson_1.ipynb")[1])["nbformat"] == 4
    assert ask(lab, "/notebooks/lesson_99.ipynb")[0] == 404
    assert ask(lab, "/notebooks/lesson_1.ipynb", is_known=False)[0] == 403


def test_what_runs_python_in_the_browser_is_not_there(lab):
    assert ask(lab, "/style.css")[0] == 200
    for name in ("worker.js", "service.js", "pyodide.mjs", "nothing.html"):
        assert ask(lab, f"/{name}")[0] == 404


UP = "../" * 40
PATHS = [
    "/{up}{path}", "/static/{up}{path}", "/{encoded}{path}", "/notebooks/{encoded}{path}", "//{path}", "/lesson.html//{path}",
    "/lesson.html?file={path}", "/?file={path}", "/{backslash}{path}",
]  # fmt: skip


@pytest.mark.parametrize("form", PATHS)
def test_no_file_outside_its_own_is_served(lab, tmp_path, form):
    (tmp_path / "secret.txt").write_text(SECRET)
    path = str(tmp_path / "secret.txt").lstrip("/")
    target = form.format(up=UP, path=path, encoded="%2e%2e%2f" * 40, backslash="..%5c" * 40)
    for is_known in (True, False):
        status, body = ask(lab, target, is_known=is_known)
        assert SECRET not in body
        assert is_known or status == 403


def question(verb, **options):
    return json.dumps({"verb": verb, "options": options}).encode()


def test_a_question_is_answered_as_the_simulator_does(lab):
    status, body = ask(lab, "/ask", question("run", models=NET, threads=2))
    expected = simulate(Scenario(models=NET, threads=2)).summary
    assert status == 200
    assert json.loads(body)["answer"]["summary"]["throughput_ips"] == expected["throughput_ips"]
    for asked_by in ({"is_known": False}, {"Origin": "http://evil.example"}):
        assert ask(lab, "/ask", question("run", models=NET), **asked_by)[0] == 403


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"verb": "run"}', b"\xff", b'{"verb": {}, "options": 1}'])
def test_a_damaged_question_is_told_and_ends_nothing(lab, body):
    status, answer = ask(lab, "/ask", body)
    assert status == 200 and json.loads(answer)["error"]
    assert ask(lab, "/ask", question("lessons"))[0] == 200


@pytest.mark.parametrize("length", ["", "-1", "nine", str(1 << 40)])
def test_what_has_no_or_too_much_length_is_not_read(lab, length):
    head = f"POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {MINE}\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", lab), timeout=60) as line:
        line.sendall(head.encode())
        assert b" 413 " in line.makefile("rb").readline()


@pytest.mark.parametrize(
    "options",
    [
        {"models": "/etc/passwd"}, {"models": "..\\secret.tflite"}, {"models": NET, "host": "../host.toml"},
        {"models": NET, "link": "usb3,/elsewhere/link.toml"}, {"models": ["/x"]}, {"models": NET, "numbers": {"a": "/x"}},
    ],
)  # fmt: skip
def test_a_visitor_names_no_file_of_this_computer(options):
    assert "names a file elsewhere" in json.loads(asked(question("run", **options)))["error"]


def test_a_file_that_is_dropped_is_kept_in_the_lab_s_own_folder(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert json.loads(ask(lab, "/drop?name=..%2Fmine.tflite", b"net")[1]) == {"answer": ".._mine.tflite"}
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(".._mine.tflite", b"net")]
    assert "no name of a file" in ask(lab, "/drop?name=..", b"net")[1]
    assert ask(lab, "/drop?name=mine.tflite", b"net", is_known=False)[0] == 403

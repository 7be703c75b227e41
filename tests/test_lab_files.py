"""The lab's real server, asked for what is not its own: files elsewhere, the editor's interface, without the token."""

from __future__ import annotations

import http.client
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit

import pytest

pytest.importorskip("marimo", reason="the extra lab is not installed")
SECRET = "not for the lab's visitors"


@pytest.fixture(scope="module")
def lab():
    """(port, token) of a lab served by a process of its own."""
    program = "from sim.lab.server import serve; serve(browser=False)"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as server:
        address = urlsplit(server.stderr.readline().strip())
        yield address.port, address.query.partition("=")[2]
        server.terminate()


def ask(lab, path, method="GET", body=None, is_known=True):
    """Send one request exactly as written; the status and the body that came back."""
    port, token = lab
    headers = {"Cookie": f"edgetpusim_lab={token}"} if is_known else {}
    if body:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.putrequest(method, path)
        for key, value in headers.items():
            connection.putheader(key, value)
        connection.endheaders(body.encode() if body else None)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


UP = "../" * 40
PATHS = [
    "/{up}{path}", "/lesson_1/{up}{path}", "/lesson_1/assets/{up}{path}", "/lesson_1/@file/{path}", "/lesson_1/@file/{up}{path}",
    "/lesson_1/public/{up}{path}", "/lesson_1/{encoded}{path}", "/lesson_1/assets/{encoded}{path}",
    "/lesson_1/public/{encoded}{path}", "/lesson_1/@file/9-{encoded}{path}", "//{path}", "/lesson_1//{path}",
    "/lesson_1/?file={path}", "/?file={path}", "/lesson_1/{backslash}{path}",
]  # fmt: skip


@pytest.mark.parametrize("form", PATHS)
def test_no_file_outside_its_own_is_served(lab, secret, form):
    path = str(secret).lstrip("/")
    asked = form.format(up=UP, path=path, encoded="%2e%2e%2f" * 40, backslash="..%5c" * 40)
    for is_known in (True, False):
        status, body = ask(lab, asked, is_known=is_known)
        assert SECRET not in body
        assert is_known or status == 403


def test_no_memory_of_other_programs_is_served(lab):
    """Marimo reads, and then removes, a shared memory of any name that is asked for."""
    from multiprocessing.shared_memory import SharedMemory

    memory = SharedMemory(create=True, size=len(SECRET))
    memory.buf[:] = SECRET.encode()
    try:
        status, body = ask(lab, f"/lesson_1/@file/{len(SECRET)}-{memory.name}")
        assert (status, SECRET in body) == (403, False)
        SharedMemory(memory.name).close()
    finally:
        memory.close()
        memory.unlink()


EDITOR = [
    "file_details", "list_files", "open", "create", "delete", "move", "update", "search", "copy",
]  # fmt: skip


@pytest.mark.parametrize("name", EDITOR)
def test_the_editor_s_files_are_not_to_be_had(lab, secret, name):
    body = f'{{"path": "{secret}", "contents": "aGFja2Vk", "newPath": "{secret}.2", "query": "secret"}}'
    status, answer = ask(lab, f"/lesson_1/api/files/{name}", "POST", body)
    assert status >= 400
    assert SECRET not in answer
    assert secret.read_text() == SECRET
    assert list(secret.parent.iterdir()) == [secret]


@pytest.mark.parametrize(
    "name", ["kernel/save", "kernel/run", "kernel/instantiate", "terminal/ws", "kernel/scratchpad/run"]
)
def test_a_stranger_runs_nothing(lab, name):
    status, _ = ask(lab, f"/lesson_1/api/{name}", "POST", '{"cellIds": [], "codes": []}', is_known=False)
    assert status == 403


def test_a_visitor_without_the_editor_saves_and_runs_no_code(lab):
    for name in ("kernel/save", "kernel/run", "kernel/scratchpad/run"):
        status, _ = ask(lab, f"/lesson_1/api/{name}", "POST", '{"cellIds": ["x"], "codes": ["1"], "code": "1"}')
        assert status >= 400, name


def test_no_terminal_is_opened(lab):
    assert ask(lab, "/lesson_1/terminal/ws")[0] == 403


def test_the_lessons_themselves_are_served(lab):
    assert ask(lab, "/")[0] == 200
    assert ask(lab, "/lesson_1/")[0] == 200

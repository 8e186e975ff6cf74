"""The command opens the page, says where, and ends when it is told to."""

import re
import signal
import socket
import urllib.error
import urllib.request

import pytest

from brushflow.scripts.serve import address_to_open

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8500/"),
        ("::1", "http://[::1]:8500/"),
        ("0.0.0.0", "http://localhost:8500/"),
        ("::", "http://localhost:8500/"),
    ],
)
def test_the_address_can_be_opened(host, address):
    assert address_to_open(host, 8500) == address


@pytest.mark.slow
def test_it_serves_its_page_until_ctrl_c_and_refuses_a_taken_port(start_command, tmp_path):
    def start(folder, *arguments):
        return start_command("scripts/serve.py", "--folder", folder, *arguments)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    process = start(tmp_path / "jobs", "--port", port)
    address = None
    while address is None:
        assert process.poll() is None, process.said()
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.said()[0])
    with urllib.request.urlopen(address[0]) as answer:
        assert b"<title>brushflow</title>" in answer.read()
    request = urllib.request.Request(address[0], headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
    second = start(tmp_path / "other", "--port", port)
    _, err = second.communicate()
    assert second.returncode == 1
    assert "--port chooses another" in err and "Traceback" not in err
    third = start(tmp_path / "jobs", "--port", "1" if port != "1" else "2")
    _, err = third.communicate()
    assert third.returncode == 2
    assert "Another server uses" in err and "Traceback" not in err
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130 and "Traceback" not in err

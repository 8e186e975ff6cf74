"""Sources that are more, or less, than a file with pictures in it."""

import os
import socket
import threading

import pytest

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.video import open_source
from brushflow.video.opening import PLAYLISTS_VARIABLE

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
JOIN = "ffconcat version 1.0\nfile '{}'\n"
MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
    "<Representation id='1' bandwidth='1'><BaseURL>{}</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>"
)


@pytest.fixture
def listener():
    """An address, and the connections that were made to it."""
    server = socket.create_server(("127.0.0.1", 0))
    calls = []

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            calls.append(connection.recv(1000))
            connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/clip.ts", calls
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


@pytest.mark.parametrize("text", [PLAYLIST, JOIN, MPD], ids=["hls", "concat", "dash"])
@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list"])
def test_a_playlist_is_refused_and_nothing_it_names_is_opened(
    text, name, listener, make_clip, tmp_path
):
    url, calls = listener
    make_clip(tmp_path / "clip.mp4", range(3))
    for target in (url, "clip.mp4", f"file:{tmp_path}/clip.mp4"):
        (tmp_path / name).write_text(text.format(target))
        with pytest.raises(UsageError, match=rf"may name other files.*{PLAYLISTS_VARIABLE}=1"):
            open_source(tmp_path / name)
    assert calls == []


def test_a_playlist_is_followed_where_it_is_asked_for(make_clip, run_ffmpeg, monkeypatch, tmp_path):
    run_ffmpeg("-i", make_clip(tmp_path / "clip.mp4"), "-c", "copy", tmp_path / "clip.ts")
    (tmp_path / "list.m3u8").write_text(PLAYLIST.format("clip.ts"))
    monkeypatch.setenv(PLAYLISTS_VARIABLE, "1")
    assert len(list(open_source(tmp_path / "list.m3u8").read())) == 20


@pytest.mark.parametrize(
    "name",
    [
        *("http://example.org/clip.mp4", "concat:a.mp4|b.mp4", "pipe:0", "-", "-x.mp4", "data:,x"),
        *("subfile,,start,0,end,9,,:clip.mp4", "lavfi:testsrc", "file:clip.mp4", "/dev/null"),
        *("async:clip.mp4", "fd:0", "tcp://127.0.0.1:9", "clip.mp4\0.mp4"),
    ],
)
def test_a_source_is_a_file_or_refused(name, make_clip, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mp4", range(3))
    with pytest.raises((UsageError, BrushflowError)):
        open_source(name)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UsageError, match="no file but"):
        open_source(tmp_path / "pipe.mp4")

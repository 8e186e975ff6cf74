"""Tags and subtitles that are not UTF-8: read as players read them, with a word about it."""

import av
import pytest

from brushflow.video import probe

WORDS = "Café Zürich"
# In a finished file, letters of two bytes become one of Latin-1 and a blank: lengths stay right.
STORED = {"é".encode(): b"\xe9 ", "ü".encode(): b"\xfc "}
READ = "Café  Zü rich"
LINES = f"1\n00:00:00,000 --> 00:00:00,300\nplain\n\n2\n00:00:00,400 --> 00:00:00,800\n{WORDS}\n"


@pytest.fixture
def old_film(run_ffmpeg, tmp_path):
    """A film whose words are Latin-1: tags of the file and its tracks, a chapter, subtitles."""

    def make(name, subtitle=None):
        (tmp_path / "lines.srt").write_text(LINES, encoding="utf-8")
        chapter = f"[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle={WORDS}\n"
        (tmp_path / "tags.txt").write_text(f";FFMETADATA1\ntitle={WORDS}\n{chapter}", "utf-8")
        words = ("-map", "2", "-c:s", subtitle) if subtitle else ()
        path = tmp_path / name
        run_ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1", "-i", tmp_path / "tags.txt"),
            *("-i", tmp_path / "lines.srt", "-map", "0", *words, "-map_metadata", 1),
            *("-map_chapters", 1, "-metadata:s:v"),
            *(f"handler_name={WORDS}", "-metadata:s:v", f"title={WORDS}", path),
        )
        data = path.read_bytes()
        for letter, byte in STORED.items():
            data = data.replace(letter, byte)
        path.write_bytes(data)
        return path

    return make


@pytest.mark.parametrize("output", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("source", ["in.mkv", "in.avi", "in.mov", "in.mp4"])
def test_tags_are_read_as_players_read_them(old_film, rebuild, tmp_path, source, output):
    path = old_film(source)
    assert b"Caf\xe9" in path.read_bytes()
    assert probe(path).width == 64
    report = rebuild(path, tmp_path / output)
    assert sum("are not UTF-8" in note for note in report.notes) == 1
    with av.open(str(tmp_path / output)) as container:
        assert container.metadata["title"] == READ
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
    assert titles == [READ] * (source != "in.avi")


@pytest.mark.parametrize(
    ("source", "codec", "output"),
    [
        ("in.mkv", "subrip", "out.mkv"),
        ("in.mkv", "subrip", "out.mp4"),
        ("in.mkv", "ass", "out.mp4"),
        ("in.mp4", "mov_text", "out.mp4"),
        ("in.mp4", "mov_text", "out.mkv"),
    ],
)
def test_no_line_of_subtitles_is_lost(old_film, rebuild, tmp_path, source, codec, output):
    report = rebuild(old_film(source, codec), tmp_path / output)
    assert sum("subtitle track" in n and "is not UTF-8" in n for n in report.notes) == 1
    with av.open(str(tmp_path / output)) as container:
        track = container.streams.subtitles[0]
        packets = [p for p in container.demux(track) if p.size > 2]
        lines = [bytes(packet).decode() for packet in packets]
        times = [float(packet.pts * packet.time_base) for packet in packets]
    assert ["plain" in lines[0], READ in lines[1]] == [True, True]
    assert times == pytest.approx([0, 0.4], abs=0.01)


def test_words_in_utf8_stay_as_they_are_without_a_word(old_film, rebuild, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.STORED", {})
    report = rebuild(old_film("in.mkv", "subrip"), tmp_path / "out.mkv")
    assert not any("UTF-8" in note for note in report.notes)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.metadata["title"] == WORDS
        lines = [bytes(p).decode() for p in container.demux(container.streams.subtitles[0])]
    assert WORDS in lines[1]

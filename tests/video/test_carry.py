from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from brushflow.video import probe
from brushflow.video.trim import Trim

SUBTITLES = """1
00:00:00,200 --> 00:00:00,900
first line

2
00:00:01,200 --> 00:00:01,700
second line
"""
CHAPTERS = """;FFMETADATA1
title=A film
artist=Somebody
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=One
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=2000
title=Two
"""

DEFAULTS = {
    ".mp4": ("-c:a", "aac", "-c:s", "mov_text"),
    ".mkv": ("-c:a", "aac", "-c:s", "subrip"),
}


@pytest.fixture
def film(run_ffmpeg, tmp_path):
    """Two seconds with two languages, subtitles, chapters and tags."""

    def make(name, *codecs):
        (tmp_path / "lines.srt").write_text(SUBTITLES)
        (tmp_path / "tags.txt").write_text(CHAPTERS)
        path = tmp_path / name
        run_ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=2"),
            *("-f", "lavfi", "-i", "sine=f=440:d=2:sample_rate=48000"),
            *("-f", "lavfi", "-i", "sine=f=880:d=2:sample_rate=44100"),
            *("-i", tmp_path / "lines.srt", "-i", tmp_path / "tags.txt"),
            *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map_metadata", 4),
            *("-map_chapters", 4, "-metadata:s:a:0", "language=deu"),
            *("-metadata:s:a:1", "language=fra", "-metadata:s:s:0", "language=eng"),
            *("-disposition:a:1", "default", "-disposition:a:0", 0),
            *(*DEFAULTS[path.suffix], *codecs, path),
        )
        return path

    return make


def tracks(path, kind):
    """For every track of a kind: codec, language, and its packets as (seconds, bytes)."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        packets = {stream.index: [] for stream in streams}
        for packet in container.demux(streams):
            if packet.size:
                time = packet.pts * packet.time_base
                packets[packet.stream.index].append((time, bytes(packet)))
        return [
            (s.codec_context.codec.canonical_name, s.metadata.get("language"), packets[s.index])
            for s in streams
        ]


def spoken(path):
    """The subtitles as (seconds, text)."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        lines = []
        for packet in container.demux(stream):
            text = bytes(packet).decode("utf-8", "ignore")
            if "line" in text:
                lines.append((float(packet.pts * packet.time_base), text))
        return lines


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_languages_chapters_and_tags_are_carried(film, rebuild, tmp_path, suffix):
    source = film(f"in{suffix}")
    output = tmp_path / f"out{suffix}"
    report = rebuild(source, output)
    assert report.notes == []
    before, after = tracks(source, "audio"), tracks(output, "audio")
    assert [track[:2] for track in after] == [("aac", "deu"), ("aac", "fra")]
    assert [track[2] for track in after] == [track[2] for track in before]
    with av.open(str(output)) as container:
        chapters = container.chapters()
        assert [chapter["metadata"]["title"] for chapter in chapters] == ["One", "Two"]
        assert [c["start"] * c["time_base"] for c in chapters] == [0, 1]
        assert container.metadata["title"] == "A film"
        assert [s.disposition.value & 1 for s in container.streams.audio] == [0, 1]


@pytest.mark.parametrize("source_suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mov_text"), (".mkv", "subrip")])
def test_subtitles_are_carried_at_their_time(film, rebuild, tmp_path, source_suffix, suffix, codec):
    source, output = film(f"in{source_suffix}"), tmp_path / f"out{suffix}"
    report = rebuild(source, output)
    assert len(report.notes) == (source_suffix != suffix)
    assert tracks(output, "subtitle")[0][:2] == (codec, "eng")
    lines = spoken(output)
    assert [time for time, _ in lines] == pytest.approx([t for t, _ in spoken(source)], abs=0.002)
    assert [time for time, _ in lines] == pytest.approx([0.2, 1.2], abs=0.03)
    assert ["first" in lines[0][1], "second" in lines[1][1]] == [True, True]


@pytest.mark.parametrize("codec", ["vorbis", "pcm_s16le"])
def test_sound_that_mp4_cannot_hold_is_converted_with_a_note(film, rebuild, tmp_path, codec):
    encoder = ["libvorbis"] if codec == "vorbis" else [codec]
    source = film("in.mkv", "-c:a", *encoder)
    report = rebuild(source, tmp_path / "out.mp4")
    sound = tracks(tmp_path / "out.mp4", "audio")
    assert [track[0] for track in sound] == ["aac", "aac"]
    assert sum(f"converted from {codec} to aac" in note for note in report.notes) == 2
    for index, pitch in enumerate((440, 880)):
        with av.open(str(tmp_path / "out.mp4")) as container:
            stream = container.streams.audio[index]
            frames = [frame for frame in container.decode(stream) if frame.pts >= 0]
            samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
            assert len(samples) / stream.rate == pytest.approx(2, abs=0.05)
            spectrum = np.abs(np.fft.rfft(samples[4096 : 4096 + stream.rate]))
            assert abs(int(spectrum.argmax()) - pitch) <= 1


def with_sound(run_ffmpeg, path, rate, *encoding):
    tone = f"sine=d=0.6:sample_rate={rate}"
    picture = "testsrc2=s=64x48:r=10:d=0.6"
    run_ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, *encoding, path)
    return path


def seconds_of_sound(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        return sum(frame.samples for frame in frames) / frames[0].sample_rate


@pytest.mark.parametrize(
    ("codec", "rate", "suffix", "made"),
    [
        ("libmp3lame", 8000, ".mp4", "aac"),
        ("libmp3lame", 11025, ".mp4", "aac"),
        ("libmp3lame", 12000, ".mp4", "aac"),
        ("libmp3lame", 8000, ".mov", "mp3"),
        ("pcm_s16le", 192000, ".mp4", "aac"),
        ("pcm_s16le", 176400, ".mp4", "aac"),
        ("pcm_s16le", 5500, ".mp4", "aac"),
        ("pcm_s16le", 4000, ".mp4", "aac"),
        ("pcm_s16le", 192000, ".mov", "pcm_s16le"),
        ("pcm_u8", 4000, ".mkv", "aac"),
    ],
)
def test_sound_of_any_rate_goes_into_any_file(
    run_ffmpeg, rebuild, tmp_path, codec, rate, suffix, made
):
    source = with_sound(run_ffmpeg, tmp_path / "in.mkv", rate, "-c:a", codec, "-ar", rate)
    output = tmp_path / f"out{suffix}"
    report = rebuild(source, output)
    assert [track[0] for track in tracks(output, "audio")] == [made]
    assert len(report.notes) == (made == "aac")
    assert seconds_of_sound(output) == pytest.approx(seconds_of_sound(source), abs=0.2)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_two_packets_of_one_time_are_both_carried(run_ffmpeg, rebuild, tmp_path, suffix):
    source = tmp_path / "in.mkv"
    whole = with_sound(run_ffmpeg, tmp_path / "whole.mkv", 48000, "-c:a", "aac")
    run_ffmpeg("-i", whole, "-c", "copy", "-bsf:a", "setts=ts='if(eq(N,5),PREV_OUTPTS,TS)'", source)
    all_times = [time for time, _ in tracks(source, "audio")[0][2]]
    assert len(set(all_times)) == len(all_times) - 1
    before = [data for _, data in tracks(source, "audio")[0][2]]
    assert rebuild(source, tmp_path / f"out{suffix}").notes == []
    ((_, _, packets),) = tracks(tmp_path / f"out{suffix}", "audio")
    assert [data for _, data in packets] == before
    times = [time for time, _ in packets]
    assert times == sorted(times)
    assert max(times) - min(times) == pytest.approx(0.6, abs=0.05)


def test_what_no_muxer_takes_is_left_out_with_a_sentence(
    run_ffmpeg, rebuild, tmp_path, monkeypatch
):
    from brushflow.video import convert

    def refuse(self, packet):
        raise av.error.ArgumentError(22, "Invalid argument")
        yield packet

    monkeypatch.setattr(convert.AudioConverter, "convert", refuse)
    source = with_sound(run_ffmpeg, tmp_path / "in.mkv", 8000, "-c:a", "libmp3lame")
    (note,) = rebuild(source, tmp_path / "out.mp4").notes
    assert "mp3" in note
    assert "left out" in note
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_webm_gets_opus_and_webvtt(film, rebuild, tmp_path):
    from brushflow.video import EncodeSettings

    settings = EncodeSettings(codec="libvpx-vp9", crf=20, preset="8")
    report = rebuild(film("in.mkv"), tmp_path / "out.webm", settings)
    assert [track[0] for track in tracks(tmp_path / "out.webm", "audio")] == ["opus", "opus"]
    assert [track[0] for track in tracks(tmp_path / "out.webm", "subtitle")] == ["webvtt"]
    assert len(report.notes) == 3


@pytest.mark.parametrize("late", ["video", "audio"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("source_suffix", [".mp4", ".mkv"])
def test_distance_between_sound_and_picture_is_kept(
    make_clip, run_ffmpeg, rebuild, tmp_path, late, suffix, source_suffix
):
    source = tmp_path / f"in{source_suffix}"
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=2", "-c:a", "aac", tmp_path / "sine.m4a")
    inputs = {"video": make_clip(tmp_path / "clip.mp4"), "audio": tmp_path / "sine.m4a"}
    delays = {"video": 0, "audio": 0, late: "0.5"}
    run_ffmpeg(
        *("-itsoffset", delays["video"], "-i", inputs["video"]),
        *("-itsoffset", delays["audio"], "-i", inputs["audio"]),
        *("-map", "0:v", "-map", "1:a", "-c", "copy", source),
    )
    output = tmp_path / f"out{suffix}"
    rebuild(source, output)

    def starts(path):
        kinds = [tracks(path, kind)[0][2] for kind in ("video", "audio")]
        # Matroska has no room for the silence an encoder puts before time 0.
        return [float(min(time for time, _ in packets if time >= 0)) for packets in kinds]

    before, after = starts(source), starts(output)
    assert before[1] - before[0] == pytest.approx(0.5 if late == "audio" else -0.5, abs=0.06)
    assert after == pytest.approx(before, abs=0.0011)


def test_attachments_stay_in_matroska_and_are_named_when_left_out(
    make_clip, run_ffmpeg, rebuild, tmp_path
):
    font = tmp_path / "face.ttf"
    font.write_bytes(bytes(range(256)))
    clip = make_clip(tmp_path / "clip.mp4")
    source = tmp_path / "in.mkv"
    mime = "mimetype=application/x-truetype-font"
    run_ffmpeg("-i", clip, "-c", "copy", "-attach", font, "-metadata:s:t", mime, source)
    assert rebuild(source, tmp_path / "out.mkv").notes == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        (attachment,) = container.streams.attachments
        assert attachment.data == font.read_bytes()
        assert attachment.metadata["filename"] == "face.ttf"
    (note,) = rebuild(source, tmp_path / "out.mp4").notes
    assert "attachment" in note
    assert "left out" in note


def test_video_without_sound_needs_none(make_clip, rebuild, tmp_path):
    report = rebuild(make_clip(tmp_path / "in.mp4"), tmp_path / "out.mp4")
    assert report.notes == []
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams) == 1


def test_cover_picture_is_not_the_video(make_clip, run_ffmpeg, rebuild, tmp_path):
    clip = make_clip(tmp_path / "clip.mp4")
    cover = tmp_path / "cover.png"
    run_ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", 1, cover)
    source = tmp_path / "in.mp4"
    run_ffmpeg(
        *("-i", cover, "-i", clip, "-map", 0, "-map", 1, "-c", "copy"),
        *("-disposition:v:0", "attached_pic", source),
    )
    assert (probe(source).width, probe(source).height) == (96, 64)


def test_trim_moves_everything_to_zero(film, rebuild, tmp_path):
    from brushflow.video import EncodeSettings, SegmentWriter, assemble, open_source

    path = film("in.mp4")
    source = open_source(path)
    kept = [f for f in source.read() if 1 <= f.pts * source.info.time_base < Fraction(3, 2)]
    segment = tmp_path / "part.mkv"
    with SegmentWriter(segment, 96, 64, EncodeSettings(), Fraction(25)) as writer:
        for frame in kept:
            writer.write(frame.pixels)
    output = tmp_path / "out.mp4"
    assemble(
        [segment],
        [frame.pts for frame in kept],
        source.info.time_base,
        output,
        path,
        start=Fraction(1),
        end=Fraction(3, 2),
    )
    result = open_source(output)
    times = [frame.pts * result.info.time_base for frame in result.read()]
    assert times == [Fraction(k, 25) for k in range(len(kept))]
    for _, _, packets in tracks(output, "audio"):
        assert 0 <= packets[0][0] < 0.03
        assert 0.45 < packets[-1][0] < 0.5
    assert spoken(output)[0][0] == pytest.approx(0.2, abs=0.002)
    with av.open(str(output)) as container:
        (chapter,) = container.chapters()
        assert chapter["metadata"]["title"] == "Two"
        assert chapter["end"] * chapter["time_base"] == Fraction(1, 2)


LINES = """1
00:00:00,100 --> 00:00:00,900
line over before

2
00:00:01,000 --> 00:00:02,400
line begun before

3
00:00:02,600 --> 00:00:02,900
line inside

4
00:00:03,200 --> 00:00:09,000
line that goes on

5
00:00:09,500 --> 00:00:09,900
line beyond
"""


def shown(path):
    """The subtitles as (begin, end, text), in milliseconds, of packets that say something."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        return [
            (
                round(1000 * packet.pts * packet.time_base),
                round(1000 * (packet.pts + packet.duration) * packet.time_base),
                bytes(packet).decode("utf-8", "ignore").partition("line ")[2].strip("\0"),
            )
            for packet in container.demux(stream)
            if b"line " in bytes(packet)
        ]


@pytest.mark.parametrize(
    "source, output", [("a.mkv", "b.mkv"), ("a.mp4", "b.mp4"), ("a.mkv", "b.mp4")]
)
def test_a_trim_cuts_subtitles_off_at_both_ends(run_ffmpeg, rebuild, tmp_path, source, output):
    (tmp_path / "lines.srt").write_text(LINES)
    codec = DEFAULTS[f".{source[2:]}"][-1]
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=10", "-i", tmp_path / "lines.srt"),
        *("-map", "0", "-map", "1", "-c:v", "mpeg4", "-c:s", codec, tmp_path / source),
    )
    trim = {"start": Fraction(2), "end": Fraction(4)}
    rebuild(tmp_path / source, tmp_path / output, keep=(10, 20), **trim)
    assert shown(tmp_path / output) == [
        (0, 400, "begun before"),
        (600, 900, "inside"),
        (1200, 2000, "that goes on"),
    ]


def test_pictures_as_subtitles_stand_until_the_next_one():
    """As on discs and in broadcasts, where they do not say how long they are shown."""
    kinds = ("subtitle", "audio")
    tracks = {k: SimpleNamespace(index=i, type=k, disposition=0) for i, k in enumerate(kinds)}

    def packet(kind, time):
        return SimpleNamespace(
            **{"stream": tracks[kind], "pts": time, "dts": time, "duration": None},
            **{"time_base": Fraction(1, 10), "size": 9, "came": time},
        )

    coming = [("subtitle", 1), ("subtitle", 15), ("audio", 19), ("audio", 21), ("subtitle", 30)]
    kept = list(Trim(Fraction(2), Fraction(4)).shown([packet(*each) for each in coming]))
    assert [(each.came, each.pts) for each in kept] == [(15, 20), (21, 21), (30, 30)]

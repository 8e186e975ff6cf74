"""Files with more than one clock: recordings that were joined, and libraries that count apart."""

import struct
from dataclasses import replace
from fractions import Fraction
from itertools import cycle, pairwise

import av
import numpy as np
import pytest
from PIL import Image

from brushflow.common.errors import BrushflowError
from brushflow.video import FrameReader, ffmpeg_version, open_source, probe
from brushflow.video.clock import JoinedClock, joined_offsets
from brushflow.video.ffmpeg import input_kinds, video_encoders
from brushflow.video.ogg import is_joined, pages
from brushflow.video.playback import play


def joined(folder, run_ffmpeg, suffix, offsets=(0, 0), sound=True, *encoding, sizes=("64x48",)):
    """One second per recording, each on a clock that begins at its offset."""
    path = folder / f"joined{suffix}"
    with path.open("wb") as whole:
        for number, (offset, size) in enumerate(zip(offsets, cycle(sizes), strict=False)):
            part = folder / f"part-{number}{suffix}"
            tone = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "mp2"] if sound else []
            run_ffmpeg(
                *("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=1", *tone),
                *(encoding or ("-c:v", "mpeg2video")),
                *("-output_ts_offset", offset, part),
            )
            whole.write(part.read_bytes())
    return path


def times(path, kind):
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        packets = [packet for packet in container.demux(stream) if packet.size]
        return sorted(packet.pts * packet.time_base for packet in packets)


@pytest.mark.parametrize(
    ("suffix", "offsets", "sound"),
    [
        (".ts", (0, 0), False),
        (".ts", (0, 0, 0), True),
        (".ts", (0, 200), True),
        (".ts", (40000, 0), True),
        (".vob", (0, 0), True),
        (".mpg", (200, 0), True),
        (".ogv", (0, 0, 0), True),
        (".ogv", (0, 0), False),
    ],
)
def test_joined_recordings_are_shown_one_after_the_other(
    run_ffmpeg, rebuild, tmp_path, suffix, offsets, sound
):
    # Libraries go on with tracks of other numbers only where there is a single one.
    numbers = ("-fflags", "+bitexact") if sound else ()
    theora = ("-c:v", "libtheora", "-g", 1, "-c:a", "libvorbis", *numbers)
    source = joined(
        tmp_path, run_ffmpeg, suffix, offsets, sound, *(theora if suffix == ".ogv" else ())
    )
    report = rebuild(source, tmp_path / "out.mp4")
    assert sum("joined" in note for note in report.notes) == 1
    shown = times(tmp_path / "out.mp4", "video")
    assert len(shown) == 25 * len(offsets)
    steps = {round(b - a, 3) for a, b in pairwise(shown)}
    assert steps == {Fraction(1, 25)}
    seen = play(source)
    assert [t - seen.times[0] for t in seen.times] == [Fraction(k, 25) for k in range(len(shown))]
    assert (seen.lost, seen.moved) == ([], set())
    opened = open_source(source)
    list(opened.read(size=(16, 16), gray=True))
    assert opened.problem is None
    if sound:
        heard = times(tmp_path / "out.mp4", "audio")
        assert heard[-1] - heard[0] == pytest.approx(len(offsets), abs=0.07)
        assert max(b - a for a, b in pairwise(heard)) < 0.06


def ogg(folder, run_ffmpeg, name, *options, size="64x48"):
    """One second of Theora and a tone, or without one, in an Ogg file with its own numbers."""
    path = folder / f"{name}.ogv"
    tone = ["-f", "lavfi", "-i", "sine=d=1", *options] if options else []
    video = ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=1", *tone)
    run_ffmpeg(*video, "-c:v", "libtheora", "-g", 1, path)
    return path


VORBIS, STEREO = ("-c:a", "libvorbis"), ("-c:a", "libvorbis", "-ac", 2)
OPUS = ("-c:a", "libopus", "-ar", 48000)


@pytest.mark.parametrize(
    ("recordings", "heard", "whole"),
    [
        ([VORBIS, VORBIS, VORBIS], 3, True),
        ([OPUS, (*OPUS, "-ac", 2)], 2, True),
        ([VORBIS, ()], 1, True),
        ([(), VORBIS], 1, True),
        ([(), VORBIS, OPUS], 1, False),
        ([VORBIS, STEREO], 1, False),
        ([VORBIS, OPUS], 1, False),
    ],
)
def test_joined_ogg_recordings_of_any_numbers_are_shown_whole(
    run_ffmpeg, rebuild, tmp_path, recordings, heard, whole
):
    """The first and the last may even have the same numbers."""
    made = {o: ogg(tmp_path, run_ffmpeg, n, *o) for n, o in enumerate(set(recordings))}
    source = tmp_path / "joined.ogv"
    source.write_bytes(b"".join(made[options].read_bytes() for options in recordings))
    report = rebuild(source, tmp_path / "out.mp4")
    assert sum("joined" in note for note in report.notes) == 1
    shown = times(tmp_path / "out.mp4", "video")
    assert shown == [Fraction(k, 25) for k in range(25 * len(recordings))]
    seen = play(source)
    assert (len(seen.times), seen.lost, seen.moved) == (len(shown), [], set())
    opened = open_source(source)
    frames = list(opened.read())
    assert opened.problem is None
    assert ("left out" in "".join(opened.notes)) == (not whole)
    assert np.array_equal(frames[3].pixels, frames[-22].pixels)
    late = open_source(source).read(first=40, table=[frame.pts for frame in frames])
    assert [frame.index for frame in late] == list(range(40, len(shown)))
    if heard:
        sound = times(tmp_path / "out.mp4", "audio")
        assert sound[-1] - sound[0] == pytest.approx(heard, abs=0.07)


def test_joined_ogg_recordings_may_be_of_other_sizes(run_ffmpeg, tmp_path):
    small = ogg(tmp_path, run_ffmpeg, "small", *VORBIS)
    large = ogg(tmp_path, run_ffmpeg, "large", *VORBIS, size="96x64")
    source = tmp_path / "joined.ogv"
    source.write_bytes(small.read_bytes() + large.read_bytes())
    frames = list(open_source(source).read())
    assert len(frames) == 50
    assert {frame.pixels.shape for frame in frames} == {(48, 64, 3)}


def test_an_ogg_file_of_one_recording_is_left_as_it_is(run_ffmpeg, tmp_path):
    path = ogg(tmp_path, run_ffmpeg, "whole", *VORBIS)
    assert not is_joined(path)
    assert b"".join(pages(path)) == path.read_bytes()


def test_damage_between_and_within_ogg_pages_stays_what_it_was(run_ffmpeg, tmp_path):
    """Numbers change and nothing else, and a page that fails its checksum goes on to do so."""
    first, second = (ogg(tmp_path, run_ffmpeg, name, *VORBIS) for name in ("a", "b"))
    source = tmp_path / "joined.ogv"
    broken = bytearray(second.read_bytes())
    broken[-100] ^= 255
    source.write_bytes(first.read_bytes() + b"OggSnothing" * 9 + broken + b"Og")
    read = b"".join(pages(source))
    assert len(read) == source.stat().st_size
    (tmp_path / "other.ogv").write_bytes(read)
    assert len(list(open_source(tmp_path / "other.ogv").read())) == pytest.approx(50, abs=3)
    assert read.endswith(bytes(broken[-200:]) + b"Og")


def test_ogg_pages_that_lie_about_themselves_are_passed_on(tmp_path):
    """Heads that end too soon, in recordings whose numbers change."""
    heads = [b"OpusHead\1\1", b"OpusHead", b"", b"\x01vorbis", b"OpusHead\1\2" + bytes(9)]
    stored = b""
    for number, head in enumerate(heads):
        start = struct.pack("<5sBqIIIB", b"OggS\0", 2, 0, number, 0, 0, 1) + bytes([len(head)])
        stored += start + head + start[:5] + bytes([0]) + start[6:] + head
    path = tmp_path / "joined.ogg"
    path.write_bytes(stored)
    assert is_joined(path)
    read = b"".join(pages(path))
    assert len(read) % 2 == 0 and read.startswith(stored[:38])
    with pytest.raises(BrushflowError):
        open_source(path)


def test_recordings_of_another_size_go_on_in_time(run_ffmpeg, tmp_path):
    encoding = ("-c:v", "libx264")
    source = joined(
        tmp_path, run_ffmpeg, ".ts", (0, 0, 0), True, *encoding, sizes=("64x48", "96x64")
    )
    opened = open_source(source)
    shown = [frame.pts * opened.info.time_base for frame in opened.read()]
    assert [time - shown[0] for time in shown] == [Fraction(k, 25) for k in range(75)]


def test_sound_stays_with_its_picture_where_recordings_were_joined(run_ffmpeg, rebuild, tmp_path):
    """A second recording that begins with a flash and a click; its clock is an hour ahead."""
    path = tmp_path / "joined.ts"
    with path.open("wb") as whole:
        for number, (color, volume) in enumerate([("black", 0), ("white", 1)]):
            part = tmp_path / f"{number}.ts"
            run_ffmpeg(
                *("-f", "lavfi", "-i", f"color={color}:s=64x48:r=25:d=1"),
                *("-f", "lavfi", "-i", f"sine=d=1,volume={volume}"),
                *("-c:v", "mpeg2video", "-c:a", "mp2", "-output_ts_offset", 3600 * number, part),
            )
            whole.write(part.read_bytes())
    rebuild(path, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        flash = next(f.time for f in container.decode(video=0) if f.to_ndarray()[:40].mean() > 99)
    with av.open(str(tmp_path / "out.mp4")) as container:
        click = next(
            f.time for f in container.decode(audio=0) if np.abs(f.to_ndarray()).max() > 0.05
        )
    assert click == pytest.approx(flash, abs=0.05)


def loud_seconds(path):
    """The seconds of a file in whose middle its tone is heard."""
    with av.open(str(path)) as container:
        loud = [f.time for f in container.decode(audio=0) if np.abs(f.to_ndarray()).max() > 0.05]
    return {int(time) for time in loud if 0.15 < time % 1 < 0.9}


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".vob", ".ogv"])
@pytest.mark.parametrize("sounding", ["01", "101", "0101", "0011"])
def test_sound_stays_with_its_recording_where_others_have_none(
    run_ffmpeg, rebuild, tmp_path, suffix, sounding
):
    made = {
        sound: joined(
            *(tmp_path, run_ffmpeg, suffix, (0,), sound == "1"),
            *(("-c:v", "libtheora", "-g", 1, "-c:a", "libvorbis") if suffix == ".ogv" else ()),
        ).read_bytes()
        for sound in set(sounding)
    }
    source = tmp_path / f"mixed{suffix}"
    source.write_bytes(b"".join(made[sound] for sound in sounding))
    report = rebuild(source, tmp_path / "out.mp4")
    assert sum("joined" in note for note in report.notes) == 1
    assert len(times(tmp_path / "out.mp4", "video")) == 25 * len(sounding)
    assert loud_seconds(tmp_path / "out.mp4") == {i for i, s in enumerate(sounding) if s == "1"}


def test_sound_of_long_ogg_recordings_keeps_its_own_times(run_ffmpeg, rebuild, tmp_path):
    """Of more than a page, at whose end the library learns what time it is."""
    parts = []
    for number, tone in enumerate((VORBIS, (), VORBIS)):
        parts.append(tmp_path / f"{number}.ogv")
        sound = ("-f", "lavfi", "-i", "sine=d=3", *tone) if tone else ()
        video = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=3", *sound, "-c:v", "libtheora")
        run_ffmpeg(*video, "-g", 1, parts[-1])
    source = tmp_path / "joined.ogv"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    rebuild(source, tmp_path / "out.mp4")
    assert loud_seconds(tmp_path / "out.mp4") == {0, 1, 2, 6, 7, 8}


def test_copied_sound_of_joined_recordings_goes_on(run_ffmpeg, rebuild, tmp_path):
    source = joined(tmp_path, run_ffmpeg, ".ts", (0, 0), True, "-c:v", "libx264", "-c:a", "aac")
    rebuild(source, tmp_path / "out.mp4")
    heard = times(tmp_path / "out.mp4", "audio")
    steps = [b - a for a, b in pairwise(heard)]
    assert min(steps) > 0.01
    assert max(steps) < 0.04
    assert heard[-1] - heard[0] == pytest.approx(2, abs=0.07)


def test_joined_recordings_are_read_from_the_middle(run_ffmpeg, tmp_path):
    source = open_source(joined(tmp_path, run_ffmpeg, ".ts", (0, 0, 0, 0), False))
    frames = list(source.read())
    again = list(
        open_source(source.info.path).read(first=90, table=[frame.pts for frame in frames])
    )
    assert [(f.index, f.pts) for f in again] == [(f.index, f.pts) for f in frames[90:]]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(again, frames[90:], strict=True))


def test_a_pause_that_the_sound_fills_is_none_between_recordings(run_ffmpeg, tmp_path):
    path = tmp_path / "pause.ts"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=2", "-f", "lavfi", "-i", "sine=d=20"),
        *("-vf", "setpts='PTS+gte(N,5)*15/TB'", "-fps_mode", "passthrough", "-c:v", "libx264"),
        *("-bf", 0, "-c:a", "mp2", path),
    )
    info = probe(path)
    assert joined_offsets(path, info.stream_index) == [0]
    shown = [frame.pts * info.time_base for frame in open_source(path).read()]
    assert max(b - a for a, b in pairwise(shown)) > 15


def test_a_whole_file_is_one_recording(make_clip, tmp_path):
    path = make_clip(tmp_path / "clip.mp4", [0, 1, 2, 700, 701], Fraction(1, 25))
    assert joined_offsets(path, 0) == [0]


def test_the_joined_clock_passes_over_recordings_without_this_track():
    clock = JoinedClock(lambda: [Fraction(0), Fraction(5), Fraction(9)])
    length = Fraction(1, 10)
    moved = [clock.move(Fraction(n, 10), length) for n in (*range(90), *range(3))]
    assert moved == [Fraction(n, 10) for n in range(93)]
    assert clock.offset == 9


@pytest.mark.parametrize("rate", ["25", "30000/1001"])
def test_digital_video_begins_when_its_sound_does(run_ffmpeg, rebuild, tmp_path, rate):
    size, pixels = ("720x576", "yuv420p") if rate == "25" else ("720x480", "yuv411p")
    source = tmp_path / "in.dv"
    run_ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d=0.2"),
        *("-f", "lavfi", "-i", "sine=d=0.2:sample_rate=48000", "-c:v", "dvvideo"),
        *("-pix_fmt", pixels, "-ac", 2, source),
    )
    rebuild(source, tmp_path / "out.mp4")
    shown = times(tmp_path / "out.mp4", "video")
    assert shown == [k / Fraction(rate) for k in range(len(shown))]
    assert abs(times(tmp_path / "out.mp4", "audio")[0]) < 0.03


def test_pictures_of_a_hundredth_of_a_second_stay_so(times_of, tmp_path):
    """In which older programs slow a GIF down to a tenth, and newer ones do not."""
    first, *more = (Image.new("RGB", (64, 48), color) for color in ("red", "green", "blue"))
    first.save(tmp_path / "fast.gif", save_all=True, append_images=more, duration=[10, 10, 500])
    assert times_of(tmp_path / "fast.gif") == [0, Fraction(1, 100), Fraction(2, 100)]


def test_the_program_tells_what_it_finds(run_ffmpeg, tmp_path):
    path = tmp_path / "in.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=0.1", "-f", "lavfi", "-i", "color=s=64x48:d=0.1", path)
    with av.open(str(path)) as container:
        assert input_kinds(path, {}) == [stream.type for stream in container.streams]


def test_pictures_beside_a_film_do_not_change_its_number(run_ffmpeg, tmp_path):
    """An AVIF sequence, whose first picture is a track of its own for newer libraries alone."""
    encoder = next((e for e in ("libaom-av1", "libsvtav1") if e in video_encoders()), None)
    if encoder is None or ffmpeg_version() < (5, 1):
        pytest.skip("this ffmpeg makes no AVIF files")
    path = tmp_path / "film.avif"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4", "-c:v", encoder, path)
    with av.open(str(path)) as container:
        film = max(container.streams.video, key=lambda stream: stream.frames)
        index, tick = film.index, film.time_base
    reader = FrameReader(replace(probe(path), stream_index=index, time_base=tick))
    assert [frame.pts * tick for frame in reader.read()] == [Fraction(k, 25) for k in range(10)]
    assert reader.problem is None

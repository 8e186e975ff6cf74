"""Odd videos of every kind pass through unpainted, and play as they did: judged by check_media."""

import struct

import av
import numpy as np
import pytest

from brushflow.scripts.check_media import check
from brushflow.video.ffmpeg import file_url, keep_timestamps_option
from brushflow.video.playback import play

# Blurred, as the edges of so small a picture lose their colour with half the chroma samples.
PICTURE = "testsrc2=s=192x128:r=25:d=0.4,gblur=2"
TONE = "sine=d=0.4"
BT709 = ("bt709", "bt709", "bt709")
BT601 = ("smpte170m", "smpte170m", "smpte170m")


def timed(moments):
    """Options that give the frames these times in seconds, an expression of their number N.

    Without them ffmpeg rounds to the frame rate, and some versions repeat and drop frames.
    """
    ((name, value),) = keep_timestamps_option().items()
    exact = ["-vf", f"settb=1/90000,setpts='({moments})/TB'", "-enc_time_base", "1/90000"]
    return [*exact, f"-{name}", value]


def lavfi(*sources):
    return [part for source in sources for part in ("-f", "lavfi", "-i", source)]


def right(source, folder, *expected):
    """Pass a file through; nothing may be wrong, and these words must be in the notes."""
    row = check(source, folder)
    assert row.faults == [], row.lines()
    notes = " ".join(row.notes)
    for words in expected:
        assert words in notes, row.lines()
    return row


# Name → (sources, options of the encoding, words expected in the notes).
KINDS = {
    "plain.mp4": ([PICTURE], [], []),
    "no-sound-and-one-frame.mp4": ([PICTURE], ["-frames:v", 1], []),
    "two-frames.mkv": ([PICTURE], ["-frames:v", 2], []),
    "odd-width.mkv": (["testsrc2=s=97x64:d=0.2"], ["-pix_fmt", "yuv444p"], []),
    "odd-both.mkv": (["testsrc2=s=97x65:d=0.2"], ["-c:v", "ffv1", "-pix_fmt", "yuv420p"], []),
    "narrow-pixels.mp4": ([PICTURE], ["-vf", "setsar=2/3"], []),
    "wide-pixels.mkv": ([PICTURE], ["-vf", "setsar=16/11"], []),
    "ntsc.mp4": (["testsrc2=s=96x64:r=30000/1001:d=0.4,gblur=2"], [], []),
    "uneven.mp4": ([PICTURE], timed("N*0.04+0.013*mod(N,3)"), []),
    "uneven.mkv": ([PICTURE], timed("N*(N+1)/2*0.02"), []),
    "long-last.mp4": ([PICTURE], [*timed("N*N*0.003"), "-bf", 3], []),
    "ten-bits.mp4": ([PICTURE], ["-pix_fmt", "yuv420p10le"], []),
    "twelve-bits.mkv": ([PICTURE], ["-c:v", "ffv1", "-pix_fmt", "yuv444p12le"], []),
    "gray.mkv": ([PICTURE], ["-c:v", "ffv1", "-pix_fmt", "gray"], []),
    "rgb.mkv": ([PICTURE], ["-c:v", "libx264rgb", "-crf", 5], []),
    "palette.gif": ([PICTURE], [], []),
    "hdv.ts": ([PICTURE, TONE], ["-c:v", "mpeg2video", "-q:v", 2, "-output_ts_offset", 900], []),
    "old.avi": ([PICTURE, TONE], ["-c:v", "mpeg4", "-bf", 2, "-q:v", 2], []),
    "late.mp4": ([PICTURE, TONE], ["-output_ts_offset", 3], []),
    "late-picture.mp4": (
        [PICTURE, TONE],
        ["-filter_complex", "[0]setpts=PTS+0.5/TB[v]", "-map", "[v]", "-map", 1],
        [],
    ),
    "late-sound.mkv": (
        [PICTURE, TONE],
        ["-filter_complex", "[1]asetpts=PTS+0.2/TB[a]", "-map", 0, "-map", "[a]"],
        [],
    ),
    "three-sounds.mkv": (
        [PICTURE, TONE, "sine=440:d=0.4", "sine=220:d=0.4"],
        ["-map", 0, "-map", 1, "-map", 2, "-map", 3, "-c:a:1", "flac", "-c:a:2", "pcm_s16le"],
        [],
    ),
    "pcm.mov": ([PICTURE, TONE], ["-c:a", "pcm_s16le"], []),
    "vorbis.webm": ([PICTURE, TONE], ["-c:v", "libvpx-vp9", "-crf", 10], []),
    "fields.mpg": (
        ["testsrc2=s=192x128:r=50:d=0.4,gblur=2,tinterlace=4"],
        ["-c:v", "mpeg2video", "-q:v", 2, "-flags", "+ilme+ildct"],
        ["deinterlaced"],
    ),
    "fields.mkv": (
        ["testsrc2=s=192x128:r=50:d=0.4,gblur=2,tinterlace=4"],
        ["-flags", "+ilme+ildct", "-x264opts", "tff=1"],
        ["deinterlaced"],
    ),
    "glass.mov": (
        ["color=red:s=96x64:d=0.2,format=rgba,geq=r=200:g=X:b=30:a=X*2"],
        ["-c:v", "png"],
        ["transparent", "black"],
    ),
    "glass.webm": (
        ["color=red:s=96x64:d=0.2,format=yuva420p,geq=lum=120:cb=90:cr=150:a=X*2"],
        ["-c:v", "libvpx-vp9", "-crf", 10],
        ["transparent", "black"],
    ),
    "hdr.mkv": (
        [PICTURE],
        [
            *("-vf", "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"),
            *("-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020"),
            *("-color_trc", "smpte2084", "-colorspace", "bt2020nc"),
        ],
        ["HDR (PQ)", "tone-mapped"],
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_video_of_this_kind_plays_as_it_did(name, run_ffmpeg, tmp_path):
    sources, encoding, expected = KINDS[name]
    path = tmp_path / name
    run_ffmpeg(*lavfi(*sources), *encoding, path)
    right(path, tmp_path, *expected)


# How a picture is to be shown → (a, b, c, d) of the matrix that makes shown points of stored ones.
TURNS = {
    "90°": (0, 1, -1, 0),
    "180°": (-1, 0, 0, -1),
    "270°": (0, -1, 1, 0),
}
MIRRORED = {
    "left-right": (-1, 0, 0, 1),
    "upside-down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "across": (0, -1, -1, 0),
}


def turn(path, a, b, c, d):
    """Put a matrix into the header of the track of an .mp4 file, which has none yet."""
    unity = 1 << 16
    none, wanted = (
        struct.pack(">9i", *(unity * n for n in (w, x, 0, y, z)), 0, 0, 0, 1 << 30)
        for w, x, y, z in ((1, 0, 0, 1), (a, b, c, d))
    )
    data = path.read_bytes()
    header = data.index(b"tkhd")
    place = data.index(none, header)
    assert place < header + 92
    path.write_bytes(data[:place] + wanted + data[place + len(wanted) :])


@pytest.mark.parametrize("way", [*TURNS, *MIRRORED])
def test_every_way_up(way, run_ffmpeg, tmp_path):
    path = tmp_path / "turned.mp4"
    run_ffmpeg(*lavfi(PICTURE), path)
    turn(path, *{**TURNS, **MIRRORED}[way])
    assert play(path).turned == (way if way in TURNS else "mirrored")
    right(path, tmp_path, "turned")


@pytest.mark.parametrize("way", TURNS)  # Matroska has no mirroring
def test_every_way_up_in_matroska(way, run_ffmpeg, tmp_path):
    turned, path = tmp_path / "turned.mp4", tmp_path / "turned.mkv"
    run_ffmpeg(*lavfi(PICTURE), turned)
    turn(turned, *TURNS[way])
    with av.open(file_url(turned)) as source, av.open(file_url(path), "w") as target:
        stored = source.streams.video[0]
        stream = target.add_stream_from_template(stored)
        for packet in source.demux(stored):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert play(path).turned == way
    right(path, tmp_path, "turned")


@pytest.mark.parametrize("span", ["tv", "pc"])
@pytest.mark.parametrize(
    ("matrix", "size", "tagged"),
    [
        *(("bt709", size, True) for size in ("192x128", "1280x48")),
        *(("bt601", size, True) for size in ("192x128", "1280x48")),
        # An untagged picture is what its size says.
        ("bt709", "1280x48", False),
        ("bt601", "192x128", False),
    ],
)
def test_every_matrix_and_range(matrix, size, tagged, span, run_ffmpeg, tmp_path):
    primaries, curve, name = BT709 if matrix == "bt709" else BT601
    chain = f"scale=out_color_matrix={matrix}:out_range={span},format=yuv420p"
    marks = ["-colorspace", name, "-color_primaries", primaries, "-color_trc", curve]
    if not tagged:
        chain += ",setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown"
        marks = []
    path = tmp_path / "in.mkv"
    source = f"testsrc2=s={size}:d=0.12,gblur=2"
    run_ffmpeg(*lavfi(source), "-vf", chain, "-crf", 4, *marks, "-color_range", span, path)
    right(path, tmp_path)


def test_covers_chapters_and_subtitles_come_along(run_ffmpeg, tmp_path):
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:00,200\nHello\n")
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=One\n")
    cover = tmp_path / "cover.png"
    run_ffmpeg(*lavfi("color=blue:s=32x32:d=0.04"), cover)
    path = tmp_path / "full.mp4"
    run_ffmpeg(
        *(*lavfi(PICTURE, TONE), "-i", words, "-i", chapters, "-i", cover),
        *("-map", 0, "-map", 1, "-map", 2, "-map", 4, "-map_chapters", 3, "-c:s", "mov_text"),
        *("-c:v:1", "png", "-disposition:v:1", "attached_pic", path),
    )
    assert play(path).tracks == {"audio": 1, "subtitle": 1, "cover": 1, "chapter": 1}
    right(path, tmp_path)
    assert play(tmp_path / "out-full-mp4.mp4").tracks == play(path).tracks


def test_a_frame_that_cannot_be_decoded_shows_the_one_before_it(run_ffmpeg, tmp_path):
    path = tmp_path / "in.mp4"
    run_ffmpeg(*lavfi("testsrc2=s=96x64:d=2", "sine=d=2"), "-g", 10, path)
    whole = play(path)
    data = bytearray(path.read_bytes())
    broken = break_packet(path, data, 23)
    path.write_bytes(data)
    row = right(path, tmp_path, "1 of the frames cannot be decoded", "damaged")
    after = play(tmp_path / "out-in-mp4.mp4", whole.times)
    assert after.times == whole.times
    before = max(time for time in whole.times if time < broken)
    thumbs = after.thumbnails
    assert np.abs(thumbs[before] - thumbs[broken]).mean() < 0.5, row.lines()


def break_packet(path, data, number):
    """Overwrite the coded data of a packet in place and return when its frame was to be shown."""
    with av.open(file_url(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        packet = packets[number]
        begin = packet.pos + 4
        data[begin : packet.pos + packet.size] = bytes([0xFF]) * (packet.size - 4)
        return packet.pts * packet.time_base


def test_what_is_no_video_is_refused_in_a_sentence(run_ffmpeg, tmp_path):
    (tmp_path / "notes.mp4").write_text("Nothing to see here. " * 40)
    run_ffmpeg(*lavfi(TONE), tmp_path / "song.m4a")
    for name, words in (("notes.mp4", "not a video"), ("song.m4a", "no video stream")):
        row = right(tmp_path / name, tmp_path, words)
        assert row.cells[1] == "refused"

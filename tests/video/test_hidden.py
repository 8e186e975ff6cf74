"""Pictures that are stored and never shown, and players' view of files like these."""

import av
import pytest

from brushflow.video import open_source
from brushflow.video.hidden import shows_picture
from brushflow.video.playback import play

# First bytes of VP9 frames: 10, two bits of profile, show_existing_frame, frame_type, show_frame.
KEY_SHOWN, INTER_SHOWN, INTER_HIDDEN, EXISTING = 0b10000010, 0b10000110, 0b10000100, 0b10001000


def superframe(*firsts):
    """Frames of five bytes each, joined as annex B of VP9's specification says."""
    marker = 0b11000000 | len(firsts) - 1
    frames = b"".join(bytes([first]) + b"\x01" * 4 for first in firsts)
    return frames + bytes([marker, *[5] * len(firsts), marker])


def obu(kind, first, size=3):
    """An open bitstream unit of AV1, with its size."""
    return bytes([kind << 3 | 2, size, first]) + b"\x01" * (size - 1)


@pytest.mark.parametrize(
    ("codec", "data", "shown"),
    [
        ("vp8", b"\x10", True),
        ("vp8", b"\x00", False),
        *[("vp9", bytes([first, 1, 1]), True) for first in (KEY_SHOWN, INTER_SHOWN, EXISTING)],
        ("vp9", bytes([INTER_HIDDEN, 1, 1]), False),
        ("vp9", superframe(INTER_HIDDEN, INTER_SHOWN), True),
        ("vp9", superframe(INTER_HIDDEN, INTER_HIDDEN), False),
        ("vp9", bytes([0b10110010, 1]), False),
        ("vp9", bytes([0b10110001, 1]), True),
        ("av1", obu(2, 0, 1) + obu(6, 0b00010000), True),
        ("av1", obu(6, 0b00100000), False),
        ("av1", obu(6, 0b00100000) + obu(3, 0b10000000), True),
        ("av1", obu(1, 0b00001000) + obu(6, 0), True),
        ("av1", b"\x32\xff", True),
        ("h264", b"\x00", True),
    ],
)
def test_packets_that_show_nothing_are_known(codec, data, shown):
    assert shows_picture(codec, data) is shown


@pytest.mark.parametrize(
    ("codec", "split", "options"),
    [
        ("libvpx-vp9", "vp9_superframe_split", ("-auto-alt-ref", 1, "-lag-in-frames", 16)),
        ("libaom-av1", "av1_frame_split", ("-cpu-used", 8, "-lag-in-frames", 19)),
    ],
)
def test_hidden_pictures_of_a_damaged_file_are_not_shown(
    run_ffmpeg, tmp_path, codec, split, options
):
    clip, apart = tmp_path / "clip.mkv", tmp_path / "apart.mkv"
    for number in (1, 2):  # libvpx hides pictures in two passes only
        passes = ("-pass", number, "-passlogfile", tmp_path / "log") if "vpx" in codec else ()
        run_ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1.6", "-c:v", codec, "-b:v", "60k"),
            *("-g", 100, *options, *passes, clip),
        )
    run_ffmpeg("-i", clip, "-c", "copy", "-bsf:v", split, "-fflags", "-autobsf", apart)
    with av.open(str(apart)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert len(packets) > 40, "this encoder hid nothing"
    source = open_source(apart)
    source.problem = "damaged"  # as an earlier process has found
    for _ in range(2):  # the first read finds what to expect of the second
        assert len(list(source.read(size=(16, 12), gray=True))) == 40
    seen = play(apart)
    assert (len(seen.times), seen.lost) == (40, [])

"""Nothing that a file names is ever opened: by PyAV's libraries, or by the ffmpeg program."""

import shutil
import struct
import subprocess

import numpy as np
import pytest

from brushflow.common.errors import BrushflowError
from brushflow.pipeline import StylizeOptions, stylize_video
from brushflow.video import ffmpeg, open_source
from brushflow.video.opening import _REFERRING, input_options

HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n"
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\n{0}\n"
FFCONCAT = "ffconcat version 1.0\nfile '{0}'\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4">'
    "<Representation id='1' bandwidth='1'><BaseURL>{0}</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>\n"
)
IMF = (
    '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">'
    "<Id>urn:uuid:00000000-0000-0000-0000-000000000000</Id><EditRate>25 1</EditRate>"
    "<!-- {0} --></CompositionPlaylist>\n"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={0}\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
VOBSUB = "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n"
HEADS = {
    **{"hls": HLS, "master": MASTER, "ffconcat": FFCONCAT, "dash": DASH},
    **{"imf": IMF, "sdp": SDP, "vobsub": VOBSUB},
}
BODIES = {
    "h264": ("-c:v", "libx264", "-f", "h264"),
    "mpeg1": ("-c:v", "mpeg1video", "-f", "mpeg1video"),
    "mpeg": ("-c:v", "mpeg2video", "-f", "mpeg"),
    "mpegts": ("-c:v", "libx264", "-f", "mpegts"),
    "mjpeg": ("-c:v", "mjpeg", "-f", "mjpeg"),
}
NAMES = ("source", "clip.mp4", "list.m3u8", "list.ffconcat", "list.mpd", "list.idx")


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Blue clips in every raw form, and the red ones that nobody may see."""
    folder = tmp_path_factory.mktemp("material")

    def make(name, color, *options):
        source = ("-f", "lavfi", "-i", f"color={color}:size=64x48:rate=25:duration=0.4")
        common = ("-pix_fmt", "yuvj420p" if "mjpeg" in options else "yuv420p")
        command = [ffmpeg.ffmpeg_binary(), "-v", "error", "-y", *source, *common, *options]
        subprocess.run([*command, str(folder / name)], check=True)

    for name, options in BODIES.items():
        make(name, "blue", *options)
    make("secret.ts", "red", "-c:v", "libx264", "-f", "mpegts")
    make("secret.mp4", "red", "-c:v", "libx264")
    make("secret.sub", "red", "-c:v", "mpeg2video", "-f", "mpeg")
    return folder


def shows_secret(path):
    """Whether a red frame comes out; a sentence is a right answer, too."""
    try:
        frames = [frame.pixels for frame in open_source(path).read()]
    except BrushflowError:
        return False
    return any(pixels[..., 0].mean() > pixels[..., 2].mean() for pixels in frames)


@pytest.mark.parametrize("head", HEADS)
def test_a_file_that_is_two_things_is_read_as_one_and_leads_nowhere(head, material, tmp_path):
    for name in ("secret.ts", "secret.mp4"):
        shutil.copy(material / name, tmp_path)
    for stem in {name.split(".")[0] for name in NAMES}:
        shutil.copy(material / "secret.sub", tmp_path / f"{stem}.sub")
    kinds = [("h264", name, "secret.ts") for name in NAMES]
    kinds += [("h264", "source", t) for t in ("secret.mp4", f"file:{tmp_path / 'secret.ts'}")]
    kinds += [(body, "source", "secret.ts") for body in BODIES if body != "h264"]
    for body, name, target in kinds:
        text = HEADS[head].format(target).encode()
        (tmp_path / name).write_bytes(text + (material / body).read_bytes())
        assert not shows_secret(tmp_path / name), (body, name, target)


def test_what_was_taken_for_a_video_is_painted_as_that_video(material, tmp_path):
    """The very upload by which one library was shown a video, and the other a playlist."""
    shutil.copy(material / "secret.ts", tmp_path)
    source = tmp_path / "source"
    source.write_bytes(HLS.format("secret.ts").encode() + (material / "h264").read_bytes())
    stylize_video(source, tmp_path / "out.mp4", StylizeOptions(strength=0, preset="ultrafast"))
    frames = [frame.pixels for frame in open_source(tmp_path / "out.mp4").read()]
    assert len(frames) == 10
    assert all(np.ptp(frame[..., 2]) < 9 and frame[0, 0, 2] > 200 for frame in frames)


@pytest.mark.parametrize("kind", sorted(_REFERRING))
def test_the_program_reads_no_format_that_names_files(kind, material, tmp_path):
    """Were such a format ever taken for a video, the program would not follow it either."""
    scripts = {"hls": HLS, "concat": FFCONCAT, "dash": DASH, "imf": IMF, "sdp": SDP}
    path = tmp_path / ("frame%d.png" if kind == "image2" else "list.idx")
    path.write_text(scripts.get(kind, VOBSUB).format(material / "secret.ts"))
    for container in (kind, "a format that no program knows"):
        options = input_options(container)
        words = [word for name, value in options.items() for word in (f"-{name}", value)]
        command = [ffmpeg.ffmpeg_binary(), "-v", "error", "-nostdin", *words]
        command += ["-i", ffmpeg.file_url(path), "-f", "framemd5", "pipe:1"]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode != 0, (container, done.stdout)


def with_reference(data, target):
    """A QuickTime file whose pictures lie in another file, by an alias as Macintoshes write it."""
    name = target.encode()
    record = bytes(10) + bytes([1]) + b"V".ljust(27, b"\0") + bytes(12)
    record += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    record += struct.pack(">HH", 1, 1) + bytes(16)
    path = name + bytes(len(name) % 2)
    record += struct.pack(">HH", 2, len(name)) + path + struct.pack(">Hh", 0xFFFF, 0)
    alias = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    old = data.index(b"dref") + 12
    grown = len(alias) - struct.unpack(">I", data[old : old + 4])[0]
    result = bytearray(data)
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = result.index(box) - 4
        size = struct.unpack(">I", result[place : place + 4])[0]
        result[place : place + 4] = struct.pack(">I", size + grown)
    result[old : old + len(alias) - grown] = alias
    return bytes(result)


def test_references_of_quicktime_files_are_not_followed(material, tmp_path):
    secret, source = tmp_path / "secret.mov", tmp_path / "source.mov"
    shutil.copy(material / "secret.mp4", secret)
    data = secret.read_bytes()
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    assert start < end
    emptied = data[:start] + bytes(end - start) + data[end:]
    source.write_bytes(with_reference(emptied, "secret.mov"))
    assert not shows_secret(source)
    source.write_bytes(with_reference(emptied, str(secret)[-60:]))
    assert not shows_secret(source)


def test_formats_keep_their_meaning_for_the_program(material, tmp_path):
    """Whatever PyAV has found is told to the program under the name that this knows it by."""
    assert input_options("mov,mp4,m4a,3gp,3g2,mj2")["f"] == "mov"
    assert input_options("matroska,webm")["f"] == "matroska"
    assert input_options("h264")["f"] == "h264"
    assert "f" not in input_options("a format that no program knows")
    for body in BODIES:
        # Without a video's suffix a row of JPEG pictures is taken for its first picture.
        named = tmp_path / f"clip.{body}"
        named.write_bytes((material / body).read_bytes())
        assert len(list(open_source(named).read())) == 10

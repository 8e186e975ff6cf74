"""Pixels, clocks and sound: the only part that starts ffmpeg or opens a container."""

# OpenCV before PyAV: both bring libraries of X11, and with PyAV's loaded first, the first window
# that OpenCV opens hangs.
import cv2  # noqa: F401

from brushflow.video.assemble import AssembleReport, assemble
from brushflow.video.carry import Fates, Trim
from brushflow.video.color import ColorTags
from brushflow.video.containers import check_output, default_codec
from brushflow.video.encoders import (
    HARDWARE,
    EncodeSettings,
    check_encoder,
    encoder_meant,
    hardware_encoder,
    holds_alpha,
)
from brushflow.video.ffmpeg import ffmpeg_version
from brushflow.video.images import IMAGE_SUFFIXES, read_image, write_image
from brushflow.video.pixels import read_pixels, writing_pixels
from brushflow.video.probe import VideoInfo, probe
from brushflow.video.read import FrameReader, TimedFrame
from brushflow.video.sequence import natural_key
from brushflow.video.source import VIDEO_SUFFIXES, Source, is_still, open_source
from brushflow.video.trial import settle_tracks
from brushflow.video.write import SegmentWriter, try_settings, verify_segment

__all__ = [
    "HARDWARE",
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "AssembleReport",
    "ColorTags",
    "EncodeSettings",
    "Fates",
    "FrameReader",
    "SegmentWriter",
    "Source",
    "TimedFrame",
    "Trim",
    "VideoInfo",
    "assemble",
    "check_encoder",
    "check_output",
    "default_codec",
    "encoder_meant",
    "ffmpeg_version",
    "hardware_encoder",
    "holds_alpha",
    "is_still",
    "natural_key",
    "open_source",
    "probe",
    "read_image",
    "read_pixels",
    "settle_tracks",
    "try_settings",
    "verify_segment",
    "write_image",
    "writing_pixels",
]

"""brushflow turns a video into a painting that does not flicker."""

__version__ = "0.2.0"

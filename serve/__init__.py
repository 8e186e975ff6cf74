"""A page for the browser: drop a video, choose a style, see it painted; or paint the camera.

The work is that of ``pipeline.stylize_video`` and ``live``; here are the queue, the page, and what
keeps strangers out. ``app`` needs the extra ``serve``.
"""

"""Files on their way in: how large they may be, how long they may take, and where they end."""

import asyncio
import errno
import shutil
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from brushflow.common.errors import BrushflowError
from brushflow.serve.jobs import for_visitors

MEGABYTE = 1 << 20
_SPARE_DISK = 1 << 30  # bytes that an upload must leave free
_LOOK_AT_DISK = 8 << 20  # bytes that arrive between two looks at it
_LONGEST_PAUSE = 60.0  # seconds in which nothing of an upload arrives
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_ROOM = "There is not enough room on the server's disk."


def refusal(status: int, sentence: str) -> HTTPException:
    """What a request is answered with, and why."""
    return HTTPException(HTTPStatus(status), sentence)


async def receive(request: Request, path: Path, most: int, what: str) -> None:
    """Write the request's body, ``what`` it is, to ``path``; 413 if it is more than ``most`` bytes.

    507 if the disk has not enough room, 408 if it stops coming.
    """
    too_large = refusal(413, f"This {what} is larger than {most / MEGABYTE:g} MB.")
    try:
        announced = int(request.headers.get("content-length", 0))
    except ValueError as error:
        raise refusal(400, "The length of the upload is no number.") from error
    if announced > most:
        raise too_large
    _check_disk(path.parent, announced)
    received = looked = 0
    blocks = request.stream()
    with path.open("xb") as file:
        while True:
            try:
                block = await asyncio.wait_for(anext(blocks, None), _LONGEST_PAUSE)
            except asyncio.TimeoutError as error:
                raise cut_off(what) from error
            if block is None:
                return
            received += len(block)
            if received > most:
                raise too_large
            if received >= looked + _LOOK_AT_DISK:
                looked = received
                _check_disk(path.parent, len(block))
            file.write(block)


def cut_off(what: str) -> HTTPException:
    """The answer where an upload has ended too early, if anybody is left to read it."""
    return refusal(408, f"The {what} did not arrive as a whole.")


def _check_disk(folder: Path, bytes_to_come: int) -> None:
    if shutil.disk_usage(folder).free < bytes_to_come + _SPARE_DISK:
        raise refusal(507, NO_ROOM)


def answer_failed_upload(error: BaseException, what: str, names: Mapping[Path, str]) -> None:
    """Raise what answers an upload, ``what`` it was, that has failed, if ``error`` does not."""
    if isinstance(error, BrushflowError):
        raise refusal(400, for_visitors(error, names)) from error
    if isinstance(error, ClientDisconnect):
        raise cut_off(what) from error

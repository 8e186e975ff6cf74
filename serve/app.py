"""The server's addresses, and what each one answers."""

import asyncio
import errno
import logging
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from brushflow.common.errors import BrushflowError
from brushflow.models import delete_style, rename_style
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.outputs import shortened
from brushflow.serve import tasks
from brushflow.serve.apart import Apart, Died
from brushflow.serve.camera import Cameras
from brushflow.serve.guard import Guard
from brushflow.serve.jobs import BUSY, Choice, Job, JobStore, for_visitors, shown_name
from brushflow.serve.lessons import FOLDER, Lesson, Lessons
from brushflow.serve.styles import Offered
from brushflow.serve.thumbnails import LONGEST_LOOK, Thumbnails, encode_jpeg
from brushflow.serve.worker import Worker

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
MEGABYTE = 1 << 20
_SPARE_DISK = 1 << 30  # bytes that an upload must leave free
_LOOK_AT_DISK = 8 << 20  # bytes that arrive between two looks at it
_LONGEST_PAUSE = 60.0  # seconds in which nothing of an upload arrives
_TYPES = {"mp4": "video/mp4", "png": "image/png"}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_ROOM = "There is not enough room on the server's disk."


class ChoiceBody(BaseModel):
    """A Choice as the page sends it."""

    style: str
    max_size: int | None = Field(None, ge=64, le=8192)
    strength: float = Field(1.0, ge=0, le=1)
    keep_colors: bool = False
    turns: list[tuple[Annotated[float, Field(ge=0, le=86400)], str]] = Field([], max_length=16)


class NameBody(BaseModel):
    """What a style is to be called."""

    name: str


def create_app(
    folder: Path,
    styles: Mapping[str, str],
    options: StylizeOptions,
    max_upload: int = 2048 * MEGABYTE,
    host: str = "127.0.0.1",
    loss_weights: str = "vgg16",
) -> FastAPI:
    """The application.

    Args:
        folder: where jobs are kept, also over restarts.
        styles: model by the name that is shown.
        options: what is common to all runs.
        max_upload: bytes that a video may have.
        host: the name that the server listens on, for ``Guard``.
        loss_weights: of what judges paintings that are learned, as of ``learn_style``.
    """
    store = JobStore(folder)
    styles = offered = Offered(styles)
    worker = Worker(store, styles, options)
    apart = Apart()
    thumbnails = Thumbnails(store, styles, options, apart)
    cameras = Cameras(styles, options)

    def video_of(job_id: str) -> Path | None:
        job = store.get(job_id)
        return store.source(job) if job is not None else None

    lessons = Lessons(folder / FOLDER, video_of, loss_weights, options.device)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with worker, lessons:
            yield
        cameras.close()
        apart.close()

    def tell(request: Request, error: Exception) -> JSONResponse:
        source = store.folder / request.path_params.get("job_id", "unknown") / "source"
        return JSONResponse({"detail": for_visitors(error, source, "This file")}, 400)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, host=host)
    app.add_exception_handler(BrushflowError, tell)
    app.add_exception_handler(Died, _tell_death)
    app.add_exception_handler(OSError, _tell_disk)
    app.add_exception_handler(RequestValidationError, _tell_wrong_request)

    def known(job_id: str) -> Job:
        job = store.get(job_id)
        if job is None:
            raise _error(404, "There is no such video here; it may have been deleted.")
        return job

    Known = Annotated[Job, Depends(known)]  # noqa: N806

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE))

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        return {"styles": list(offered), "learned": offered.learned, "max_upload": max_upload}

    @app.post("/api/videos", status_code=201)
    async def upload(request: Request, name: str = "") -> dict[str, Any]:
        job_id, place = store.new_place()
        try:
            await _receive(request, place / "source", max_upload)
            seen = await run_in_threadpool(
                apart.call, tasks.look, place / "source", limit=LONGEST_LOOK
            )
            suffix = seen.source.suffix
            job = Job(job_id, shown_name(name), seen.width, seen.height, suffix=suffix)
            store.add(job)
        except BaseException as error:
            store.discard(place)
            if isinstance(error, BrushflowError):
                told = for_visitors(error, place / "source", shown_name(name))
                raise _error(400, told) from error
            if isinstance(error, ClientDisconnect):
                raise _error(400, "The video did not arrive as a whole.") from error
            raise
        return _view(job, store, worker)

    @app.get("/api/videos/{job_id}")
    def look(job: Known) -> dict[str, Any]:
        return _view(job, store, worker)

    @app.get("/api/videos/{job_id}/styles/{style}")
    def thumbnail(job: Known, style: str) -> Response:
        if style not in styles:
            raise _error(404, "There is no such style here.")
        return Response(thumbnails.get(job, style), media_type="image/jpeg")

    @app.post("/api/videos/{job_id}/paint")
    def paint(job: Known, choice: ChoiceBody) -> dict[str, Any]:
        if any(style not in styles for style in (choice.style, *(s for _, s in choice.turns))):
            raise _error(400, "There is no such style here.")
        if choice.turns and job.suffix:
            raise _error(400, "A picture has no moments at which its style could change.")
        if len({second for second, _ in choice.turns}) < len(choice.turns):
            raise _error(400, "It cannot turn to two styles at one time.")
        if not worker.submit(job, Choice(**choice.model_dump())):
            raise _error(409, "This video is being painted already.")
        return _view(job, store, worker)

    @app.post("/api/videos/{job_id}/cancel")
    def cancel(job: Known) -> dict[str, Any]:
        worker.cancel(job)
        return _view(job, store, worker)

    @app.delete("/api/videos/{job_id}", status_code=204)
    def delete(job: Known) -> None:
        worker.cancel(job)
        store.remove(job)

    @app.get("/api/videos/{job_id}/preview")
    def preview(job: Known) -> Response:
        latest = worker.latest if worker.is_painting(job) else None
        if latest is None:
            raise _error(404, "Nothing has been painted yet.")
        headers = {"Cache-Control": "no-store"}
        return Response(encode_jpeg(latest), media_type="image/jpeg", headers=headers)

    @app.get("/api/videos/{job_id}/painted.{kind}")
    def painted(job: Known, kind: str, download: bool = False) -> FileResponse:
        path = _finished(job, store.painted(job), kind)
        assert job.choice is not None
        name = shortened(Path(job.name).stem, f".{job.choice.style}.{kind}")
        return FileResponse(path, media_type=_TYPES[kind], filename=name if download else None)

    @app.get("/api/videos/{job_id}/original.{kind}")
    def original(job: Known, kind: str) -> FileResponse:
        path = _finished(job, store.original(job), kind)
        return FileResponse(path, media_type=_TYPES[kind])

    @app.post("/api/paintings", status_code=201)
    async def learn(request: Request, name: str = "", video: str = "") -> dict[str, Any]:
        lesson = Lesson(secrets.token_hex(16), shown_name(name, "painting"), video)
        painting = lessons.place(lesson, "painting")
        painting.parent.mkdir(parents=True)
        try:
            await _receive(request, painting, max_upload)
            small = await run_in_threadpool(
                apart.call, tasks.look_at_painting, painting, limit=LONGEST_LOOK
            )
            lessons.place(lesson, "look.jpg").write_bytes(encode_jpeg(small))
            lessons.add(lesson)
        except BaseException as error:
            lessons.discard(painting.parent)
            if isinstance(error, BrushflowError):
                raise _error(400, for_visitors(error, painting, lesson.name)) from error
            if isinstance(error, ClientDisconnect):
                raise _error(400, "The painting did not arrive as a whole.") from error
            raise
        return lessons.view(lesson)

    def known_lesson(lesson_id: str) -> Lesson:
        lesson = lessons.get(lesson_id)
        if lesson is None:
            raise _error(404, "There is no such painting here; it may have been deleted.")
        return lesson

    KnownLesson = Annotated[Lesson, Depends(known_lesson)]  # noqa: N806

    @app.get("/api/paintings/{lesson_id}")
    def look_at_lesson(lesson: KnownLesson) -> dict[str, Any]:
        return lessons.view(lesson)

    @app.get("/api/paintings/{lesson_id}/painting")
    def painting(lesson: KnownLesson) -> FileResponse:
        return FileResponse(lessons.place(lesson, "look.jpg"))

    @app.get("/api/paintings/{lesson_id}/look")
    def look_of(lesson: KnownLesson) -> Response:
        latest = lessons.latest(lesson)
        if latest is None:
            raise _error(404, "Nothing has been painted yet.")
        headers = {"Cache-Control": "no-store"}
        return Response(encode_jpeg(latest), media_type="image/jpeg", headers=headers)

    @app.delete("/api/paintings/{lesson_id}", status_code=204)
    def forget(lesson: KnownLesson) -> None:
        lessons.remove(lesson)

    @app.post("/api/styles/{style}/rename")
    def rename(style: str, wanted: NameBody) -> dict[str, str]:
        return {"style": rename_style(style, wanted.name.strip()).stem}

    @app.delete("/api/styles/{style}", status_code=204)
    def delete_learned(style: str) -> None:
        delete_style(style)

    @app.websocket("/api/camera")
    async def camera(socket: WebSocket) -> None:
        await cameras.serve(socket)

    return app


async def _receive(request: Request, path: Path, most: int) -> None:
    """Write the request's body to ``path``; 413 if it is larger than ``most`` bytes.

    507 if the disk has not enough room, 408 if it stops coming.
    """
    too_large = _error(413, f"This video is larger than {most / MEGABYTE:g} MB.")
    try:
        announced = int(request.headers.get("content-length", 0))
    except ValueError as error:
        raise _error(400, "The length of the upload is no number.") from error
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
                raise _error(408, "The video did not arrive as a whole.") from error
            if block is None:
                return
            received += len(block)
            if received > most:
                raise too_large
            if received >= looked + _LOOK_AT_DISK:
                looked = received
                _check_disk(path.parent, len(block))
            file.write(block)


def _check_disk(folder: Path, bytes_to_come: int) -> None:
    if shutil.disk_usage(folder).free < bytes_to_come + _SPARE_DISK:
        raise _error(507, _NO_ROOM)


def _view(job: Job, store: JobStore, worker: Worker) -> dict[str, Any]:
    """What the page is told about a job."""
    view = asdict(job)
    for own in ("queued", "suffix", "longest", "deaths"):
        del view[own]
    view["picture"] = bool(job.suffix)
    if job.state in BUSY:
        view["ahead"] = next(n for n, other in enumerate([*store.waiting(), job]) if other is job)
    if job.state == "painting" and worker.is_painting(job):
        progress = worker.progress
        view["progress"] = asdict(progress) if progress else None
        view["preview"] = worker.latest is not None
    return view


def _finished(job: Job, path: Path, kind: str) -> Path:
    if job.state != "done" or path.suffix != f".{kind}" or not path.is_file():
        raise _error(404, "This video is not finished.")
    return path


def _error(status: int, sentence: str) -> HTTPException:
    return HTTPException(HTTPStatus(status), sentence)


def _tell_death(request: Request, error: Exception) -> JSONResponse:
    logger.error("a visitor's file has ended the process that read it", exc_info=error)
    return JSONResponse({"detail": "The program cannot cope with this file."}, 400)


def _tell_disk(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OSError) and error.errno in _FULL:
        return JSONResponse({"detail": _NO_ROOM}, 507)
    logger.error("a request could not be answered", exc_info=error)
    return JSONResponse({"detail": "The server could not do this; its log tells why."}, 500)


def _tell_wrong_request(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The request is not one that this server knows."}, 422)

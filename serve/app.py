"""The server's addresses, and what each one answers."""

import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response, WebSocket
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from brushflow.common.errors import BrushflowError
from brushflow.models import delete_style, rename_style
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.outputs import shortened
from brushflow.serve import tasks
from brushflow.serve.apart import Apart, Died
from brushflow.serve.camera import Cameras
from brushflow.serve.choices import ChoiceBody, checked
from brushflow.serve.guard import Guard
from brushflow.serve.jobs import BUSY, FORMS, Job, JobStore, for_visitors, shown_name
from brushflow.serve.lessons import FOLDER, Lesson, Lessons
from brushflow.serve.styles import Offered
from brushflow.serve.thumbnails import LONGEST_LOOK, Thumbnails, encode_jpeg
from brushflow.serve.uploads import FULL, MEGABYTE, NO_ROOM, cut_off, receive, refusal
from brushflow.serve.worker import Worker

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"


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
        return JSONResponse({"detail": for_visitors(error, {source: "This file"})}, 400)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, host=host)
    app.add_exception_handler(BrushflowError, tell)
    app.add_exception_handler(Died, _tell_death)
    app.add_exception_handler(OSError, _tell_disk)
    app.add_exception_handler(RequestValidationError, _tell_wrong_request)

    def known(job_id: str) -> Job:
        job = store.get(job_id)
        if job is None:
            raise refusal(404, "There is no such video here; it may have been deleted.")
        return job

    Known = Annotated[Job, Depends(known)]  # noqa: N806
    Number = Annotated[int, Query(ge=0, le=999)]  # noqa: N806 - of the style, where all are painted

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
            await receive(request, place / "source", max_upload, "video")
            seen = await run_in_threadpool(
                apart.call, tasks.look, place / "source", limit=LONGEST_LOOK
            )
            form = {"suffix": seen.source.suffix, "transparent": seen.transparent}
            job = Job(job_id, shown_name(name), seen.width, seen.height, **form)
            store.add(job)
        except BaseException as error:
            store.discard(place)
            _answer(error, "video", {place / "source": shown_name(name)})
            raise
        return _view(job, store, worker)

    @app.post("/api/videos/{job_id}/mask", status_code=201)
    async def take_mask(job: Known, request: Request, name: str = "") -> dict[str, Any]:
        source, mask = store.source(job), store.new_mask(job)
        shown = shown_name(name, "mask")
        try:
            await receive(request, mask, max_upload, "mask")
            ready = await run_in_threadpool(
                apart.call, tasks.look_at_mask, mask, source, limit=LONGEST_LOOK
            )
            if not await run_in_threadpool(worker.take_mask, job, ready, shown):
                raise refusal(409, "It is being painted; hand in the mask when that has ended.")
        except BaseException as error:
            for left in mask.parent.glob(f"{mask.name}*"):
                left.unlink(missing_ok=True)
            known(job.id)
            _answer(error, "mask", {mask: shown, source: job.name})
            raise
        return _view(job, store, worker)

    @app.get("/api/videos/{job_id}")
    def look(job: Known) -> dict[str, Any]:
        return _view(job, store, worker)

    @app.get("/api/videos/{job_id}/styles/{style}")
    def thumbnail(job: Known, style: str) -> Response:
        if style not in styles:
            raise refusal(404, "There is no such style here.")
        return Response(thumbnails.get(job, style), media_type="image/jpeg")

    @app.post("/api/videos/{job_id}/paint")
    def paint(job: Known, choice: ChoiceBody) -> dict[str, Any]:
        if not worker.submit(job, checked(choice, job, styles)):
            raise refusal(409, "This video is being painted already.")
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
            raise refusal(404, "Nothing has been painted yet.")
        headers = {"Cache-Control": "no-store"}
        return Response(encode_jpeg(latest), media_type="image/jpeg", headers=headers)

    @app.get("/api/videos/{job_id}/painted.{kind}")
    def painted(job: Known, kind: str, number: Number = 0, download: bool = False) -> FileResponse:
        path = _finished(job, store.painted(job, number), kind)
        assert job.choice is not None
        style = job.choice.styles[number] if job.choice.styles else job.choice.style
        name = shortened(Path(job.name).stem, f".{style}.{kind}")
        return FileResponse(path, media_type=FORMS[kind], filename=name if download else None)

    @app.get("/api/videos/{job_id}/shown.{kind}")
    def shown(job: Known, kind: str, number: Number = 0) -> FileResponse:
        path = _finished(job, store.shown(job, number), kind)
        return FileResponse(path, media_type=FORMS[kind])

    @app.get("/api/videos/{job_id}/original.{kind}")
    def original(job: Known, kind: str) -> FileResponse:
        path = _finished(job, store.original(job), kind)
        return FileResponse(path, media_type=FORMS[kind])

    @app.post("/api/paintings", status_code=201)
    async def learn(request: Request, name: str = "", video: str = "") -> dict[str, Any]:
        lesson = Lesson(secrets.token_hex(16), shown_name(name, "painting"), video)
        painting = lessons.place(lesson, "painting")
        painting.parent.mkdir(parents=True)
        try:
            await receive(request, painting, max_upload, "painting")
            small = await run_in_threadpool(
                apart.call, tasks.look_at_painting, painting, limit=LONGEST_LOOK
            )
            lessons.place(lesson, "look.jpg").write_bytes(encode_jpeg(small))
            lessons.add(lesson)
        except BaseException as error:
            lessons.discard(painting.parent)
            _answer(error, "painting", {painting: lesson.name})
            raise
        return lessons.view(lesson)

    def known_lesson(lesson_id: str) -> Lesson:
        lesson = lessons.get(lesson_id)
        if lesson is None:
            raise refusal(404, "There is no such painting here; it may have been deleted.")
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
            raise refusal(404, "Nothing has been painted yet.")
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


def _answer(error: BaseException, what: str, names: Mapping[Path, str]) -> None:
    """Raise what answers an upload, ``what`` it was, that has failed, if ``error`` does not."""
    if isinstance(error, BrushflowError):
        raise refusal(400, for_visitors(error, names)) from error
    if isinstance(error, ClientDisconnect):
        raise cut_off(what) from error


def _view(job: Job, store: JobStore, worker: Worker) -> dict[str, Any]:
    """What the page is told about a job."""
    view = asdict(job)
    for own in ("queued", "suffix", "mask_file", "longest", "deaths"):
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
        raise refusal(404, "This video is not finished.")
    return path


def _tell_death(request: Request, error: Exception) -> JSONResponse:
    logger.error("a visitor's file has ended the process that read it", exc_info=error)
    return JSONResponse({"detail": "The program cannot cope with this file."}, 400)


def _tell_disk(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OSError) and error.errno in FULL:
        return JSONResponse({"detail": NO_ROOM}, 507)
    logger.error("a request could not be answered", exc_info=error)
    return JSONResponse({"detail": "The server could not do this; its log tells why."}, 500)


def _tell_wrong_request(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The request is not one that this server knows."}, 422)

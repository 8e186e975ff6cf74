"""The server: its parts, its addresses, and what it answers where something fails."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from brushflow.common.errors import BrushflowError
from brushflow.pipeline import StylizeOptions
from brushflow.serve.apart import Apart, Died
from brushflow.serve.camera import Cameras
from brushflow.serve.choices import OfferedStyles
from brushflow.serve.jobs import JobStore, for_visitors
from brushflow.serve.lessons import FOLDER, Lessons
from brushflow.serve.painting_routes import painting_routes, style_routes
from brushflow.serve.same_origin import SameOrigin
from brushflow.serve.thumbnails import Thumbnails
from brushflow.serve.uploads import FULL, MEGABYTE, NO_ROOM
from brushflow.serve.video_routes import video_routes
from brushflow.serve.worker import Worker

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"


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
        host: the name that the server listens on, for ``SameOrigin``.
        loss_weights: of what judges paintings that are learned, as of ``learn_style``.
    """
    store, offered, apart = JobStore(folder), OfferedStyles(styles), Apart()
    worker = Worker(store, offered, options)
    thumbnails = Thumbnails(store, offered, options, apart)
    cameras = Cameras(offered, options)

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
    app.add_middleware(SameOrigin, host=host)
    app.add_exception_handler(BrushflowError, tell)
    app.add_exception_handler(Died, _tell_death)
    app.add_exception_handler(OSError, _tell_disk)
    app.add_exception_handler(RequestValidationError, _tell_wrong_request)

    @app.get("/")
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE))

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        return {"styles": list(offered), "learned": offered.learned, "max_upload": max_upload}

    app.include_router(video_routes(store, worker, offered, thumbnails, apart, max_upload))
    app.include_router(painting_routes(lessons, apart, max_upload))
    app.include_router(style_routes())

    @app.websocket("/api/camera")
    async def camera(socket: WebSocket) -> None:
        await cameras.serve(socket)

    return app


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

"""What is answered about videos and pictures: handed in, looked at, painted, fetched."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from brushflow.pipeline.outputs import shortened
from brushflow.serve import tasks
from brushflow.serve.apart import Apart
from brushflow.serve.choices import ChoiceBody, OfferedStyles, checked
from brushflow.serve.jobs import BUSY, FORMS, Job, JobStore, shown_name
from brushflow.serve.thumbnails import LONGEST_LOOK, Thumbnails, encode_jpeg
from brushflow.serve.uploads import answer_failed_upload, receive, refusal
from brushflow.serve.worker import Worker

_NUMBER = Query(ge=0, le=999)  # of the style, where all are painted


def video_routes(
    store: JobStore,
    worker: Worker,
    styles: OfferedStyles,
    thumbnails: Thumbnails,
    apart: Apart,
    max_upload: int,
) -> APIRouter:
    """The addresses below ``/api/videos``; an upload has at most ``max_upload`` bytes."""
    routes = APIRouter(prefix="/api/videos")

    def known(job_id: str) -> Job:
        job = store.get(job_id)
        if job is None:
            raise refusal(404, "There is no such video here; it may have been deleted.")
        return job

    Known = Annotated[Job, Depends(known)]  # noqa: N806

    @routes.post("", status_code=201)
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
            answer_failed_upload(error, "video", {place / "source": shown_name(name)})
            raise
        return _view(job, store, worker)

    @routes.post("/{job_id}/mask", status_code=201)
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
            answer_failed_upload(error, "mask", {mask: shown, source: job.name})
            raise
        return _view(job, store, worker)

    @routes.get("/{job_id}")
    def look(job: Known) -> dict[str, Any]:
        return _view(job, store, worker)

    @routes.get("/{job_id}/styles/{style}")
    def thumbnail(job: Known, style: str) -> Response:
        if style not in styles:
            raise refusal(404, "There is no such style here.")
        return Response(thumbnails.get(job, style), media_type="image/jpeg")

    @routes.post("/{job_id}/paint")
    def paint(job: Known, choice: ChoiceBody) -> dict[str, Any]:
        if not worker.submit(job, checked(choice, job, styles)):
            raise refusal(409, "This video is being painted already.")
        return _view(job, store, worker)

    @routes.post("/{job_id}/cancel")
    def cancel(job: Known) -> dict[str, Any]:
        worker.cancel(job)
        return _view(job, store, worker)

    @routes.delete("/{job_id}", status_code=204)
    def delete(job: Known) -> None:
        worker.cancel(job)
        store.remove(job)

    @routes.get("/{job_id}/preview")
    def preview(job: Known) -> Response:
        latest = worker.latest if worker.is_painting(job) else None
        if latest is None:
            raise refusal(404, "Nothing has been painted yet.")
        headers = {"Cache-Control": "no-store"}
        return Response(encode_jpeg(latest), media_type="image/jpeg", headers=headers)

    @routes.get("/{job_id}/painted.{kind}")
    def painted(
        job: Known, kind: str, number: Annotated[int, _NUMBER] = 0, download: bool = False
    ) -> FileResponse:
        path = _finished(job, store.painted(job, number), kind)
        assert job.choice is not None
        style = job.choice.styles[number] if job.choice.styles else job.choice.style
        name = shortened(Path(job.name).stem, f".{style}.{kind}")
        return FileResponse(path, media_type=FORMS[kind], filename=name if download else None)

    @routes.get("/{job_id}/shown.{kind}")
    def shown(job: Known, kind: str, number: Annotated[int, _NUMBER] = 0) -> FileResponse:
        path = _finished(job, store.shown(job, number), kind)
        return FileResponse(path, media_type=FORMS[kind])

    @routes.get("/{job_id}/original.{kind}")
    def original(job: Known, kind: str) -> FileResponse:
        path = _finished(job, store.original(job), kind)
        return FileResponse(path, media_type=FORMS[kind])

    return routes


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

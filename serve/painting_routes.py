"""What is answered about paintings that become styles, and about styles that were learned."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel

from brushflow.models import delete_style, rename_style
from brushflow.serve import tasks
from brushflow.serve.apart import Apart
from brushflow.serve.jobs import shown_name
from brushflow.serve.lessons import Lesson, Lessons
from brushflow.serve.thumbnails import LONGEST_LOOK, encode_jpeg
from brushflow.serve.uploads import answer_failed_upload, receive, refusal


class NameBody(BaseModel):
    """What a style is to be called."""

    name: str


def painting_routes(lessons: Lessons, apart: Apart, max_upload: int) -> APIRouter:
    """The addresses below ``/api/paintings``; an upload has at most ``max_upload`` bytes."""
    routes = APIRouter(prefix="/api/paintings")

    @routes.post("", status_code=201)
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
            answer_failed_upload(error, "painting", {painting: lesson.name})
            raise
        return lessons.view(lesson)

    def known_lesson(lesson_id: str) -> Lesson:
        lesson = lessons.get(lesson_id)
        if lesson is None:
            raise refusal(404, "There is no such painting here; it may have been deleted.")
        return lesson

    KnownLesson = Annotated[Lesson, Depends(known_lesson)]  # noqa: N806

    @routes.get("/{lesson_id}")
    def look_at_lesson(lesson: KnownLesson) -> dict[str, Any]:
        return lessons.view(lesson)

    @routes.get("/{lesson_id}/painting")
    def painting(lesson: KnownLesson) -> FileResponse:
        return FileResponse(lessons.place(lesson, "look.jpg"))

    @routes.get("/{lesson_id}/look")
    def look_of(lesson: KnownLesson) -> Response:
        latest = lessons.latest(lesson)
        if latest is None:
            raise refusal(404, "Nothing has been painted yet.")
        headers = {"Cache-Control": "no-store"}
        return Response(encode_jpeg(latest), media_type="image/jpeg", headers=headers)

    @routes.delete("/{lesson_id}", status_code=204)
    def forget(lesson: KnownLesson) -> None:
        lessons.remove(lesson)

    return routes


def style_routes() -> APIRouter:
    """The addresses below ``/api/styles``, of styles that were learned."""
    routes = APIRouter(prefix="/api/styles")

    @routes.post("/{style}/rename")
    def rename(style: str, wanted: NameBody) -> dict[str, str]:
        return {"style": rename_style(style, wanted.name.strip()).stem}

    @routes.delete("/{style}", status_code=204)
    def delete_learned(style: str) -> None:
        delete_style(style)

    return routes

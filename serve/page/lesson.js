// A painting that becomes a style: handed in, learned, renamed, deleted.
import { handIn, pick, request, timeLeft } from "/page/parts.js";

const POLL = 700; // milliseconds between looks
const REMEMBERED = "brushflow-painting";

// Hand in a painting, which is learned from a video, or from none.
export async function learn(file, video, bar, trouble) {
  const path = `/api/paintings?name=${encodeURIComponent(file.name)}&video=${encodeURIComponent(video)}`;
  const lesson = await handIn(path, file, bar, trouble);
  if (lesson) location.hash = `#/painting/${lesson.id}`;
}

// The painting that this browser handed in last, null if there is none any more.
export async function lastLesson() {
  const id = localStorage.getItem(REMEMBERED);
  if (!id) return null;
  try {
    return await request(`/api/paintings/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status === 404) localStorage.removeItem(REMEMBERED);
    return null;
  }
}

// Ask for another name of a style; it, or nothing.
export async function rename(style, trouble) {
  const name = prompt("What shall this style be called?", style);
  if (!name || name === style) return null;
  try {
    const json = { name };
    return (await request(`/api/styles/${encodeURIComponent(style)}/rename`, { method: "POST", json })).style;
  } catch (error) {
    trouble(error.message);
    return null;
  }
}

// Delete a style; whether that was done.
export async function remove(style, trouble) {
  if (!confirm(`Delete the style ${style}? Its painting would have to be learned again.`)) return false;
  try {
    await request(`/api/styles/${encodeURIComponent(style)}`, { method: "DELETE" });
    return true;
  } catch (error) {
    trouble(error.message);
    return false;
  }
}

export class Lesson {
  constructor(lesson, trouble) {
    this.lesson = lesson;
    this.trouble = trouble;
    localStorage.setItem(REMEMBERED, lesson.id);
    pick("master").src = this.address("/painting");
    pick("growing").hidden = true;
    this.seen = 0;
    pick("forget").onclick = () => this.forget();
    pick("rename-lesson").onclick = async () => {
      const style = await rename(this.lesson.style, trouble);
      if (style) this.show({ ...this.lesson, style });
    };
    pick("delete-lesson").onclick = async () => {
      if (await remove(this.lesson.style, trouble)) this.forget();
    };
    this.show(lesson);
  }

  address(rest = "") {
    return `/api/paintings/${encodeURIComponent(this.lesson.id)}${rest}`;
  }

  stop() {
    clearTimeout(this.timer);
    this.stopped = true;
  }

  show(lesson) {
    this.lesson = lesson;
    const { state, progress } = lesson;
    const busy = state === "waiting" || state === "learning";
    document.querySelector("#lesson .name").textContent = lesson.style || lesson.name;
    document.title = `${lesson.style || lesson.name} – brushflow`;
    pick("lesson-stage").textContent = this.words();
    pick("learned").hidden = !busy;
    if (progress) pick("learned").value = progress.done / progress.total;
    else pick("learned").removeAttribute("value");
    this.trouble(state === "failed" ? lesson.problem : "");
    pick("forget").textContent = busy ? "Cancel" : "Choose again";
    pick("forget").hidden = state === "done";
    for (const id of ["use", "rename-lesson", "delete-lesson"]) pick(id).hidden = state !== "done";
    pick("use").href = lesson.video ? `#/video/${lesson.video}` : "#/";
    pick("use").textContent = lesson.video ? "Paint with it" : "Paint a video with it";
    if (lesson.look > this.seen) this.look(lesson.look);
    if (busy && !this.stopped) this.timer = setTimeout(() => this.again(), POLL);
  }

  look(number) {
    this.seen = number;
    const next = new Image();
    next.onload = () => {
      if (this.stopped) return;
      pick("growing").src = next.src;
      pick("growing").hidden = false;
    };
    next.src = this.address(`/look?at=${number}`);
  }

  words() {
    const { state, progress, ahead, style } = this.lesson;
    if (state === "done") return `Learned. It is now among the styles, as ${style}.`;
    if (state === "failed") return "It could not be learned.";
    if (state === "waiting" && ahead) {
      return ahead === 1 ? "One painting is learned before yours" : `${ahead} paintings are learned before yours`;
    }
    if (!progress) return "Looking at what to learn from";
    return `Learning · step ${progress.done} of ${progress.total}${timeLeft(progress.seconds_left)}`;
  }

  async again() {
    try {
      const now = await request(this.address());
      if (!this.stopped) this.show(now);
    } catch (error) {
      if (this.stopped) return;
      this.trouble(error.message);
      if (error.status !== 404) this.timer = setTimeout(() => this.again(), POLL); // it may come back
    }
  }

  async forget() {
    const { video } = this.lesson;
    this.stop();
    try {
      await request(this.address(), { method: "DELETE" });
    } catch (error) {
      if (error.status !== 404) return this.trouble(error.message);
    }
    localStorage.removeItem(REMEMBERED);
    location.hash = video ? `#/video/${video}` : "#/";
  }
}

// Which part of the page is shown, and what the server is asked. Names come from people and go
// into the page as text only.
import { Camera } from "/page/camera.js";
import { Lesson, lastLesson, learn, remove as removeStyle, rename } from "/page/lesson.js";
import { offerPart, partIn, showSides } from "/page/part.js";
import { Result } from "/page/result.js";
import { offerTurns, turnsIn } from "/page/timeline.js";
import { handIn, percent, pick, radio, request, timeLeft } from "/page/parts.js";

const POLL = 700; // milliseconds between looks at a video that is being painted
const REMEMBERED = "brushflow-video";
const SIZES = [1920, 1280, 960, 640, 480, 320];
const sections = ["home", "choose", "progress", "result", "failed", "lesson", "camera"];
const result = new Result();
let about = null;
let camera = null;
let lesson = null;
let fresh = ""; // a style that was learned or renamed a moment ago, and is what will be chosen
let job = null;
let timer = 0;
let acts = 0; // counts what was asked to change the job; what was seen before that is too old
let visit = 0; // counts the places shown; an answer that comes when another is shown is too late

function show(section) {
  for (const name of sections) pick(name).hidden = name !== section;
  for (const title of document.querySelectorAll(".name")) title.textContent = job ? job.name : "";
  document.title = job ? `${job.name} – brushflow` : "brushflow";
  if (section !== "result") result.clear();
}

function trouble(sentence) {
  pick("trouble").textContent = sentence;
  pick("trouble").hidden = !sentence;
}

const address = (rest = "") => `/api/videos/${encodeURIComponent(job.id)}${rest}`;

// ---- where we are: #/, #/camera, #/video/ID or #/painting/ID

async function go() {
  clearTimeout(timer);
  trouble("");
  if (camera) camera.stop();
  if (lesson) {
    lesson.stop();
    fresh = lesson.lesson.style || fresh;
  }
  camera = job = lesson = null;
  const mine = ++visit;
  try {
    about = await request("/api/about"); // styles come and go
    if (mine !== visit) return;
    const [, place, id] = location.hash.split("/");
    if (place === "video" && id) {
      const found = await request(`/api/videos/${encodeURIComponent(id)}`);
      if (mine !== visit) return;
      job = found;
      localStorage.setItem(REMEMBERED, id);
      return present();
    }
    if (place === "painting" && id) {
      const found = await request(`/api/paintings/${encodeURIComponent(id)}`);
      if (mine !== visit) return;
      show("lesson");
      lesson = new Lesson(found, trouble);
      return;
    }
    if (place === "camera") {
      show("camera");
      camera = new Camera(about.styles, trouble);
      return await camera.start();
    }
  } catch (error) {
    if (mine !== visit) return;
    trouble(error.message);
  }
  await home();
}

async function home() {
  show("home");
  pick("uploaded").hidden = true;
  const megabytes = about ? about.max_upload / 2 ** 20 : 0;
  pick("limit").textContent = megabytes >= 1024 ? `${+(megabytes / 1024).toFixed(1)} GB` : `${+megabytes.toFixed(1)} MB`;
  pick("last").hidden = pick("last-lesson").hidden = true;
  const mine = visit;
  // Both cards come at once: one that came later would push the other from under the pointer.
  const [painting, last] = await Promise.all([lastLesson(), lastVideo()]);
  if (mine !== visit) return;
  if (painting && painting.state !== "done") {
    const states = { waiting: "waiting", learning: "being learned", failed: "failed" };
    pick("last-lesson-name").textContent = `${painting.name} · ${states[painting.state]}`;
    pick("last-lesson").href = `#/painting/${painting.id}`;
    pick("last-lesson").hidden = false;
  }
  if (last) {
    const states = { new: "not painted yet", waiting: "waiting", painting: "being painted",
      done: "painted", failed: "failed", cancelled: "cancelled" };
    pick("last-name").textContent = `${last.name} · ${states[last.state]}`;
    pick("last").href = `#/video/${last.id}`;
    pick("last").hidden = false;
  }
}

async function lastVideo() {
  const id = localStorage.getItem(REMEMBERED);
  if (!id) return null;
  try {
    return await request(`/api/videos/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status === 404) localStorage.removeItem(REMEMBERED);
    return null;
  }
}

function present() {
  if (job.state === "new" || job.state === "cancelled") return choose();
  if (job.state === "waiting" || job.state === "painting") return follow();
  if (job.state === "done") {
    show("result");
    return result.open(job, address);
  }
  show("failed");
  pick("problem").textContent = job.problem;
}

// ---- handing in

function fits(file) {
  // The server looks too; this only spares the way there.
  if (file.size <= (about?.max_upload ?? Infinity)) return true;
  trouble(`${file.name} is larger than ${pick("limit").textContent}.`);
  return false;
}

async function upload(file) {
  if (!fits(file)) return;
  const path = `/api/videos?name=${encodeURIComponent(file.name)}`;
  const found = await handIn(path, file, pick("uploaded"), trouble);
  if (found) location.hash = `#/video/${found.id}`;
}

async function uploadPainting(file) {
  if (fits(file)) await learn(file, job ? job.id : "", pick(job ? "painting-sent" : "uploaded"), trouble);
}

// A mask for the video at hand; what else was chosen stays.
async function uploadMask(file) {
  if (!fits(file)) return;
  const mine = visit;
  const path = address(`/mask?name=${encodeURIComponent(file.name)}`);
  const found = await handIn(path, file, pick("mask-sent"), trouble);
  if (!found || mine !== visit) return;
  job = found;
  offerPart(job, about.styles, { ...partIn(), mask: "file" });
  offerOwn();
}

// ---- choosing

// Show what was chosen; at first, what is usual.
function choose(chosenBefore = job.choice) {
  const was = chosenBefore || { style: about.styles[0], max_size: null, strength: 1 };
  const known = ["", ...about.styles]; // none is all of them
  const chosen = [fresh || was.style, was.style, about.styles[0]].find((style) => known.includes(style));
  fresh = "";
  pick("styles").querySelectorAll("label.style").forEach((old) => old.remove());
  for (const style of about.styles) {
    const picture = new Image();
    picture.alt = "";
    picture.loading = "lazy";
    picture.src = address(`/styles/${encodeURIComponent(style)}`);
    pick("every").before(radio("style", "style", style, style === chosen, picture));
  }
  pick("every").querySelector("input").checked = chosen === "";
  const longest = Math.max(job.width, job.height);
  const options = [["", `as it is, ${job.width} × ${job.height}`]];
  for (const size of SIZES.filter((size) => size < longest)) {
    const scale = size / longest;
    options.push([size, `${Math.round(job.width * scale)} × ${Math.round(job.height * scale)}`]);
  }
  pick("size").replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  // Large videos take long: begin with a size that shows something soon.
  const usual = longest > 960 ? 960 : "";
  pick("size").value = chosenBefore ? was.max_size ?? "" : usual;
  pick("strength").value = 100 * was.strength;
  pick("strength-shown").textContent = percent(was.strength);
  pick("colors").checked = Boolean(was.keep_colors);
  offerPart(job, about.styles, was);
  offerTurns(pick("timeline"), about.styles, job.picture ? null : was.turns || []);
  pick("form-label").hidden = job.picture;
  pick("form").value = was.form || "mp4";
  offerOwn();
  document.querySelector("#choose .facts").textContent =
    `${job.width} × ${job.height} · the styles below are painted on ${job.picture ? "it" : "one of its frames"}`;
  show("choose");
}

const chosenStyle = () => document.querySelector("#styles input:checked").value;

// What may be renamed and deleted, if it is what is chosen; and what goes with every style.
function offerOwn() {
  const every = chosenStyle() === "";
  pick("own-style").hidden = !about.learned.includes(chosenStyle());
  pick("timeline").hidden = every || job.picture;
  showSides(every);
}

// MP4 has no transparency, so a file that can keep it takes its place.
function chooseWhere() {
  offerOwn();
  if (pick("where").value === "alpha" && pick("form").value === "mp4") pick("form").value = "webm";
}

async function changeStyle(change) {
  const style = chosenStyle();
  const mine = visit;
  const changed = await change(style, trouble);
  if (!changed || mine !== visit) return;
  try {
    const now = await request("/api/about");
    if (mine !== visit) return;
    about = now;
  } catch (error) {
    if (mine === visit) trouble(error.message);
    return;
  }
  // What else was chosen stays; a style that is gone is left out.
  const called = (each) => (each === style && changed !== true ? changed : each);
  const now = choiceNow();
  const turns = now.turns.map(([second, each]) => [second, called(each)]);
  choose({ ...now, style: called(style), outside: called(now.outside), turns });
}

// What stands in the form, as the server wants it.
function choiceNow() {
  const size = pick("size").value;
  return {
    style: chosenStyle(),
    max_size: size ? Number(size) : null,
    strength: pick("strength").value / 100,
    keep_colors: pick("colors").checked,
    turns: pick("timeline").hidden ? [] : turnsIn(pick("timeline")),
    form: pick("form-label").hidden ? "mp4" : pick("form").value,
    ...partIn(),
  };
}

async function paint() {
  const json = choiceNow();
  pick("preview").dataset.job = ""; // what it shows is of an earlier painting
  await act(() => request(address("/paint"), { method: "POST", json }));
}

// ---- watching

function stageText() {
  if (job.state === "painting" && job.picture) return "Painting";
  if (job.state === "waiting" || !job.progress) {
    if (!job.ahead) return "It is about to begin";
    return job.ahead === 1 ? "One video is painted before yours" : `${job.ahead} videos are painted before yours`;
  }
  const { stage, done, total, seconds_left: left } = job.progress;
  const doing = { scan: "Looking at the video", stylize: "Painting", assemble: "Putting it together",
    compare: "Preparing the comparison" }[stage] || stage;
  const frames = total ? ` · frame ${done} of ${total}` : "";
  return doing + frames + (stage === "stylize" ? timeLeft(left) : "");
}

function follow() {
  show("progress");
  pick("stage").textContent = stageText();
  const bar = pick("done");
  const { progress } = job;
  if (progress && progress.total) bar.value = progress.done / progress.total;
  else bar.removeAttribute("value");
  const preview = pick("preview");
  if (preview.dataset.job !== job.id) {
    preview.hidden = true;
    preview.dataset.job = job.id;
  }
  if (job.preview) {
    const next = new Image();
    const shown = job.id;
    next.onload = () => {
      if (job?.id !== shown) return;
      preview.src = next.src;
      preview.hidden = false;
    };
    next.src = address(`/preview?at=${progress ? progress.done : 0}`);
  }
  const id = job.id;
  const before = acts;
  const late = () => job?.id !== id || acts !== before;
  clearTimeout(timer);
  timer = setTimeout(async () => {
    try {
      const now = await request(address());
      if (late()) return;
      trouble("");
      job = now;
      present();
    } catch (error) {
      if (late()) return;
      trouble(error.message);
      if (error.status !== 404) follow(); // the server may come back, and the job with it
    }
  }, POLL);
}

// Ask the server for something that changes the job, and show what came of it. What is refused
// leaves the form as it is, to be chosen otherwise.
async function act(asking) {
  clearTimeout(timer);
  acts++;
  trouble("");
  const mine = visit;
  try {
    const changed = await asking();
    if (mine !== visit) return;
    job = changed;
  } catch (error) {
    if (mine !== visit) return;
    trouble(error.message);
    if (!pick("choose").hidden) return;
  }
  if (job) present();
}

async function remove() {
  if (!confirm("Delete it and its painting?")) return;
  const mine = visit;
  try {
    await request(address(), { method: "DELETE" });
    if (mine !== visit) return;
    localStorage.removeItem(REMEMBERED);
    location.hash = "#/";
  } catch (error) {
    if (mine === visit) trouble(error.message);
  }
}

for (const [id, hand] of [["file", upload], ["mask", uploadMask], ["painting-home", uploadPainting],
  ["painting-here", uploadPainting]]) {
  pick(id).onchange = (event) => {
    if (event.target.files.length) hand(event.target.files[0]);
    event.target.value = "";
  };
}
// Where what is dropped goes: a mask or a painting onto its own place, or onto a video's styles.
function dropPlace(target) {
  if (!pick("choose").hidden) return target.closest?.("#part") ? pick("new-mask") : pick("new-style");
  if (pick("home").hidden) return null;
  return target.closest?.("#drop-painting") || pick("drop");
}
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault(); // a video dropped beside the area must not replace the page
    const place = dropPlace(event.target);
    for (const each of document.querySelectorAll(".over")) each.classList.remove("over");
    if (kind === "dragover") place?.classList.add("over");
    if (kind !== "drop" || !place || !event.dataTransfer.files.length) return;
    ({ drop: upload, "new-mask": uploadMask }[place.id] || uploadPainting)(event.dataTransfer.files[0]);
  });
}
pick("styles").onchange = offerOwn;
pick("where").onchange = chooseWhere;
pick("rename-style").onclick = () => changeStyle(rename);
pick("delete-style").onclick = () => changeStyle(removeStyle);
pick("strength").oninput = (event) => {
  pick("strength-shown").textContent = percent(event.target.value / 100);
};
pick("paint").onclick = paint;
pick("cancel").onclick = () => act(() => request(address("/cancel"), { method: "POST" }));
pick("again").onclick = pick("retry").onclick = () => choose();
for (const button of document.querySelectorAll(".delete")) button.onclick = remove;
addEventListener("hashchange", go);
go();

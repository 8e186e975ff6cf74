// Which part of the page is shown, and what the server is asked. Names come from people and go
// into the page as text only.
import { Camera } from "/page/camera.js";
import { Compare } from "/page/compare.js";
import { percent, pick, radio, request } from "/page/parts.js";

const POLL = 700; // milliseconds between looks at a video that is being painted
const REMEMBERED = "brushflow-video";
const SIZES = [1920, 1280, 960, 640, 480, 320];
const sections = ["home", "choose", "progress", "result", "failed", "camera"];
const compare = new Compare();
let about = null;
let camera = null;
let job = null;
let timer = 0;
let visit = 0; // counts the places shown; an answer that comes when another is shown is too late

function show(section) {
  for (const name of sections) pick(name).hidden = name !== section;
  for (const title of document.querySelectorAll(".name")) title.textContent = job ? job.name : "";
  document.title = job ? `${job.name} – brushflow` : "brushflow";
  if (section !== "result") compare.clear();
}

function trouble(sentence) {
  pick("trouble").textContent = sentence;
  pick("trouble").hidden = !sentence;
}

const address = (rest = "") => `/api/videos/${encodeURIComponent(job.id)}${rest}`;

// ---- where we are: #/, #/camera or #/video/ID

async function go() {
  clearTimeout(timer);
  trouble("");
  if (camera) camera.stop();
  camera = job = null;
  const mine = ++visit;
  try {
    about = about || await request("/api/about");
    if (mine !== visit) return;
    const [, place, id] = location.hash.split("/");
    if (place === "video" && id) {
      const found = await request(`/api/videos/${encodeURIComponent(id)}`);
      if (mine !== visit) return;
      job = found;
      localStorage.setItem(REMEMBERED, id);
      return present();
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
  const id = localStorage.getItem(REMEMBERED);
  pick("last").hidden = true;
  if (!id) return;
  const mine = visit;
  try {
    const last = await request(`/api/videos/${encodeURIComponent(id)}`);
    if (mine !== visit) return;
    const states = { new: "not painted yet", waiting: "waiting", painting: "being painted",
      done: "painted", failed: "failed", cancelled: "cancelled" };
    pick("last-name").textContent = `${last.name} · ${states[last.state]}`;
    pick("last").href = `#/video/${id}`;
    pick("last").hidden = false;
  } catch (error) {
    if (error.status === 404) localStorage.removeItem(REMEMBERED);
  }
}

function present() {
  if (job.state === "new" || job.state === "cancelled") return choose();
  if (job.state === "waiting" || job.state === "painting") return follow();
  if (job.state === "done") return result();
  show("failed");
  pick("problem").textContent = job.problem;
}

// ---- handing in

function upload(file) {
  trouble("");
  // The server looks too; this only spares the way there.
  if (file.size > (about?.max_upload ?? Infinity)) {
    return trouble(`${file.name} is larger than ${pick("limit").textContent}.`);
  }
  const bar = pick("uploaded");
  bar.hidden = false;
  bar.value = 0;
  const sending = new XMLHttpRequest(); // fetch does not tell how much has been sent
  sending.open("POST", `/api/videos?name=${encodeURIComponent(file.name)}`);
  sending.responseType = "json";
  sending.upload.onprogress = (event) => { bar.value = event.loaded / event.total; };
  sending.onerror = () => {
    bar.hidden = true;
    trouble("The server cannot be reached, or it refused this.");
  };
  sending.onload = () => {
    bar.hidden = true;
    if (sending.status === 201) location.hash = `#/video/${sending.response.id}`;
    else trouble(sending.response?.detail || "It could not be handed in.");
  };
  sending.send(file);
}

// ---- choosing

function choose() {
  const was = job.choice || { style: about.styles[0], max_size: null, strength: 1 };
  pick("styles").querySelectorAll(".style").forEach((old) => old.remove());
  for (const style of about.styles) {
    const picture = new Image();
    picture.alt = "";
    picture.loading = "lazy";
    picture.src = address(`/styles/${encodeURIComponent(style)}`);
    pick("styles").append(radio("style", "style", style, style === was.style, picture));
  }
  const longest = Math.max(job.width, job.height);
  const options = [["", `as it is, ${job.width} × ${job.height}`]];
  for (const size of SIZES.filter((size) => size < longest)) {
    const scale = size / longest;
    options.push([size, `${Math.round(job.width * scale)} × ${Math.round(job.height * scale)}`]);
  }
  pick("size").replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  // Large videos take long: begin with a size that shows something soon.
  const usual = longest > 960 ? 960 : "";
  pick("size").value = job.choice ? was.max_size ?? "" : usual;
  pick("strength").value = 100 * was.strength;
  pick("strength-shown").textContent = percent(was.strength);
  pick("colors").checked = Boolean(was.keep_colors);
  document.querySelector("#choose .facts").textContent =
    `${job.width} × ${job.height} · the styles below are painted on ${job.picture ? "it" : "one of its frames"}`;
  show("choose");
}

async function paint() {
  const size = pick("size").value;
  const choice = {
    style: document.querySelector("#styles input:checked").value,
    max_size: size ? Number(size) : null,
    strength: pick("strength").value / 100,
    keep_colors: pick("colors").checked,
  };
  await act(() => request(address("/paint"), { method: "POST", json: choice }));
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
  let rest = "";
  if (stage === "stylize" && left !== null) {
    rest = left < 90 ? ` · ${Math.max(1, Math.round(left))} s left` : ` · ${Math.round(left / 60)} min left`;
  }
  return doing + frames + rest;
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
  timer = setTimeout(async () => {
    try {
      const now = await request(address());
      if (job?.id !== id) return;
      trouble("");
      job = now;
      present();
    } catch (error) {
      if (job?.id !== id) return;
      trouble(error.message);
      if (error.status !== 404) follow(); // the server may come back, and the job with it
    }
  }, POLL);
}

// ---- done

function result() {
  show("result");
  const kind = job.picture ? "png" : "mp4";
  compare.open(address(`/original.${kind}`), address(`/painted.${kind}`), job.width / job.height, job.picture);
  pick("download").href = address(`/painted.${kind}?download=true`);
  pick("notes").replaceChildren(...job.notes.map((note) => {
    const line = document.createElement("li");
    line.textContent = note;
    return line;
  }));
}

// Ask the server for something that changes the job, and show what came of it.
async function act(asking) {
  clearTimeout(timer);
  trouble("");
  const mine = visit;
  try {
    const changed = await asking();
    if (mine !== visit) return;
    job = changed;
  } catch (error) {
    if (mine !== visit) return;
    trouble(error.message);
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

const drop = pick("drop");
pick("file").onchange = (event) => {
  if (event.target.files.length) upload(event.target.files[0]);
  event.target.value = "";
};
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault(); // a video dropped beside the area must not replace the page
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && !pick("home").hidden && event.dataTransfer.files.length) {
      upload(event.dataTransfer.files[0]);
    }
  });
}
pick("strength").oninput = (event) => {
  pick("strength-shown").textContent = percent(event.target.value / 100);
};
pick("paint").onclick = paint;
pick("cancel").onclick = () => act(() => request(address("/cancel"), { method: "POST" }));
pick("again").onclick = pick("retry").onclick = choose;
for (const button of document.querySelectorAll(".delete")) button.onclick = remove;
addEventListener("hashchange", go);
go();

// Two videos, or two pictures, on top of each other with a slider between them; videos play in step.
import { pick } from "/page/parts.js";

const APART = 0.05; // seconds that the two may differ by before one is put right

export class Compare {
  constructor() {
    this.painted = pick("painted");
    this.original = pick("original");
    this.opened = "";
    pick("split").oninput = (event) => this.split(event.target.value);
    pick("play").onclick = () => (this.painted.paused ? this.painted.play() : this.painted.pause());
    pick("seek").oninput = (event) => {
      const { duration } = this.painted;
      if (duration) this.painted.currentTime = event.target.value / 1000 * duration;
    };
    this.painted.onplay = () => { pick("play").textContent = "Pause"; this.original.play(); };
    this.painted.onpause = () => { pick("play").textContent = "Play"; this.original.pause(); };
    this.painted.ontimeupdate = this.painted.onseeked = () => this.keepInStep();
  }

  open(original, painted, aspect, still) {
    if (this.opened === painted) return;
    this.opened = painted;
    // Painted anew it has the same address, but is not the same.
    const anew = (place) => `${place}${place.includes("?") ? "&" : "?"}at=${Date.now()}`;
    const shown = still ? ["original-still", "painted-still"] : ["original", "painted"];
    for (const id of ["original", "painted", "original-still", "painted-still"]) {
      pick(id).hidden = !shown.includes(id);
    }
    document.querySelector(".player").hidden = still;
    pick(shown[0]).src = anew(original);
    pick(shown[1]).src = anew(painted);
    // As wide as the picture, so that the slider's edge lies on it.
    pick("wipe").style.maxWidth = `calc(68vh * ${aspect})`;
    pick("wipe").style.marginInline = "auto";
    pick("split").value = 50;
    this.split(50);
    this.painted.muted = false;
  }

  clear() {
    if (!this.opened) return;
    this.opened = "";
    for (const video of [this.original, this.painted]) {
      video.pause();
      video.removeAttribute("src");
      video.load();
    }
    for (const id of ["original-still", "painted-still"]) pick(id).removeAttribute("src");
  }

  split(value) {
    pick("wipe").style.setProperty("--split", `${value}%`);
  }

  keepInStep() {
    const { currentTime: now, duration } = this.painted;
    if (Math.abs(this.original.currentTime - now) > APART) this.original.currentTime = now;
    if (duration) pick("seek").value = 1000 * now / duration;
    const seconds = Math.floor(now);
    pick("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

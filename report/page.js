"use strict";
// Plays all videos of the page in step. The left one of the pair under the slider leads.
(() => {
  const player = document.getElementById("player");
  if (!player) return;
  const byId = (id) => document.getElementById(id);
  const rate = Number(player.dataset.rate);
  const [left, right] = [byId("left"), byId("right")];
  const videos = [...player.querySelectorAll("video")];
  const [play, seek, clock, speed, wipe] = ["play", "seek", "clock", "speed", "wipe"].map(byId);

  // Every video is in the page once; all elements that show it share one object URL.
  const urls = [...player.querySelectorAll("script.clip")].map((clip) => {
    const bytes = Uint8Array.from(atob(clip.textContent.split(",")[1]), (c) => c.charCodeAt(0));
    clip.remove();
    return URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  });
  for (const video of videos) video.src = urls[video.dataset.clip];

  // The middle of a frame, so that rounding shows the same one everywhere.
  const middle = (frame) => (Math.max(0, frame) + 0.5) / rate;
  const frameNow = () => Math.floor(left.currentTime * rate + 0.01);
  const lastFrame = () => Math.max(0, Math.round((left.duration || 0) * rate) - 1);

  function showTime() {
    const frame = frameNow();
    clock.textContent = `${(frame / rate).toFixed(2)} s`;
    seek.value = (1000 * frame) / Math.max(1, lastFrame());
    for (const chart of document.querySelectorAll("svg.chart")) {
      const [x0, x1, frames] = ["left", "right", "frames"].map((key) => Number(chart.dataset[key]));
      const x = x0 + ((x1 - x0) * frame) / Math.max(1, frames - 1);
      const head = chart.querySelector(".playhead");
      head.setAttribute("x1", x);
      head.setAttribute("x2", x);
    }
    document.body.classList.add("playing");
  }

  function goTo(frame) {
    const time = middle(Math.min(frame, lastFrame()));
    for (const video of videos) video.currentTime = time;
    showTime();
  }

  function setPlaying(on) {
    if (on && left.ended) goTo(0);
    for (const video of videos) on ? video.play().catch(() => {}) : video.pause();
    play.textContent = on ? "Pause" : "Play";
    on ? requestAnimationFrame(keepInStep) : goTo(frameNow());
  }

  function keepInStep() {
    if (play.textContent !== "Pause") return;
    if (left.ended) {
      goTo(0);
      setPlaying(true);
      return;
    }
    for (const video of videos) {
      const late = video.currentTime - left.currentTime;
      if (video !== left && !video.seeking && Math.abs(late) > 0.75 / rate) {
        video.currentTime = left.currentTime;
      }
    }
    showTime();
    requestAnimationFrame(keepInStep);
  }

  function setWipe() {
    right.style.clipPath = `inset(0 0 0 ${wipe.value}%)`;
    player.querySelector(".edge").style.left = `${wipe.value}%`;
  }

  function choose(video, choice) {
    const playing = play.textContent === "Pause";
    const frame = frameNow();
    setPlaying(false);
    video.src = urls[choice.value];
    video.playbackRate = Number(speed.value);
    video.addEventListener("loadeddata", () => {
      goTo(frame);
      setPlaying(playing);
    }, { once: true });
  }

  byId("left-choice").addEventListener("change", (event) => choose(left, event.target));
  byId("right-choice").addEventListener("change", (event) => choose(right, event.target));
  play.addEventListener("click", () => setPlaying(play.textContent === "Play"));
  byId("back").addEventListener("click", () => { setPlaying(false); goTo(frameNow() - 1); });
  byId("forth").addEventListener("click", () => { setPlaying(false); goTo(frameNow() + 1); });
  seek.addEventListener("input", () => goTo(Math.round((seek.value / 1000) * lastFrame())));
  speed.addEventListener("change", () => {
    for (const video of videos) video.playbackRate = Number(speed.value);
  });
  wipe.addEventListener("input", setWipe);
  left.addEventListener("loadeddata", () => goTo(0), { once: true });
  setWipe();
})();

// The browser's camera: one picture at a time goes to the server, and the next one when its
// painting is back. So nothing ever waits, and what is seen is as new as can be.
import { percent, pick, radio } from "/page/parts.js";

const QUALITY = 0.85;
const SPAN = 2000; // milliseconds that the shown numbers are taken over

export class Camera {
  constructor(styles, trouble) {
    this.trouble = trouble;
    this.canvas = document.createElement("canvas");
    this.recent = [];
    this.stopped = false;
    const list = pick("live-styles");
    list.querySelectorAll(".chip").forEach((old) => old.remove());
    styles.forEach((style, i) => list.append(radio("chip", "live-style", style, i === 0)));
    list.onchange = pick("live-size").onchange = pick("carry").onchange = () => this.tell();
    pick("live-strength").oninput = () => this.tell();
    pick("save").onclick = () => this.save();
  }

  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give the camera only to pages of this computer, or by https.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
    } catch (error) {
      throw new Error(error.name === "NotAllowedError"
        ? "The browser was not allowed to use the camera."
        : "There is no camera that the browser can use.");
    }
    this.stream = stream;
    if (this.stopped) return this.stop();
    const lens = pick("lens");
    lens.srcObject = stream;
    await lens.play();
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/camera`);
    this.socket.binaryType = "blob";
    this.socket.onopen = () => { this.tell(); this.send(); };
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = () => {
      if (!this.stopped && pick("trouble").hidden) this.trouble("The server has ended the connection.");
    };
    stream.getVideoTracks()[0].onended = () => this.trouble("The camera is gone.");
  }

  stop() {
    this.stopped = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.socket?.close();
    pick("lens").srcObject = null;
    pick("live").hidden = true;
    pick("easel").classList.remove("painting");
    pick("numbers").textContent = "";
  }

  settings() {
    return {
      style: document.querySelector("#live-styles input:checked").value,
      strength: pick("live-strength").value / 100,
      carry: pick("carry").checked,
      size: Number(pick("live-size").value),
    };
  }

  tell() {
    const settings = this.settings();
    pick("live-strength-shown").textContent = percent(settings.strength);
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(settings));
  }

  send() {
    if (this.stopped || this.socket.readyState !== WebSocket.OPEN) return;
    const lens = pick("lens");
    // Sent no larger than it is painted.
    const scale = Math.min(1, this.settings().size / Math.max(lens.videoWidth, lens.videoHeight));
    this.canvas.width = Math.round(lens.videoWidth * scale);
    this.canvas.height = Math.round(lens.videoHeight * scale);
    this.canvas.getContext("2d").drawImage(lens, 0, 0, this.canvas.width, this.canvas.height);
    this.sent = performance.now();
    this.canvas.toBlob((blob) => {
      if (blob && this.socket.readyState === WebSocket.OPEN) this.socket.send(blob);
    }, "image/jpeg", QUALITY);
  }

  receive(data) {
    if (this.stopped) return;
    if (typeof data === "string") {
      this.trouble(JSON.parse(data).problem);
      setTimeout(() => this.send(), 1000);
      return;
    }
    const picture = pick("live");
    const before = picture.src;
    const taken = this.sent;
    picture.onload = () => {
      if (before.startsWith("blob:")) URL.revokeObjectURL(before);
      this.count(taken, performance.now());
    };
    this.latest = data;
    picture.src = URL.createObjectURL(data);
    picture.hidden = false;
    pick("easel").classList.add("painting");
    this.send();
  }

  count(taken, now) {
    this.recent.push([now, now - taken]);
    this.recent = this.recent.filter(([moment]) => moment > now - SPAN);
    if (this.recent.length < 2) return;
    const rate = 1000 * (this.recent.length - 1) / (now - this.recent[0][0]);
    const ages = this.recent.map(([, age]) => age).sort((a, b) => a - b);
    const age = ages[Math.floor(ages.length / 2)];
    pick("numbers").textContent = `${rate.toFixed(1)} per second · ${Math.round(age)} ms`;
  }

  save() {
    if (!this.latest) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(this.latest);
    link.download = "painting.jpg";
    link.click();
    URL.revokeObjectURL(link.href);
  }
}

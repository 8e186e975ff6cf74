// What was painted: beside the original, in each of its styles, and as a file to take along.
import { Compare } from "/page/compare.js";
import { pick, radio } from "/page/parts.js";

const FILES = { gif: "GIF", apng: "animated PNG", webp: "WebP", webm: "WebM", mov: "QuickTime file" };

export class Result {
  constructor() {
    this.compare = new Compare();
    pick("made").onchange = () => {
      this.see([...document.querySelectorAll("#made input")].findIndex((one) => one.checked));
    };
  }

  // ``address``: of a part of the job.
  open(job, address) {
    this.job = job;
    this.address = address;
    const { styles } = job.choice;
    pick("made").hidden = styles.length < 2;
    pick("made").querySelectorAll("label").forEach((old) => old.remove());
    pick("made").append(...styles.map((style, number) => radio("chip", "made", style, number === 0)));
    pick("notes").replaceChildren(...job.notes.map((note) => {
      const line = document.createElement("li");
      line.textContent = note;
      return line;
    }));
    this.see(0);
  }

  // See the painting with this number.
  see(number) {
    const { picture, choice, width, height } = this.job;
    const kind = picture ? "png" : "mp4";
    const made = picture ? kind : choice.form;
    const painted = this.address(`/shown.${kind}?number=${number}`);
    this.compare.open(this.address(`/original.${kind}`), painted, width / height, picture);
    pick("download").href = this.address(`/painted.${made}?number=${number}&download=true`);
    pick("download").textContent = FILES[made] ? `Download the ${FILES[made]}` : "Download";
  }

  clear() {
    this.compare.clear();
  }
}

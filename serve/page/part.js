// Where it is painted: everywhere, where a mask that is handed in is white, or where the file
// itself is not transparent; and what becomes of the rest.
import { pick } from "/page/parts.js";

// Show what was chosen for a job; a mask that was handed in a moment ago is what will be chosen.
export function offerPart(job, styles, choice) {
  const places = [["", "everywhere"]];
  if (job.mask) places.push(["file", `where ${job.mask} is white`]);
  if (job.transparent) places.push(["alpha", "where the file is not transparent"]);
  pick("where").replaceChildren(...places.map(([value, text]) => new Option(text, value)));
  pick("where").value = places.some(([value]) => value === choice.mask) ? choice.mask : "";
  const rest = [["", "left as it is"], ...styles.map((style) => [style, `painted like ${style}`])];
  pick("outside").replaceChildren(...rest.map(([value, text]) => new Option(text, value)));
  pick("outside").value = styles.includes(choice.outside) ? choice.outside : "";
  pick("invert").checked = Boolean(choice.mask_invert);
  pick("new-mask").querySelector("b").textContent = job.mask ? "Hand in another mask" : "Hand in a mask";
  pick("part").open = Boolean(choice.mask);
  showSides();
}

// Only a mask has another side; and where all styles are painted, there is no other one.
export function showSides(all = false) {
  const sides = pick("where").value === "file";
  pick("outside-label").hidden = !sides || all;
  pick("invert-label").hidden = !sides;
}

// What stands there now, as the server wants it.
export function partIn() {
  const sides = pick("where").value === "file";
  const outside = pick("outside-label").hidden ? "" : pick("outside").value;
  return { mask: pick("where").value, mask_invert: sides && pick("invert").checked, outside };
}

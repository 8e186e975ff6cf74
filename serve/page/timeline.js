// Styles over time: a row for each moment from which the painting turns to another style.

const STEP = 5; // seconds from the last row to a new one

function row(styles, second, style) {
  const line = document.createElement("li");
  const from = document.createElement("label");
  const time = document.createElement("input");
  Object.assign(time, { type: "number", min: 0, max: 86400, step: 0.1, value: second });
  from.append("From second ", time);
  const kinds = document.createElement("select");
  kinds.ariaLabel = "Style from then on";
  kinds.append(...styles.map((name) => new Option(name, name, false, name === style)));
  const away = document.createElement("button");
  Object.assign(away, { type: "button", className: "plain", textContent: "Leave out" });
  away.onclick = () => line.remove();
  line.append(from, kinds, away);
  return line;
}

// Show what was chosen, pairs of a second and a style; null where nothing can change over time.
export function offerTurns(place, styles, turns) {
  place.hidden = turns === null;
  place.open = Boolean(turns?.length);
  const list = place.querySelector("ol");
  const known = (turns || []).filter(([, style]) => styles.includes(style));
  list.replaceChildren(...known.map(([second, style]) => row(styles, second, style)));
  place.querySelector("#add-turn").onclick = () => {
    const last = turnsIn(place).at(-1);
    const next = (styles.indexOf(last ? last[1] : styles[0]) + 1) % styles.length;
    list.append(row(styles, (last ? last[0] : 0) + STEP, styles[next]));
  };
}

// What stands there now.
export function turnsIn(place) {
  return [...place.querySelectorAll("li")].map((line) => [
    Number(line.querySelector("input").value), line.querySelector("select").value,
  ]);
}

// Small things that all parts of the page use.

export const pick = (id) => document.getElementById(id);

export const percent = (share) => `${Math.round(100 * share)} %`;

// JSON of an answer; an Error with the server's sentence if it refuses.
export async function request(path, { method = "GET", json } = {}) {
  const options = { method };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server cannot be reached; is it still running?");
  }
  const content = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) {
    const error = new Error(content?.detail || "The server could not do this.");
    error.status = answer.status;
    throw error;
  }
  return content;
}

// A label with a radio button, a picture if there is one, and the value as its words.
export function radio(kind, group, value, checked, picture) {
  const label = document.createElement("label");
  label.className = kind;
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: group, value, checked });
  const words = document.createElement("span");
  words.textContent = value;
  label.append(input, ...(picture ? [picture] : []), words);
  return label;
}

// Hand in a file; its address then, or nothing where that failed, which ``trouble`` has told.
export function handIn(path, file, bar, trouble) {
  trouble("");
  bar.hidden = false;
  bar.value = 0;
  const sending = new XMLHttpRequest(); // fetch does not tell how much has been sent
  sending.open("POST", path);
  sending.responseType = "json";
  sending.upload.onprogress = (event) => { bar.value = event.loaded / event.total; };
  return new Promise((resolve) => {
    const end = (sentence, answer) => {
      bar.hidden = true;
      if (sentence) trouble(sentence);
      resolve(answer);
    };
    sending.onerror = () => end("The server cannot be reached, or it refused this.");
    sending.onload = () => (sending.status === 201
      ? end("", sending.response)
      : end(sending.response?.detail || "It could not be handed in."));
    sending.send(file);
  });
}

// How long something still takes, in words; nothing where that is not known.
export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined) return "";
  return seconds < 90 ? ` · ${Math.max(1, Math.round(seconds))} s left` : ` · ${Math.round(seconds / 60)} min left`;
}

// The world around the house: what breaks, how time passes, what happens in a night, what happened.

import { attempt, byId, get, make, post, put } from "./api.js";

// --- faults

const WORDS = {
  network: "Network", smtp: "Mail server", phone: "Telephone service", camera: "Camera", nodemcu: "NodeMCU's cable", finger: "Finger reader",
  down: "down", hang: "says nothing", 451: "451 try later", 535: "535 login refused", 500: "500 fails", 429: "429 too many requests",
  busy: "everybody is engaged", "no-answer": "nobody answers", gone: "gone", stalled: "stalled", unplugged: "unplugged", garbage: "garbage on the line",
  silent: "silent", "wrong-sum": "wrong checksums", half: "half answers",
};

export function showFaults(choices, faults) {
  byId("switches").replaceChildren(...Object.entries(choices).map(([what, words]) => {
    const choose = make("select", { "data-fault": what }, make("option", { value: "" }, "works"), ...words.map((word) => make("option", { value: word }, WORDS[word] ?? word)));
    choose.value = faults[what] ?? "";
    choose.onchange = () => attempt(() => put("sim/faults", { [what]: choose.value || null }));
    return make("label", {}, WORDS[what] ?? what, " ", choose);
  }));
}

/** Somebody else, or a scenario, may have broken something. */
export function updateFaults(faults) {
  for (const choose of byId("switches").querySelectorAll("select")) {
    if (document.activeElement !== choose) choose.value = faults[choose.dataset.fault] ?? "";
    choose.classList.toggle("broken", choose.value !== "");
  }
}

// --- the clock

let told = Date.now(), since = performance.now(), speed = 1;

/** What time it is in the house. */
export const now = () => told + (performance.now() - since) * speed;

export function showClock(clock) {
  told = Date.parse(clock.now);
  since = performance.now();
  speed = clock.speed;
  byId("speed").value = speed;
}

export function clock() {
  byId("speed").onchange = (event) => attempt(async () => showClock(await put("sim/clock", { speed: Number(event.target.value) })));
}

export const clockTime = (at) => new Date(at).toLocaleTimeString("en-GB");

// --- scenarios

export async function showScenarios() {
  const { scenarios, playing } = await get("sim/scenarios");
  byId("nights").replaceChildren(...scenarios.map(({ name, title, about, fits, minutes }) => {
    const button = make("button", { type: "button", "data-scenario": name, disabled: !fits, onclick: () => play(name) });
    return make("li", {}, make("strong", {}, title), make("span", { class: "dim" }, ` ${minutes} min`), button, make("p", {}, fits ? about : `${about} (This house has not every sensor that it needs.)`));
  }));
  showPlaying(playing);
}

let watching;

/** Which one is played, until it is over. */
function showPlaying(playing) {
  for (const button of document.querySelectorAll("[data-scenario]")) button.textContent = button.dataset.scenario === playing ? "Playing …" : "Play";
  clearTimeout(watching);
  if (playing) watching = setTimeout(() => get("sim/scenarios").then((now) => showPlaying(now.playing), () => {}), 2_000);
}

async function play(name) {
  await attempt(() => post(`sim/scenarios/${name}`));
  await attempt(showScenarios);
}

// --- the timeline

let last = 0;
const MOST = 300;

/** What happened since the last look; newest first. Answers the new lines. */
export async function updateTimeline() {
  const { lines } = await get(last ? `sim/timeline?after=${last}` : "sim/timeline");
  for (const { id, at, kind, text, why } of lines) {
    if (id <= last) continue;
    last = id;
    byId("lines").prepend(make("li", { "data-kind": kind }, make("time", {}, clockTime(at)), make("span", {}, text ?? kind), why ? make("small", {}, why) : null));
  }
  while (byId("lines").children.length > MOST) byId("lines").lastElementChild.remove();
  return lines;
}

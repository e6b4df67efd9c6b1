// The virtual house. It has no logic of its own: it does to the shipped daemon what a person or
// a burglar would, through sim/* and the API, and shows what the daemon says.

import { attempt, byId, get, notice, post, put } from "./api.js";
import { figureIn } from "./figure.js";
import { people, showCalls, showFingers, showMails } from "./people.js";
import { drawHouse } from "./plan.js";
import { hear, toggle } from "./sound.js";
import { clock, clockTime, now, showClock, showFaults, showScenarios, updateFaults, updateTimeline } from "./world.js";

const POLL = 350, DARK_POLL = 400;
const STATES = {
  disarmed: "Disarmed", arming: "Leaving: the exit delay runs", armed_away: "Armed: away", armed_home: "Armed: home", armed_night: "Armed: night",
  pending: "Entry delay: disarm now", triggered: "ALARM", paused: "Paused",
};

let house, drawn, status, stream, powered = true, busy = false;

const sensorPath = (name) => `sim/sensors/${encodeURIComponent(name)}`;
const shown = (name) => drawn.sensors.get(name)?.group;

async function begin() {
  house = await get("sim/house");
  byId("site").textContent = house.site;
  document.title = `${house.site}: the virtual house`;
  drawn = drawHouse(byId("plan"), house, clicked);
  figureIn(byId("plan"), drawn.start, drawn.sensors, drawn.free, (sensor, what) => {
    const does = { moves: { pulse: "2s" }, crosses: { pulse: "500ms" }, breaks: { active: true }, frees: { active: false } }[what];
    void attempt(() => put(sensorPath(sensor.name), does));
  });
  showFaults(house.faults, await get("sim/faults"));
  people(house);
  clock();
  byId("sound").onclick = () => {
    const on = toggle();
    byId("sound").setAttribute("aria-pressed", on);
  };
  byId("power").onclick = () => attempt(switchPower);
  for (const button of document.querySelectorAll("[data-arm], [data-command]")) {
    const { arm, command } = button.dataset;
    button.onclick = () => attempt(() => (arm ? post("arm", { mode: arm }) : post(command)));
  }
  for (const name of house.active) shown(name)?.setAttribute("aria-pressed", "true");
  await live();
  setInterval(() => void poll(), POLL);
  setInterval(tick, 250);
}

/** A door, a tap, a button. */
function clicked({ name }, how) {
  const opens = shown(name).getAttribute("aria-pressed") !== "true";
  void attempt(async () => {
    await put(sensorPath(name), how === "press" ? { pulse: "500ms" } : { active: opens });
    if (how !== "press") shown(name).setAttribute("aria-pressed", opens);
  });
}

/** Follows the daemon, from what it is now. */
async function live() {
  stream?.close();
  stream = new EventSource("/api/v1/stream");
  stream.addEventListener("status", (event) => showStatus(JSON.parse(event.data)));
  stream.onmessage = () => void happened();
  stream.onerror = () => void look();
  showClock(await get("sim/clock"));
  showFingers((await get("people")).people);
  await happened();
  await showScenarios();
}

/** Something is in the history: the timeline, and what follows from it. */
async function happened() {
  const lines = await updateTimeline().catch(() => []);
  if (lines.some(({ kind }) => kind === "enrolled" || kind === "forgotten")) showFingers((await get("people")).people);
}

async function poll() {
  if (document.hidden || busy) return;
  busy = true;
  try {
    if (!powered) await look();
    else {
      const [outputs, calls, mails, faults] = await Promise.all([get("sim/outputs"), get("sim/calls"), get("sim/mails"), get("sim/faults")]);
      if (hear(outputs.heard) && outputs.heard.steps.length && !outputs.heard.repeats) chirp();
      showCalls(calls);
      showMails(mails);
      updateFaults(faults);
    }
  } catch {
    await look();
  } finally {
    busy = false;
  }
}

/** One beep is seen, too. */
function chirp() {
  drawn.horn?.classList.add("chirps");
  setTimeout(() => drawn.horn?.classList.remove("chirps"), 400);
}

/** Is there power? A house that comes back is followed again. */
async function look() {
  const on = await get("sim/power").then((power) => power.on, (error) => (error.status ? true : null));
  if (on === powered) return;
  if (on === null) return notice("The simulator does not answer. Has it been stopped?");
  powered = on;
  document.body.classList.toggle("dark", !on);
  byId("power").setAttribute("aria-pressed", on);
  if (on) {
    notice("");
    await attempt(live);
  } else {
    stream?.close();
    hear({ number: 0, steps: [], repeats: false });
    byId("state-word").textContent = "No power";
    byId("state-more").textContent = "the process is killed; what it knew is on its disk";
    drawn.fan?.classList.remove("on");
    drawn.horn?.classList.remove("on");
    for (const { group } of drawn.sensors.values()) group.classList.remove("active");
  }
}

async function switchPower() {
  if (powered && !house.power_switch) throw new Error("this simulator was started with --headless: it has no power switch");
  await put("sim/power", { on: !powered });
  setTimeout(() => void look(), DARK_POLL);
}

/** What the daemon says it is. */
function showStatus(told) {
  status = told;
  document.body.dataset.state = told.state;
  document.body.dataset.gas = told.gas;
  byId("state-word").textContent = STATES[told.state] ?? told.state;
  drawn.fan?.classList.toggle("on", told.outputs.exhaust.active);
  drawn.horn?.classList.toggle("on", told.outputs.buzzer.active);
  for (const { name, state } of told.sensors) {
    const group = shown(name);
    if (!group) continue;
    group.classList.toggle("active", state === "active");
    group.classList.toggle("silent", state === "silent");
    group.classList.toggle("inhibited", state === "inhibited");
  }
  tick();
}

/** The time, and what ends when. */
function tick() {
  byId("now").textContent = clockTime(now());
  if (!powered || !status) return;
  const more = [];
  if (status.until) more.push(`${Math.max(0, Math.ceil((Date.parse(status.until) - now()) / 1000))} s left`);
  if (status.gas === "alarm") more.push("GAS");
  if (status.gas === "unwatched") more.push("gas is not being watched");
  if (status.outputs.exhaust.active) more.push("the fan runs");
  for (const { acknowledged_by: by } of status.incidents) more.push(by ? `acknowledged by ${by}` : "nobody has acknowledged");
  if (status.outbox.waiting) more.push(`${status.outbox.waiting} messages wait`);
  more.push(...status.troubles.map(({ text }) => text));
  byId("state-more").textContent = [...new Set(more)].join(" · ");
}

begin().catch((error) => notice(`The house cannot be shown: ${error.message}`));

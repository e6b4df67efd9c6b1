// What reaches people, and how they show who they are: telephone, inbox, camera, door.

import { attempt, byId, get, make, notice, post, put } from "./api.js";
import { hush, ring, speak } from "./sound.js";

// --- the telephone

let contacts = [], current = -1, told = "";
const handled = new Set();

const nameOf = (number) => contacts.find((contact) => contact.phone === number)?.name ?? number;
const goesOn = (call) => ["queued", "ringing", "in-progress"].includes(call.status);

/** Calls as `sim/calls` tells them, oldest first. */
export function showCalls(calls) {
  current = calls.findLastIndex(goesOn);
  const call = calls[current];
  byId("no-calls").hidden = calls.length > 0;
  byId("ringing").hidden = !call;
  byId("telephone").classList.toggle("rings", call?.status === "ringing");
  if (call) {
    if (call.status !== "in-progress" && !handled.has(call.received_ns)) {
      handled.add(call.received_ns);
      const number = current;
      // Somebody is here: they need more time than a rehearsal gives them.
      if (byId("at-the-phone").checked) void put(`sim/calls/${number}`, { answer: "ring" }).catch(() => {});
    }
    if (call.status === "ringing") ring();
    const talks = call.status === "in-progress";
    byId("call-who").textContent = nameOf(call.to);
    byId("call-status").textContent = talks ? "listens" : "is being called";
    byId("call-words").textContent = talks ? call.words : "";
    for (const button of byId("ringing").querySelectorAll("button")) {
      button.hidden = talks !== (button.dataset.answer === "hang-up");
    }
    const words = talks ? `${call.received_ns}` : "";
    if (words && words !== told) speak(`${call.words} ${call.words}`);
    told = words;
  } else {
    if (told) hush();
    told = "";
  }
  const past = calls.filter((call) => !goesOn(call)).slice(-20).reverse();
  byId("calls").replaceChildren(...past.map((call) =>
    make("li", {}, make("strong", {}, nameOf(call.to)), ` ${call.status.replace("completed", "answered")}: ${call.words}`)));
}

function telephone() {
  byId("ringing").addEventListener("click", async (event) => {
    const answer = event.target.dataset?.answer;
    if (!answer || current < 0) return;
    if (answer === "hang-up") hush();
    await attempt(() => put(`sim/calls/${current}`, { answer }));
    await attempt(async () => showCalls(await get("sim/calls")));
  });
}

// --- the inbox

let arrived = 0;

/** Mails as `sim/mails` tells them, oldest first: only what is new is added. */
export function showMails(mails) {
  if (mails.length < arrived) {
    byId("mails").replaceChildren();
    arrived = 0;
  }
  byId("no-mails").hidden = mails.length > 0;
  for (const [number, mail] of [...mails.entries()].slice(arrived)) {
    const photos = mail.attachments.map((file, n) => [file, `/api/v1/sim/mails/${number}/attachments/${n}`]);
    byId("mails").prepend(make("details", { class: "mail" },
      make("summary", {}, make("strong", {}, mail.subject ?? ""), make("span", { class: "dim" }, ` to ${mail.to.join(", ")}`),
        photos.length ? make("span", { class: "clip" }, ` ${photos.length} photo${photos.length > 1 ? "s" : ""}`) : null),
      ...photos.map(([file, src]) => make("img", { src, alt: file.name ?? "photo", loading: "lazy" })),
      make("pre", {}, mail.text ?? "")));
  }
  if (mails.length > arrived) byId("mails").firstElementChild.open = true;
  arrived = mails.length;
}

// --- the camera

let looking = false;

function camera(house) {
  const frame = byId("frame");
  byId("camera").hidden = !house.camera;
  const next = () => looking && !document.hidden && (frame.src = `/api/v1/faces/frame?at=${Date.now()}`);
  frame.onload = () => {
    frame.hidden = false;
    byId("no-frame").hidden = true;
    setTimeout(next, 1000);
  };
  frame.onerror = async () => {
    frame.hidden = true;
    byId("no-frame").hidden = false;
    byId("no-frame").textContent = await get("faces/frame").then(() => "", (error) => error.message);
    setTimeout(next, 3000);
  };
  document.addEventListener("visibilitychange", next);
  byId("look").onclick = () => {
    looking = !looking;
    byId("look").setAttribute("aria-pressed", looking);
    if (looking) next();
    else frame.hidden = true;
  };
  byId("offered").replaceChildren(...house.faces.map((value) => make("option", { value })));
  byId("face").value = house.faces_shown ?? "";
  byId("faces").onsubmit = (event) => {
    event.preventDefault();
    void attempt(async () => {
      const { frames } = await put("sim/face", { pictures: byId("face").value || null });
      notice(frames ? `${frames} picture${frames > 1 ? "s are" : " is"} before the camera` : "nobody is before the camera");
    });
  };
}

// --- the door

function door(house) {
  let pin = "";
  const show = () => (byId("pin").textContent = "•".repeat(pin.length));
  const keys = [..."123456789", "⌫", "0", "OK"].map((key) =>
    make("button", { type: "button", "aria-label": { "⌫": "delete", OK: "disarm with this PIN" }[key] ?? key, onclick: () => press(key) }, key));
  byId("keys").replaceChildren(...keys);
  show();
  async function press(key) {
    if (key === "OK") {
      const typed = pin;
      pin = "";
      show();
      await letIn(() => post("disarm", typed ? { pin: typed } : {}), "disarmed");
    } else {
      pin = key === "⌫" ? pin.slice(0, -1) : (pin + key).slice(0, 12);
      show();
    }
  }
  byId("fingers").hidden = !house.finger_reader;
}

/** Whose fingers can be laid: everybody who is known, a stranger's, one that is dirty. */
export function showFingers(people) {
  const fingers = [...people.map(({ name }) => [name, name]), ["a stranger", "somebody unknown"], ["a dirty finger", "dirty"]];
  byId("fingers").replaceChildren(make("span", {}, "Lay the finger of "), ...fingers.map(([words, finger]) =>
    make("button", { type: "button", onclick: () => lay(words, finger) }, words)));
}

async function lay(words, finger) {
  await letIn(async () => {
    await put("sim/finger", { finger });
    setTimeout(() => void put("sim/finger", { finger: null }).catch(() => {}), 1500);
  }, `the finger of ${words} lies on the reader`);
}

async function letIn(doing, done) {
  try {
    await doing();
    byId("let-in").textContent = done;
  } catch (error) {
    byId("let-in").textContent = error.message;
  }
}

/** Makes them work. */
export function people(house) {
  contacts = house.contacts;
  telephone();
  camera(house);
  door(house);
}

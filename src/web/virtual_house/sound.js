// The buzzer's rhythms and the telephone's bell, heard. A browser lets a page sound only after a
// click: until then, and while muted, all is silent.

const AHEAD = 0.4;
let audio = null, gain = null, bell = null, rhythm = { number: -1, steps: [], repeats: false };
let from = 0;

/** On or off; answers which. */
export function toggle() {
  if (!audio) {
    audio = new AudioContext();
    gain = voice(2400, "square");
    bell = voice(480, "sine");
    setInterval(schedule, 100);
    from = audio.currentTime;
    return true;
  }
  const on = audio.state !== "running";
  void (on ? audio.resume() : audio.suspend());
  return on;
}

function voice(frequency, type) {
  const tone = new OscillatorNode(audio, { frequency, type });
  const volume = new GainNode(audio, { gain: 0 });
  tone.connect(volume).connect(audio.destination);
  tone.start();
  return volume.gain;
}

/** What the buzzer plays: `sim/outputs`' `heard`. Answers whether it is another rhythm. */
export function hear(heard) {
  const isNew = heard.number !== rhythm.number;
  const isFirst = rhythm.number < 0;
  if (!isNew) return false;
  // What beeped once before this page looked is over.
  rhythm = isFirst && !heard.repeats ? { ...heard, steps: [] } : heard;
  if (audio) {
    gain.cancelScheduledValues(0);
    gain.setValueAtTime(0, audio.currentTime);
    from = audio.currentTime;
    schedule();
  }
  return true;
}

function schedule() {
  const sum = rhythm.steps.reduce((all, step) => all + step, 0) / 1000;
  if (!sum || audio.state !== "running") return;
  // A page that was away goes on from now.
  if (from < audio.currentTime - 1) from = audio.currentTime;
  while (from < audio.currentTime + AHEAD) {
    let at = from;
    rhythm.steps.forEach((step, n) => {
      gain.setValueAtTime(n % 2 ? 0 : 0.12, at);
      at += step / 1000;
    });
    gain.setValueAtTime(0, at);
    from = at;
    if (!rhythm.repeats) {
      rhythm = { ...rhythm, steps: [] };
      return;
    }
  }
}

/** The telephone's bell, once. */
export function ring() {
  if (audio?.state !== "running") return;
  for (const at of [0, 0.12, 0.24]) {
    bell.setValueAtTime(0.15, audio.currentTime + at);
    bell.setValueAtTime(0, audio.currentTime + at + 0.08);
  }
}

/** Says the words where there is a voice and sound is on. */
export function speak(words) {
  if (audio?.state === "running" && "speechSynthesis" in window) speechSynthesis.speak(new SpeechSynthesisUtterance(words));
}

export const hush = () => window.speechSynthesis?.cancel();

// The figure that walks through the house, and what the sensors make of it.

import { draw } from "./api.js";
import { wayTo } from "./way.js";

const STEP = 14, SPEED = 280, NEAR = 9;

/** Puts the figure into the drawing. `free(x, y)`: there is no wall. `sensed(sensor, what)`: `"moves"`
 *  inside a cone, `"breaks"` and `"frees"` a beam, `"crosses"` it in one step. */
export function figureIn(svg, start, sensors, free, sensed) {
  const at = { ...start };
  const body = draw("g", { class: "figure", role: "img", "aria-label": "The figure" },
    draw("ellipse", { cy: 4, rx: 15, ry: 10 }), draw("circle", { class: "head", cy: -4, r: 8 }));
  svg.append(body);
  let way = [], last = 0;
  const broken = new Set(), seen = new Map();

  function show() {
    body.setAttribute("transform", `translate(${at.x} ${at.y})`);
    body.dataset.x = Math.round(at.x);
    body.dataset.y = Math.round(at.y);
  }

  /** `false`: a wall is in the way. Out of a door that was shut on it the figure may go. */
  function goTo(x, y) {
    if (!free(x, y) && free(at.x, at.y)) return false;
    const from = { ...at };
    at.x = Math.min(985, Math.max(15, x));
    at.y = Math.min(625, Math.max(15, y));
    show();
    for (const sensor of sensors.values()) {
      if (sensor.cone && inside(at, sensor.cone)) moved(sensor);
      if (sensor.line) beam(sensor, from);
    }
    return true;
  }

  /** A PIR sees what moves, and goes on seeing it for a moment. */
  function moved(sensor) {
    const now = performance.now();
    if (now - (seen.get(sensor.name) ?? -Infinity) < 900) return;
    seen.set(sensor.name, now);
    sensed(sensor, "moves");
  }

  function beam(sensor, from) {
    const [x1, y1, x2] = sensor.line;
    const across = at.x > x1 && at.x < x2;
    const stands = across && Math.abs(at.y - y1) < NEAR;
    if (stands && !broken.has(sensor.name)) {
      broken.add(sensor.name);
      sensed(sensor, "breaks");
    } else if (!stands && broken.delete(sensor.name)) {
      sensed(sensor, "frees");
    } else if (!stands && across && (from.y - y1) * (at.y - y1) < 0) {
      sensed(sensor, "crosses");
    }
  }

  function walk(time) {
    if (!way.length) return;
    const passed = Math.min(0.05, (time - last) / 1000), dx = way[0].x - at.x, dy = way[0].y - at.y;
    const far = Math.hypot(dx, dy), step = SPEED * passed;
    last = time;
    const goes = far <= step ? goTo(way[0].x, way[0].y) : goTo(at.x + (dx * step) / far, at.y + (dy * step) / far);
    if (!goes) way = []; // a door was shut before it
    else if (far <= step) way.shift();
    requestAnimationFrame(walk);
  }

  function aim(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const rests = !way.length;
    way = wayTo(at, point, free);
    if (rests) {
      last = performance.now();
      requestAnimationFrame(walk);
    }
  }

  svg.onpointerdown = (event) => {
    svg.setPointerCapture(event.pointerId);
    aim(event);
  };
  svg.onpointermove = (event) => event.buttons && svg.hasPointerCapture(event.pointerId) && aim(event);
  svg.onkeydown = (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    way = [];
    goTo(at.x + step[0] * STEP, at.y + step[1] * STEP);
  };
  show();
}

function inside({ x, y }, corners) {
  let within = false;
  corners.forEach(([x1, y1], n) => {
    const [x2, y2] = corners[(n + 1) % corners.length];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) within = !within;
  });
  return within;
}

// A floor plan from rooms and their sensors: rows of rooms, as wide as what they hold.

import { draw } from "./api.js";
import { standing } from "./way.js";

const WIDTH = 1000, HEIGHT = 640, GARDEN = 70, GAP = 46;

/** Rooms in the order of their first sensor, each with its sensors. */
export function roomsOf(sensors) {
  const rooms = new Map();
  for (const sensor of sensors) {
    if (!rooms.has(sensor.room)) rooms.set(sensor.room, { name: sensor.room, sensors: [] });
    rooms.get(sensor.room).sensors.push(sensor);
  }
  return [...rooms.values()];
}

/** Each room gets x, y, w, h and its row; the first ones are at the bottom. */
export function layout(rooms) {
  const width = WIDTH - 2 * GARDEN, height = HEIGHT - 2 * GARDEN;
  const count = rooms.length < 4 ? Math.ceil(rooms.length / 3) : Math.round(Math.sqrt(rooms.length * 0.75));
  const weight = (room) => Math.sqrt(room.sensors.length + 0.5);
  const each = rooms.reduce((sum, room) => sum + weight(room), 0) / count;
  const rows = [[]];
  let held = 0;
  rooms.forEach((room, n) => {
    const left = rooms.length - n, still = count - rows.length;
    if (rows.at(-1).length && still > 0 && (held + weight(room) / 2 > each * rows.length || left <= still)) rows.push([]);
    rows.at(-1).push(room);
    held += weight(room);
  });
  rows.reverse();
  rows.forEach((row, r) => {
    const total = row.reduce((sum, room) => sum + weight(room), 0);
    let x = GARDEN;
    for (const room of row) {
      const w = (width * weight(room)) / total;
      Object.assign(room, { x, y: GARDEN + (r * height) / rows.length, w, h: height / rows.length, row: r, rows: rows.length });
      x += w;
    }
  });
  return rows;
}

/** Gaps in the walls, as lines: between neighbours, between rows, and the way in. */
function doorways(rows) {
  const gaps = [];
  rows.forEach((row, r) => {
    row.slice(1).forEach((room) => gaps.push([room.x, room.y + room.h * 0.62 - GAP / 2, room.x, room.y + room.h * 0.62 + GAP / 2]));
    for (const upper of rows[r - 1] ?? []) {
      const shared = row.map((room) => [Math.max(room.x, upper.x), Math.min(room.x + room.w, upper.x + upper.w)]);
      const [from, to] = shared.reduce((a, b) => (b[1] - b[0] > a[1] - a[0] ? b : a));
      if (to - from > GAP + 20) gaps.push([(from + to - GAP) / 2, upper.y + upper.h, (from + to + GAP) / 2, upper.y + upper.h]);
    }
  });
  const first = entrance(rows);
  gaps.push([first.x + first.w * 0.3 - GAP / 2, first.y + first.h, first.x + first.w * 0.3 + GAP / 2, first.y + first.h]);
  return gaps;
}

/** The room with the way in: one at the bottom whose door is watched, if there is one. */
function entrance(rows) {
  const watched = rows.at(-1).find((room) => room.sensors.some(({ kind }) => kind === "beam" || kind === "contact"));
  return watched ?? rows.at(-1)[0];
}

/** Draws the house; answers what of it lives: `sensors` by name, `fan`, `horn`, where the figure
 *  starts, and where it is `free` to stand. */
export function drawHouse(svg, house, click) {
  svg.replaceChildren();
  const rooms = roomsOf(house.sensors);
  if (!rooms.length) rooms.push({ name: house.site, sensors: [] });
  const rows = layout(rooms);
  svg.append(draw("rect", { class: "garden", width: WIDTH, height: HEIGHT }));
  for (const { name, x, y, w, h } of rooms) {
    svg.append(draw("rect", { class: "room", x, y, width: w, height: h, "data-room": name }));
  }
  const gaps = doorways(rows);
  for (const [x1, y1, x2, y2] of gaps) svg.append(draw("line", { class: "doorway", x1, y1, x2, y2 }));
  for (const { name, x, y, w } of rooms) {
    svg.append(draw("text", { class: "room-name", x: x + w / 2, y: y + 24 }, name));
  }
  const sensors = new Map();
  const ways = gaps.map((line) => ({ line, open: () => true }));
  for (const room of rooms) {
    const nth = {};
    let place = 0;
    for (const sensor of room.sensors) {
      const n = (nth[sensor.kind] = (nth[sensor.kind] ?? -1) + 1);
      const drawn = SHAPES[sensor.kind] ?? thing;
      const shape = drawn(sensor, room, n, sensor.kind in SHAPES ? 0 : place++);
      const pressed = shape.clicked ? { role: "button", tabindex: 0, "aria-pressed": "false" } : { role: "img" };
      const group = draw("g", { class: `sensor ${sensor.kind}`, "data-sensor": sensor.name, "aria-label": `${sensor.name}: ${WHAT[sensor.kind]}`, ...pressed }, draw("title", {}, `${sensor.name} (${sensor.kind})`), ...shape.parts);
      if (shape.clicked) {
        const act = () => click(sensor, shape.clicked);
        group.addEventListener("click", act);
        group.addEventListener("pointerdown", (event) => event.stopPropagation());
        group.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); }
        });
      }
      svg.append(group);
      if (shape.door) ways.push({ line: shape.door, open: () => group.getAttribute("aria-pressed") === "true" });
      sensors.set(sensor.name, { ...sensor, group, cone: shape.cone, line: shape.line });
    }
  }
  const airy = rooms.find((room) => room.sensors.some((sensor) => sensor.kind === "gas")) ?? rooms.at(-1);
  const fan = house.exhaust ? fanAt(airy) : null;
  const first = entrance(rows);
  const horn = house.buzzer ? hornAt(first) : null;
  svg.append(...[fan, horn].filter(Boolean));
  const walls = rooms.flatMap(({ x, y, w, h }) =>
    [[x, y, x + w, y], [x, y + h, x + w, y + h], [x, y, x, y + h], [x + w, y, x + w, y + h]]);
  return { sensors, fan, horn, free: standing(walls, ways), start: { x: first.x + first.w * 0.3, y: first.y + first.h + 36 } };
}

const WHAT = {
  motion: "walk into its cone", beam: "walk through it", contact: "door, click to open",
  gas: "gas tap, click to open", tamper: "housing, click to open", panic: "panic button, click to press",
};

const SHAPES = {
  motion(sensor, { x, y, w, h }, n) {
    const left = n % 2 === 0, top = n % 4 < 2;
    const at = (fx, fy) => [x + w * (left ? fx : 1 - fx), y + h * (top ? fy : 1 - fy)];
    const cone = [at(0.04, 0.06), at(0.86, 0.3), at(0.8, 0.86), at(0.3, 0.88)];
    return {
      cone,
      parts: [
        draw("polygon", { class: "cone", points: cone.map((point) => point.join()).join(" ") }),
        draw("circle", { class: "eye", cx: cone[0][0], cy: cone[0][1], r: 9 }),
        label(sensor, cone[0][0] + (left ? 14 : -14), cone[0][1] + (top ? 20 : -14), left ? "start" : "end"),
      ],
    };
  },
  beam(sensor, { x, y, w, h }, n) {
    const height = y + h * (0.8 - 0.2 * (n % 3));
    const line = [x + 10, height, x + w - 10, height];
    return {
      line,
      parts: [
        draw("line", { class: "ray", x1: line[0], y1: height, x2: line[2], y2: height }),
        draw("rect", { class: "eye", x: line[0] - 5, y: height - 9, width: 10, height: 18 }),
        draw("rect", { class: "eye", x: line[2] - 5, y: height - 9, width: 10, height: 18 }),
        label(sensor, x + w / 2, height - 8, "middle"),
      ],
    };
  },
  contact(sensor, { x, y, w, h, row, rows }, n) {
    const cx = x + w * (0.7 - 0.28 * (n % 3)), bottom = row === rows - 1;
    const cy = bottom ? y + h : y;
    return {
      clicked: "toggle",
      door: [cx - 22, cy, cx + 22, cy],
      parts: [
        draw("rect", { class: "touch", x: cx - 26, y: cy - 24, width: 56, height: 48 }),
        draw("line", { class: "frame", x1: cx - 22, y1: cy, x2: cx + 22, y2: cy }),
        draw("g", { transform: `translate(${cx - 22} ${cy})` }, draw("line", { class: bottom ? "leaf" : "leaf up", x2: 44, y2: 0 })),
        label(sensor, cx, bottom ? cy - 14 : cy + 44, "middle"),
      ],
    };
  },
};

/** Gas taps, housings and buttons stand in a row on the floor. */
function thing(sensor, { x, y, w, h }, n, place) {
  const cx = x + Math.min(50 + place * 84, w - 34), cy = y + h * 0.5 + 40 * Math.floor((50 + place * 84) / w);
  const mark = { gas: "M-14 4H-2V-8H10M-6 -8H2M-14 4V10", tamper: "M-12 -10H12V10H-12ZM-12 -10L0 2L12 -10", panic: "M0 -9A9 9 0 1 1 -.1 -9Z" };
  return {
    clicked: sensor.kind === "panic" ? "press" : "toggle",
    parts: [
      draw("circle", { class: "touch knob", cx, cy, r: 24 }),
      draw("path", { class: "mark", d: mark[sensor.kind] ?? mark.panic, transform: `translate(${cx} ${cy})` }),
      draw("g", { class: "cloud", transform: `translate(${cx} ${cy - 34})` }, draw("circle", { cx: -12, r: 9 }), draw("circle", { cx: 2, cy: -6, r: 12 }), draw("circle", { cx: 15, r: 8 })),
      label(sensor, cx, cy + 40, "middle"),
    ],
  };
}

const label = (sensor, x, y, anchor) => draw("text", { class: "label", x, y, "text-anchor": anchor }, sensor.name);

function fanAt({ x, y, w, row }) {
  const cx = x + w - 46, cy = row === 0 ? y : y + 56;
  const blade = "M0 0C10 -8 12 -22 0 -26C-6 -18 -6 -8 0 0Z";
  return draw("g", { class: "fan", role: "img", "aria-label": "Exhaust fan", transform: `translate(${cx} ${cy})` },
    draw("title", {}, "exhaust fan"), draw("circle", { class: "housing", r: 31 }),
    draw("g", { class: "blades" }, ...[0, 90, 180, 270].map((turn) => draw("path", { d: blade, transform: `rotate(${turn})` }))));
}

function hornAt({ x, y, w, h }) {
  return draw("g", { class: "horn", role: "img", "aria-label": "Buzzer", transform: `translate(${x + w - 40} ${y + h - 34})` },
    draw("title", {}, "buzzer"), draw("path", { d: "M-14 -6H-6L6 -14V14L-6 6H-14Z" }),
    draw("path", { class: "wave", d: "M12 -8Q18 0 12 8M18 -13Q28 0 18 13" }));
}

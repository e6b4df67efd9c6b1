// Where the figure can stand, and how it gets from here to there.

const CELL = 10, COLUMNS = 100, ROWS = 64;
/** So near to a wall nobody stands. Twice this is more than a step: no step leads through a wall. */
const THICK = 8;
/** So much narrower than it is drawn a doorway is, for a figure that has shoulders. */
const SHOULDER = 6;

/** Between two looks along a line: so far from walls it keeps, or a corner would be cut between them. */
const LOOK = 4;

/** Whether somebody can stand at `x`, `y`, with something to spare: `walls` are lines, left to right or top
 *  to bottom, and so are the ways through them; a way is one while its `open()`. */
export function standing(walls, ways) {
  const inside = ([x1, y1, x2, y2], x, y, along, across) => {
    const dx = y1 === y2 ? along : across, dy = y1 === y2 ? across : along;
    return x >= x1 - dx && x <= x2 + dx && y >= y1 - dy && y <= y2 + dy;
  };
  return (x, y, spare = 0) =>
    !walls.some((wall) => inside(wall, x, y, THICK + spare, THICK + spare)) ||
    ways.some(({ line, open }) => inside(line, x, y, -SHOULDER - spare, THICK + spare) && open());
}

/** The corners on the shortest way to `to`, or to where it is nearest. */
export function wayTo(from, to, free) {
  const number = ({ x, y }) => {
    const within = (value, most) => Math.min(most - 1, Math.max(2, Math.round(value / CELL)));
    return within(y, ROWS - 1) * COLUMNS + within(x, COLUMNS - 1);
  };
  const point = (cell) => ({ x: (cell % COLUMNS) * CELL, y: Math.floor(cell / COLUMNS) * CELL });
  const far = (cell, goal = to) => Math.hypot(point(cell).x - goal.x, point(cell).y - goal.y);
  const stands = (cell) => free(point(cell).x, point(cell).y);
  const here = number(from);
  const around = [-1, 0, 1].flatMap((n) => [here + n - COLUMNS, here + n, here + n + COLUMNS]);
  const start = around.filter(stands).sort((a, b) => far(a, from) - far(b, from))[0] ?? here;
  const came = new Map([[start, null]]);
  let nearest = start;
  // What is added while it runs is visited too: further and further away from the start.
  for (const cell of came.keys()) {
    if (far(cell) < far(nearest)) nearest = cell;
    if (far(nearest) < CELL * 0.71) break;
    for (const next of [cell - COLUMNS, cell - 1, cell + 1, cell + COLUMNS]) {
      if (!came.has(next) && number(point(next)) === next && stands(next)) came.set(next, cell);
    }
  }
  const steps = free(to.x, to.y) && far(nearest) < CELL ? [{ x: to.x, y: to.y }] : [];
  for (let cell = nearest; cell !== null; cell = came.get(cell)) steps.unshift(point(cell));
  // From corner to corner, as far as one sees.
  const corners = [];
  for (let at = from, rest = steps; rest.length; ) {
    const seen = Math.max(0, rest.findLastIndex((step) => sees(at, step, free)));
    at = rest[seen];
    corners.push(at);
    rest = rest.slice(seen + 1);
  }
  return corners;
}

function sees(from, to, free) {
  const parts = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / LOOK);
  for (let n = 1; n <= parts; n++) {
    if (!free(from.x + ((to.x - from.x) * n) / parts, from.y + ((to.y - from.y) * n) / parts, LOOK)) return false;
  }
  return true;
}

'use strict';
// Changing the labels.

function beforeChange() {
  done.push({...undoable(), mask: current.mask.slice()});
  if (done.length > UNDO_STEPS) done.shift();
  undone = [];
}

const undoable = () => (({mask, points, suggestion, proposed}) => ({mask, points, suggestion, proposed}))(current);

/** Goes back (undo) or forth (redo). */
function travel(from, to) {
  if (!from.length || stroke || dragged !== null) return;
  to.push(undoable());
  Object.assign(current, from.pop());
  paintOverlay();
  showSuggestion();
  saveMask();
  savePoints();
}

function saveMask() {
  if (task.classes.length) save('mask', current.mask.slice());
  showState();
  showDoubts();
}

function savePoints() {
  if (!task.keypoints.length) return;
  const sample = samples.get(current.name);
  sample.points = current.points;
  showShare(sample, sample.share);
  save('keypoints', JSON.stringify(current.points));
  showState();
}

/** The middle of the brush: of a pixel for odd sizes, between pixels for even ones. */
function snap([x, y]) {
  return sizes.brush % 2 ? [Math.floor(x) + 0.5, Math.floor(y) + 0.5] : [Math.round(x), Math.round(y)];
}

/** Paints the pixels whose centre is at most half the brush's size from the line. */
function paintLine(from, to, id) {
  const [[ax, ay], [bx, by]] = [from, to], reach = sizes.brush / 2;
  const left = clamp(Math.floor(Math.min(ax, bx) - reach), width);
  const right = clamp(Math.ceil(Math.max(ax, bx) + reach), width);
  const top = clamp(Math.floor(Math.min(ay, by) - reach), height);
  const bottom = clamp(Math.ceil(Math.max(ay, by) + reach), height);
  const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const px = x + 0.5 - ax, py = y + 0.5 - ay;
      const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= reach * reach + 1e-9) current.mask[y * width + x] = id;
    }
  }
  paintOverlay(left, top, right, bottom);
}

const clamp = (value, limit) => Math.min(limit, Math.max(0, value));

/** Paints the pixels whose centre is inside the polygon (even-odd). */
function closePolygon() {
  const corners = polygon;
  cancelPolygon();
  if (corners.length < 3) return;
  beforeChange();
  for (let y = 0; y < height; y++) {
    const crossings = [];
    corners.forEach(([ax, ay], i) => {
      const [bx, by] = corners[(i + 1) % corners.length], middle = y + 0.5;
      if ((ay <= middle) !== (by <= middle)) crossings.push(ax + (middle - ay) / (by - ay) * (bx - ax));
    });
    crossings.sort((one, other) => one - other);
    for (let i = 0; i < crossings.length; i += 2) {
      const first = clamp(Math.ceil(crossings[i] - 0.5), width), end = clamp(Math.ceil(crossings[i + 1] - 0.5), width);
      current.mask.fill(painted, y * width + first, y * width + end);
    }
  }
  paintOverlay();
  saveMask();
}

function cancelPolygon() {
  polygon = [];
  redraw();
}

/** Gives the region of one class that a pixel is in (neighbours along rows and columns) the chosen class. */
function fill([x, y]) {
  x = Math.floor(x); y = Math.floor(y);
  const {mask} = current, start = y * width + x, id = mask[start];
  if (x < 0 || y < 0 || x >= width || y >= height || id === painted) return;
  beforeChange();
  const waiting = [start];
  mask[start] = painted;
  while (waiting.length) {
    const at = waiting.pop(), column = at % width;
    for (const [next, there] of [[at - 1, column > 0], [at + 1, column < width - 1],
      [at - width, at >= width], [at + width, at < width * (height - 1)]]) {
      if (there && mask[next] === id) { mask[next] = painted; waiting.push(next); }
    }
  }
  paintOverlay();
  saveMask();
}

function replaceAll(change) {
  beforeChange();
  current.mask = current.mask.map(change);
  paintOverlay();
  saveMask();
}

function setPoint(index, point) {
  current.points = current.points.map((other, i) => i === index ? point : other);
}

function turnPoint(index) {
  const [x, y, seen] = current.points[index];
  if (isProposed(index)) return confirmPoint(index);
  if (seen === ABSENT) return say(`Click on the image to place ${task.keypoints[index]}`);
  beforeChange();
  if (seen - 1 === ABSENT) withdraw(index);
  setPoint(index, [x, y, seen - 1]);
  savePoints();
  redraw();
}

function confirmPoint(index) {
  beforeChange();
  setPoint(index, current.proposed[index]);
  savePoints();
  redraw();
}

/** Takes a keypoint away, or the suggestion of it. */
function removePoint(index) {
  if (shownPoint(index)[2] === ABSENT) return;
  beforeChange();
  withdraw(index);
  setPoint(index, [0, 0, ABSENT]);
  savePoints();
  redraw();
}

function withdraw(index) {
  current.proposed = current.proposed.map((point, i) => i === index ? [0, 0, ABSENT] : point);
}

function nearestPoint(event) {
  const box = canvas.getBoundingClientRect();
  let best = -1, least = GRAB;
  current.points.forEach((_, index) => {
    const point = shownPoint(index), [x, y] = toScreen(point);
    const distance = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
    if (point[2] !== ABSENT && distance <= least) { best = index; least = distance; }
  });
  return best;
}

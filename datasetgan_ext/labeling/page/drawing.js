// What is drawn in each frame.

import {$, canvas, pen} from './dom.js';
import {openDoubts} from './list.js';
import {isProposed, shownPoint} from './keypoints.js';
import {CHOSEN, drawNames, drawPointNames, nameReach} from './names.js';
import {FAINT, marks, overlay, unsure} from './overlay.js';
import {closesPolygon} from './polygon.js';
import {borderOf, clamp, snap} from './raster.js';
import {regions} from './regions.js';
import {samplePath} from './server.js';
import {ABSENT, VISIBLE, on, state} from './state.js';
import {pixelsOf, regionAt} from './superpixels.js';
import {around, redraw, toScreen} from './view.js';

let cursorBefore = null;   // the box that the cursor was drawn in

/** Draws what is in a box of the canvas, in CSS pixels, and where the cursor was and is. */
function draw(part) {
  const {current} = state;
  const ratio = window.devicePixelRatio;
  const cursor = cursorBox();
  const box = canvas.getBoundingClientRect();
  const across = Math.round(box.width * ratio);
  const down = Math.round(box.height * ratio);
  const isWhole = canvas.width !== across || canvas.height !== down;
  if (isWhole) Object.assign(canvas, {width: across, height: down});
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.save();
  if (!isWhole) clip([part, cursorBefore, cursor].filter(Boolean).reduce(around), ratio, across, down);
  cursorBefore = cursor;
  pen.clearRect(0, 0, across, down);
  if (current) drawAll(ratio);
  pen.restore();
}

/** Draws nothing outside of a box; it is of whole pixels, so that no edge is seen. */
function clip({left, upper, right, lower}, ratio, across, down) {
  const [x, y] = [clamp(Math.floor(left * ratio) - 2, across), clamp(Math.floor(upper * ratio) - 2, down)];
  pen.beginPath();
  pen.rect(x, y, clamp(Math.ceil(right * ratio) + 2, across) - x, clamp(Math.ceil(lower * ratio) + 2, down) - y);
  pen.clip();
}

/** What brush and names cover at most; null without a pointer. */
function cursorBox() {
  const {current, pointer, sizes} = state;
  if (!current || !pointer) return null;
  const [x, y] = toScreen(pointer);
  const reach = (sizes.brush / 2 + 1) * current.view.scale + 4;
  const [right, below] = nameReach();
  return {
    left: x - reach, upper: y - Math.max(reach, 20),
    right: x + Math.max(reach, right), lower: y + Math.max(reach, below),
  };
}

function drawAll(ratio) {
  const {current, width, height} = state;
  const {view} = current;
  pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  pen.imageSmoothingEnabled = $('smooth').checked;
  if ($('contrast').value !== '100') pen.filter = `contrast(${$('contrast').value}%)`;
  pen.drawImage(shownPicture(), 0, 0, width, height);
  pen.filter = 'none';
  pen.imageSmoothingEnabled = false;
  const labels = state.shown === 'colors' || state.shown === 'lines';
  if (labels) drawLabels();
  if (state.mark?.distances.has(current.name)) pen.drawImage(marks, 0, 0);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (labels) drawMarkers();
  if (state.pointer && !state.panning) drawCursor();
}

/** The open image or, while that is asked for and once it is there, its projection. */
function shownPicture() {
  const {current, task} = state;
  if (state.shown !== 'projection' || !task.projected) return current.image;
  if (!current.projection) {
    current.projection = new Image();
    current.projection.onload = redraw;
    current.projection.src = samplePath(current.name, 'projection');
  }
  return current.projection.complete && current.projection.naturalWidth ? current.projection : current.image;
}

function drawMarkers() {
  drawPolygon();
  drawDoubts();
  drawPoints();
}

function drawCursor() {
  const {tool} = state;
  if (tool === 'regions') drawRegion();
  if (tool === 'brush' || tool === 'eraser') drawBrush();
  if (tool !== 'eraser' && tool !== 'keypoints') drawNames();
}

function drawLabels() {
  const {current, width, height} = state;
  const showsUnsure = $('uncertainty').checked && current.uncertainty;
  pen.globalAlpha = state.shown === 'lines' ? 1 : $('opacity').value / 100 * (showsUnsure ? FAINT : 1);
  pen.drawImage(overlay, 0, 0);
  pen.globalAlpha = 1;
  if (!showsUnsure) return;
  pen.fillStyle = '#101828a0';
  pen.fillRect(0, 0, width, height);
  pen.drawImage(unsure, 0, 0);
}

/** A line that is seen on any ground: a bright one within black. */
function outlined(path, line, color = '#fff') {
  pen.beginPath();
  path();
  pen.strokeStyle = '#000';
  pen.lineWidth = line + 1.5;
  pen.stroke();
  pen.strokeStyle = color;
  pen.lineWidth = line;
  pen.stroke();
}

/** Adds lines, as `borderOf` gives them, to the path. */
function trace(lines) {
  for (const [ax, ay, bx, by] of lines) {
    pen.moveTo(...toScreen([ax, ay]));
    pen.lineTo(...toScreen([bx, by]));
  }
}

function drawBrush() {
  const size = state.sizes.brush;
  const [x, y] = toScreen(snap(state.pointer, size));
  outlined(() => pen.arc(x, y, Math.max(1.5, size / 2 * state.current.view.scale), 0, 7), 1.5);
}

function drawRegion() {
  const cut = regions();
  const label = cut ? regionAt(cut, state.pointer) : undefined;
  if (label === undefined) return;
  const lines = borderOf(pixelsOf(cut, label), state.width, state.height, i => cut.labels[i] === label);
  outlined(() => trace(lines), 1.5);
}

function drawPolygon() {
  const {current: {polygon}, pointer, tool} = state;
  if (!polygon.length) return;
  const next = pointer && tool === 'polygon' ? [closesPolygon(pointer) ? polygon[0] : pointer] : [];
  const corners = [...polygon, ...next].map(toScreen);
  outlined(() => corners.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y)), 1.5);
  polygon.map(toScreen).forEach(([x, y], i) => {
    const size = i === 0 && polygon.length > 2 ? 6 : 3.5;    // the first corner closes it
    outlined(() => pen.arc(x, y, size, 0, 7), 1.5);
  });
}

function drawPoints() {
  for (const [from, to] of state.task.skeleton ?? []) {
    const ends = [shownPoint(from), shownPoint(to)];
    if (ends.some(point => point[2] === ABSENT)) continue;
    outlined(() => {
      pen.moveTo(...toScreen(ends[0]));
      pen.lineTo(...toScreen(ends[1]));
    }, 1);
  }
  state.current.points.forEach((_, index) => drawPoint(index));
  if (state.tool === 'keypoints') drawPointNames();
}

function drawPoint(index) {
  const point = shownPoint(index);
  const proposed = isProposed(index);
  if (point[2] === ABSENT) return;
  const [x, y] = toScreen(point);
  if (proposed) pen.setLineDash([3, 3]);
  outlined(() => pen.arc(x, y, proposed ? 8 : 6, 0, 7), 2);
  pen.setLineDash([]);
  pen.fillStyle = point[2] === VISIBLE ? '#0b5cad' : '#fff';
  if (!proposed) pen.fill();
}

// ---- doubts: many, and the same in most frames, so that they are drawn on a sheet of their own

const sheet = document.createElement('canvas');
const borders = new WeakMap();   // Doubt -> {left, lines}
let sheetKey = '';

function drawDoubts() {
  const doubts = openDoubts(state.samples.get(state.current.name));
  if (!doubts.length) return;
  const {x, y, scale} = state.current.view;
  const key = JSON.stringify([state.current.name, x, y, scale, canvas.width, canvas.height,
    doubts.map(doubt => [doubt.key, doubt.left, doubt === state.doubted])]);
  if (key !== sheetKey) {
    sheetKey = key;
    drawSheet(doubts);
  }
  pen.save();
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.drawImage(sheet, 0, 0);
  pen.restore();
}

function drawSheet(doubts) {
  Object.assign(sheet, {width: canvas.width, height: canvas.height});
  const brush = sheet.getContext('2d');
  const {x, y, scale} = state.current.view;
  const ratio = window.devicePixelRatio;
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const doubt of doubts) {
    const chosen = doubt === state.doubted;
    const path = new Path2D();
    for (const [ax, ay, bx, by] of borderOfDoubt(doubt)) {
      path.moveTo(ax * scale + x, ay * scale + y);
      path.lineTo(bx * scale + x, by * scale + y);
    }
    for (const [color, more] of [['#000', 1.5], [chosen ? CHOSEN : '#fff', 0]]) {
      brush.strokeStyle = color;
      brush.lineWidth = (chosen ? 3 : 1.5) + more;
      brush.stroke(path);
    }
  }
}

/** The border of those pixels that have the doubted class still. */
function borderOfDoubt(doubt) {
  const known = borders.get(doubt);
  if (known?.left === doubt.left) return known.lines;
  const {current: {mask}, width, height} = state;
  const inside = new Set(doubt.pixels.filter(i => mask[i] === doubt.labeled));
  const lines = borderOf(inside, width, height, i => inside.has(i));
  borders.set(doubt, {left: doubt.left, lines});
  return lines;
}

on('frame', draw);

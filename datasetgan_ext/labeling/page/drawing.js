// What is drawn in each frame.

import {$, canvas} from './dom.js';
import {openDoubts} from './list.js';
import {isProposed, shownPoint} from './keypoints.js';
import {FAINT, overlay, unsure} from './overlay.js';
import {snap} from './raster.js';
import {regions} from './regions.js';
import {ABSENT, VISIBLE, on, state} from './state.js';
import {pixelsOf, regionAt} from './superpixels.js';
import {toScreen} from './view.js';

const CHOSEN = '#ffd84d';

const pen = canvas.getContext('2d');

function draw() {
  const {current, view, width, height, tool} = state;
  const ratio = window.devicePixelRatio;
  const box = canvas.getBoundingClientRect();
  const across = Math.round(box.width * ratio);
  const down = Math.round(box.height * ratio);
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, {width: across, height: down});
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, across, down);
  if (!current) return;
  Object.assign(canvas.dataset, {scale: view.scale, x: view.x, y: view.y});
  pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(current.image, 0, 0, width, height);
  drawLabels();
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawPolygon();
  drawDoubts();
  drawPoints();
  if (!state.pointer || state.panning) return;
  if (tool === 'regions') drawRegion();
  if (tool === 'brush' || tool === 'eraser') drawBrush();
}

function drawLabels() {
  const {current, width, height} = state;
  const showsUnsure = $('uncertainty').checked && current.uncertainty;
  pen.globalAlpha = $('opacity').value / 100 * (showsUnsure ? FAINT : 1);
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

/** Adds the borders of some pixels to the path: the sides on which a pixel has a neighbour that is not inside. */
function traceBorder(pixels, inside) {
  const {width, height} = state;
  const line = (from, to) => {
    pen.moveTo(...toScreen(from));
    pen.lineTo(...toScreen(to));
  };
  for (const i of pixels) {
    const x = i % width;
    const y = Math.floor(i / width);
    if (x === 0 || !inside(i - 1)) line([x, y], [x, y + 1]);
    if (x === width - 1 || !inside(i + 1)) line([x + 1, y], [x + 1, y + 1]);
    if (y === 0 || !inside(i - width)) line([x, y], [x + 1, y]);
    if (y === height - 1 || !inside(i + width)) line([x, y + 1], [x + 1, y + 1]);
  }
}

function drawBrush() {
  const size = state.sizes.brush;
  const [x, y] = toScreen(snap(state.pointer, size));
  outlined(() => pen.arc(x, y, Math.max(1.5, size / 2 * state.view.scale), 0, 7), 1.5);
}

function drawRegion() {
  const cut = regions();
  const label = cut ? regionAt(cut, state.pointer) : undefined;
  if (label !== undefined) outlined(() => traceBorder(pixelsOf(cut, label), i => cut.labels[i] === label), 1.5);
}

function drawPolygon() {
  const {polygon, pointer} = state;
  if (!polygon.length) return;
  const corners = [...polygon, ...(pointer ? [pointer] : [])].map(toScreen);
  outlined(() => corners.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y)), 1.5);
  for (const [x, y] of polygon.map(toScreen)) outlined(() => pen.arc(x, y, 3.5, 0, 7), 1.5);
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
  pen.font = '600 12px system-ui, sans-serif';
  state.current.points.forEach((_, index) => drawPoint(index));
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
  if (state.tool !== 'keypoints') return;
  pen.lineWidth = 3;
  pen.strokeStyle = '#000';
  pen.fillStyle = index === state.chosenPoint ? CHOSEN : '#fff';
  const text = state.task.keypoints[index] + (proposed ? '?' : '');
  pen.strokeText(text, x + 11, y + 4);
  pen.fillText(text, x + 11, y + 4);
}

function drawDoubts() {
  const {mask, name: sampleName} = state.current;
  for (const doubt of openDoubts(state.samples.get(sampleName))) {
    const inside = new Set(doubt.pixels.filter(i => mask[i] === doubt.labeled));
    const chosen = doubt === state.doubted;
    outlined(() => traceBorder(inside, i => inside.has(i)), chosen ? 3 : 1.5, chosen ? CHOSEN : '#fff');
  }
}

on('frame', draw);

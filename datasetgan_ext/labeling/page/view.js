// Where the image is on the screen.

import {canvas} from './dom.js';
import {state, tell} from './state.js';

const MIN_SCALE = 0.1;
const MAX_SCALE = 64;

let redrawAsked = false;

/** Has all drawn anew in the next frame. */
export function redraw() {
  if (redrawAsked) return;
  redrawAsked = true;
  requestAnimationFrame(() => {
    redrawAsked = false;
    tell('frame');
  });
}

export function toScreen([x, y]) {
  const {view} = state;
  return [x * view.scale + view.x, y * view.scale + view.y];
}

/** A pointer's place from the canvas's upper left corner, in CSS pixels. */
export function onCanvas(evt) {
  const box = canvas.getBoundingClientRect();
  return [evt.clientX - box.left, evt.clientY - box.top];
}

export function toImage(evt) {
  const {view} = state;
  const [x, y] = onCanvas(evt);
  return [(x - view.x) / view.scale, (y - view.y) / view.scale];
}

/** Shows the whole image. */
export function fit() {
  const {view, width, height} = state;
  const box = canvas.getBoundingClientRect();
  view.scale = Math.min(box.width / width, box.height / height) * 0.96;
  view.x = (box.width - width * view.scale) / 2;
  view.y = (box.height - height * view.scale) / 2;
  redraw();
}

/** Enlarges; what is at (x, y) of the canvas stays there. */
export function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const {view} = state;
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, view.scale * factor));
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  redraw();
}

/** Shows some pixels and what is around them. */
export function lookAt(pixels) {
  const {view, width, height} = state;
  const columns = pixels.map(i => i % width);
  const rows = pixels.map(i => Math.floor(i / width));
  const [left, upper] = [columns, rows].map(along => along.reduce((one, other) => Math.min(one, other)));
  const [right, lower] = [columns, rows].map(along => along.reduce((one, other) => Math.max(one, other)) + 1);
  const side = 2 * Math.max(right - left, lower - upper, Math.max(width, height) / 5);
  fit();
  zoom(Math.max(1, Math.min(canvas.clientWidth, canvas.clientHeight) / side / view.scale), 0, 0);
  view.x = canvas.clientWidth / 2 - (left + right) / 2 * view.scale;
  view.y = canvas.clientHeight / 2 - (upper + lower) / 2 * view.scale;
  redraw();
}

// Where the image is on the screen.

import {canvas} from './dom.js';
import {boxOfPixels, clamp} from './raster.js';
import {state, tell} from './state.js';

const MIN_SCALE = 0.1;
const MAX_SCALE = 64;

const NOWHERE = {left: Infinity, upper: Infinity, right: -Infinity, lower: -Infinity};
const EVERYWHERE = {left: -Infinity, upper: -Infinity, right: Infinity, lower: Infinity};

let asked = null;          // the box of the canvas that is drawn anew in the next frame; null = none

/** The smallest box that holds both. */
export const around = (one, other) => ({
  left: Math.min(one.left, other.left), upper: Math.min(one.upper, other.upper),
  right: Math.max(one.right, other.right), lower: Math.max(one.lower, other.lower)});

/** Has all drawn anew in the next frame. */
export const redraw = () => redrawPart(EVERYWHERE);

/** Has a box of the canvas, in CSS pixels, drawn anew in the next frame. */
function redrawPart(part) {
  if (!asked) {
    requestAnimationFrame(() => {
      const box = asked;
      asked = null;
      tell('frame', box);
    });
  }
  asked = around(asked ?? NOWHERE, part);
}

/** Has the place of the cursor, before and now, drawn anew: `draw` adds it to each part. */
export const redrawCursor = () => redrawPart(NOWHERE);

/** Has a part of the image drawn anew. */
export function redrawBox({left, upper, right, lower}) {
  const [first, last] = [toScreen([left, upper]), toScreen([right, lower])];
  redrawPart({left: first[0], upper: first[1], right: last[0], lower: last[1]});
}

export function toScreen([x, y]) {
  const {view} = state.current;
  return [x * view.scale + view.x, y * view.scale + view.y];
}

/** A pointer's place from the canvas's upper left corner, in CSS pixels. */
export function onCanvas(evt) {
  const box = canvas.getBoundingClientRect();
  return [evt.clientX - box.left, evt.clientY - box.top];
}

export function toImage(evt) {
  const {view} = state.current;
  const [x, y] = onCanvas(evt);
  return [(x - view.x) / view.scale, (y - view.y) / view.scale];
}

/** The part of the image that is seen: its first column and row, and those after its last ones; null if it is all. */
export function seenBox() {
  const {current: {view}, width, height} = state;
  const [left, upper] = [-view.x, -view.y].map(place => Math.floor(place / view.scale));
  const [right, lower] = [canvas.clientWidth - view.x, canvas.clientHeight - view.y].map(
    place => Math.ceil(place / view.scale));
  const box = [clamp(left, width - 1), clamp(upper, height - 1), clamp(right, width), clamp(lower, height)];
  if (box[2] <= box[0] || box[3] <= box[1]) return null;
  return box.join() === [0, 0, width, height].join() ? null : box;
}

/** Shows the whole image. */
export function fit() {
  const {current: {view}, width, height} = state;
  const box = canvas.getBoundingClientRect();
  view.scale = Math.min(box.width / width, box.height / height) * 0.96;
  view.x = (box.width - width * view.scale) / 2;
  view.y = (box.height - height * view.scale) / 2;
  view.fitted = true;
  redraw();
}

/** After a change of the window: a whole image is fitted anew. */
export function refit() {
  if (state.current?.view.fitted) fit();
  redraw();
}

/** Enlarges; what is at (x, y) of the canvas stays there. */
export function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const {view} = state.current;
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, view.scale * factor));
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  view.fitted = false;
  redraw();
}

/** Moves the image by so many CSS pixels. */
export function pan(right, down) {
  const {view} = state.current;
  view.x += right;
  view.y += down;
  view.fitted = false;
  redraw();
}

/** Shows some pixels and what is around them. */
export function lookAt(pixels) {
  const {width, height} = state;
  const {left, upper, right, lower} = boxOfPixels(pixels, width);
  const side = 2 * Math.max(right - left, lower - upper, Math.max(width, height) / 5);
  fit();
  const {view} = state.current;
  zoom(Math.max(1, Math.min(canvas.clientWidth, canvas.clientHeight) / side / view.scale), 0, 0);
  view.x = canvas.clientWidth / 2 - (left + right) / 2 * view.scale;
  view.y = canvas.clientHeight / 2 - (upper + lower) / 2 * view.scale;
  redraw();
}

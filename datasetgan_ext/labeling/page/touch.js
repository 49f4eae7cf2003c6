// Fingers: one draws, two move and zoom the view, a palm does nothing, and none does anything beside a pen.

import {canvas} from './dom.js';
import {onCanvas, pan, zoom} from './view.js';

const PALM = 60;           // CSS pixels: what touches on a larger area is no finger
const PEN_MS = 800;        // a pen that was seen so short ago is in the hand

const fingers = new Map(); // pointerId -> place on the canvas
let penSeen = -Infinity;
let hadTwo = false;        // when one of two fingers is lifted, the other one does not draw

/** Takes note of a pen. */
export function seesPen(evt) {
  if (evt.pointerType === 'pen') penSeen = evt.timeStamp;
}

/** Whether a pointer counts: palms and fingers beside a pen do not. */
export function choosesTouch(evt) {
  if (evt.pointerType !== 'touch' || fingers.has(evt.pointerId)) return true;
  return evt.width <= PALM && evt.height <= PALM && evt.timeStamp - penSeen > PEN_MS;
}

/** How many fingers there are after a press. */
export function pressesFinger(evt) {
  if (evt.pointerType !== 'touch') return 0;
  canvas.setPointerCapture(evt.pointerId);
  fingers.set(evt.pointerId, onCanvas(evt));
  return fingers.size;
}

/** Moves and zooms the view by what a finger has moved; whether there is more than one. */
export function movesFingers(evt) {
  if (!fingers.has(evt.pointerId)) return false;
  const [was, before] = spanOf([...fingers.values()]);
  fingers.set(evt.pointerId, onCanvas(evt));
  const [is, now] = spanOf([...fingers.values()]);
  if (fingers.size < 2) return hadTwo;
  hadTwo = true;
  pan(is[0] - was[0], is[1] - was[1]);
  if (before && now) zoom(now / before, ...is);
  return true;
}

export function releasesFinger(evt) {
  if (fingers.size > 1) hadTwo = true;
  fingers.delete(evt.pointerId);
  if (!fingers.size) hadTwo = false;
}

/** The middle of the first two fingers and how far they are apart. */
function spanOf([[ax, ay], [bx, by] = [ax, ay]]) {
  return [[(ax + bx) / 2, (ay + by) / 2], Math.hypot(bx - ax, by - ay)];
}

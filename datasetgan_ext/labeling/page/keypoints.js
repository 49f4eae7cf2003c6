// Keypoints: placed by a person, or proposed.

import {say} from './dom.js';
import {beforeChange, savePoints} from './labels.js';
import {clamp} from './raster.js';
import {ABSENT, VISIBLE, state, tell} from './state.js';
import {onCanvas, redraw, toScreen} from './view.js';

const GRAB = 10;           // CSS pixels within which a keypoint is taken hold of

/** Whether a keypoint is suggested and not placed. */
export function isProposed(index) {
  const {points, proposed} = state.current;
  return points[index][2] === ABSENT && Boolean(proposed[index]?.[2]);
}

/** A keypoint as it is placed or else, in a place that is not confirmed, as it is suggested. */
export const shownPoint = index => isProposed(index) ? state.current.proposed[index] : state.current.points[index];

function setPoint(index, point) {
  state.current.points = state.current.points.with(index, point);
}

/** From visible to occluded to absent; a suggested one is confirmed. */
export function turnPoint(index) {
  const [x, y, seen] = state.current.points[index];
  if (isProposed(index)) return confirmPoint(index);
  if (seen === ABSENT) return say(`Click on the image to place ${state.task.keypoints[index]}`);
  beforeChange();
  if (seen - 1 === ABSENT) withdraw(index);
  setPoint(index, [x, y, seen - 1]);
  savePoints();
  redraw();
}

function confirmPoint(index) {
  beforeChange();
  setPoint(index, state.current.proposed[index]);
  savePoints();
  redraw();
}

/** Takes a keypoint away, or the suggestion of it. */
export function removePoint(index) {
  if (shownPoint(index)[2] === ABSENT) return;
  beforeChange();
  withdraw(index);
  setPoint(index, [0, 0, ABSENT]);
  savePoints();
  redraw();
}

function withdraw(index) {
  const {current} = state;
  if (current.proposed.length) current.proposed = current.proposed.with(index, [0, 0, ABSENT]);
}

/** The first keypoint without a place; -1 = all are placed. */
export const firstAbsent = () => state.current.points.findIndex(point => point[2] === ABSENT);

function nearestPoint(evt) {
  const [x, y] = onCanvas(evt);
  let best = -1;
  let least = GRAB;
  state.current.points.forEach((_, index) => {
    const point = shownPoint(index);
    const place = toScreen(point);
    const distance = Math.hypot(x - place[0], y - place[1]);
    if (point[2] !== ABSENT && distance <= least) {
      best = index;
      least = distance;
    }
  });
  return best;
}

/** Takes hold of the keypoint under the pointer, or places the chosen one. */
export function takePoint(evt) {
  const near = nearestPoint(evt);
  beforeChange();
  if (near >= 0) state.chosenPoint = near;
  state.dragged = {index: state.chosenPoint, placed: near < 0 || isProposed(near)};
  if (near >= 0 && isProposed(near)) setPoint(near, state.current.proposed[near]);
  if (near < 0) placeDragged(state.current.points[state.chosenPoint][2] || VISIBLE);
  tell('tools');
  redraw();
}

/** Moves what is held to the pointer. */
export const dragPoint = () => placeDragged(state.current.points[state.dragged.index][2]);

function placeDragged(seen) {
  const {pointer, width, height} = state;
  const place = [clamp(pointer[0], width), clamp(pointer[1], height)].map(value => Math.round(value * 100) / 100);
  setPoint(state.dragged.index, [...place, seen]);
}

export function dropPoint() {
  const {placed} = state.dragged;
  state.dragged = null;
  const absent = firstAbsent();
  if (placed && absent >= 0) state.chosenPoint = absent;
  savePoints();
}

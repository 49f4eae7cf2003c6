// Keypoints: placed by a person, or proposed.

import {say} from './dom.js';
import {beforeChange, saveNotes, savePoints} from './labels.js';
import {clamp} from './raster.js';
import {ABSENT, OCCLUDED, VISIBLE, state, tell} from './state.js';
import {onCanvas, redraw, toScreen} from './view.js';

const GRAB = 10;           // CSS pixels within which a keypoint is taken hold of

/** Whether a keypoint is suggested and not placed. */
export function isProposed(index) {
  const {points, proposed} = state.current;
  return points[index][2] === ABSENT && Boolean(proposed[index]?.[2]);
}

/** A keypoint as it is placed or else, in a place that is not confirmed, as it is suggested. */
export const shownPoint = index => isProposed(index) ? state.current.proposed[index] : state.current.points[index];

const openNotes = () => state.samples.get(state.current.name).notes;

/** Whether a person has said that a keypoint is not there. */
export const isSaidAbsent = index => openNotes().absent.includes(index);

const isToDo = index => state.current.points[index][2] === ABSENT && !isSaidAbsent(index);

/** The first keypoint from `start` on, and then from the first one on, that is still to be placed; -1 = none. */
export function nextToDo(start) {
  const {length: number} = state.current.points;
  const order = [...Array(number).keys()].map(i => (start + i) % number);
  return order.find(isToDo) ?? -1;
}

/** Goes on to the next keypoint that is still to be placed. */
export function skipPoint() {
  const next = nextToDo(state.current.chosenPoint + 1);
  if (next < 0) return say('All keypoints are placed or marked as absent');
  choosePoint(next);
}

export function choosePoint(index) {
  state.current.chosenPoint = index;
  tell('tools');
  redraw();
}

function setPoint(index, point) {
  state.current.points = state.current.points.with(index, point);
  if (point[2] !== ABSENT) noteAbsent(index, false);
}

function noteAbsent(index, absent) {
  if (isSaidAbsent(index) === absent) return;
  const others = openNotes().absent.filter(other => other !== index);
  openNotes().absent = absent ? [...others, index] : others;
  saveNotes(state.samples.get(state.current.name));
}

/** Says that a keypoint is not there, and goes on to the next. */
export function markAbsent(index) {
  if (shownPoint(index)[2] !== ABSENT) removePoint(index);
  noteAbsent(index, true);
  tell('labels');
  const next = nextToDo(index);
  if (next >= 0) choosePoint(next);
}

/** From visible to occluded to absent, and from there to not done; a suggested one is confirmed. */
export function turnPoint(index) {
  const [x, y, seen] = state.current.points[index];
  if (isProposed(index)) return confirmPoint(index);
  if (seen === ABSENT) {
    noteAbsent(index, !isSaidAbsent(index));
    return tell('labels');
  }
  beforeChange();
  if (seen - 1 === ABSENT) {
    withdraw(index);
    noteAbsent(index, true);
  }
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

/** Moves the chosen keypoint by so many pixels; one without a place comes into the middle of the image. */
export function nudgePoint(right, down) {
  const {current, width, height} = state;
  const [x, y, seen] = shownPoint(current.chosenPoint);
  const from = seen === ABSENT ? [width / 2, height / 2] : [x + right, y + down];
  beforeChange();
  setPoint(current.chosenPoint, [...inImage(from), seen || VISIBLE]);
  savePoints();
  redraw();
}

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

/** Takes hold of the keypoint under the pointer, or places the chosen one: with Shift, as occluded. */
export function takePoint(evt) {
  const {current} = state;
  const near = nearestPoint(evt);
  const seen = evt.shiftKey || evt.button === 2 ? OCCLUDED : VISIBLE;
  beforeChange();
  if (near >= 0) current.chosenPoint = near;
  state.dragged = {index: current.chosenPoint, placed: near < 0 || isProposed(near)};
  if (near >= 0 && isProposed(near)) setPoint(near, [...current.proposed[near].slice(0, 2), seen]);
  if (near < 0) placeDragged(seen);
  tell('tools');
  redraw();
}

/** Moves what is held to the pointer. */
export const dragPoint = () => placeDragged(state.current.points[state.dragged.index][2]);

function placeDragged(seen) {
  setPoint(state.dragged.index, [...inImage(state.pointer), seen]);
}

function inImage([x, y]) {
  return [clamp(x, state.width), clamp(y, state.height)].map(value => Math.round(value * 100) / 100);
}

/** Lets go; after one that has just been placed comes the next. */
export function dropPoint() {
  const {index, placed} = state.dragged;
  state.dragged = null;
  const next = nextToDo(index + 1);
  if (placed && next >= 0) state.current.chosenPoint = next;
  savePoints();
}

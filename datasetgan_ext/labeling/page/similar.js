// The tool that marks what is like the pixel that was clicked, in this image and in all others.

import {say} from './dom.js';
import {beforeChange, painter, saveMask} from './labels.js';
import {paintMarks, paintOverlay} from './overlay.js';
import {pixelAt} from './raster.js';
import {reasonOf, requestBytes, samplePath} from './server.js';
import {NONE, on, state, tell} from './state.js';
import {redraw} from './view.js';

const FIRST_LIMIT = 150;   // distances up to this are taken to be of the part: three quarters of the usual distance
const WHEEL_STEP = 6;
const ASK_AGAIN_MS = 500;

/**
 * @typedef {object} Mark
 * @property {string} name  the image that was clicked
 * @property {Place} place  where
 * @property {number} limit  distance up to which a pixel is like it
 * @property {Map<string, Uint8Array>} distances  by image, at the size of a glance
 */

/** Marks what is like a place of the open image. */
export async function markSimilar(place) {
  const {current, width, height, samples, task} = state;
  if (pixelAt(place, width, height) === undefined) return;
  if (!task.suggests) return say('Without a network, nothing is known of features');
  const mark = {name: current.name, place, limit: state.mark?.limit ?? FIRST_LIMIT, distances: new Map()};
  state.mark = mark;
  let missing = [mark.name, ...[...samples.keys()].filter(sampleName => sampleName !== mark.name)];
  try {
    while (state.mark === mark) {
      missing = await compare(mark, missing);
      if (!missing.length) return;
      if (missing[0] === mark.name) say('The features of this image are on the way');
      await new Promise(resolve => setTimeout(resolve, ASK_AGAIN_MS));
    }
  } catch (error) {
    say(reasonOf(error), true);
  }
}

/** Compares images with the place of a mark; returns the names of those whose features are not there yet. */
async function compare(mark, names) {
  const [x, y] = mark.place.map(value => value.toFixed(2));
  const query = `?to=${encodeURIComponent(mark.name)}&x=${x}&y=${y}`;
  const missing = [];
  for (const sampleName of names) {
    const distances = await requestBytes(samplePath(sampleName, 'similar') + query);
    if (state.mark !== mark) return [];
    if (!distances.length) {
      missing.push(sampleName);
      continue;
    }
    mark.distances.set(sampleName, distances);
    tell('mark');
  }
  return missing;
}

export function dropMark() {
  state.mark = null;
  tell('mark');
}

/** Marks more (1) or less (-1). */
export function widenMark(direction) {
  const {mark} = state;
  mark.limit = Math.min(254, Math.max(1, mark.limit + direction * WHEEL_STEP));
  tell('mark');
}

/** A function that says whether a pixel of the open image, by its column and row, is marked; null if none is. */
export function markedAt() {
  const {mark, current, width, height, task} = state;
  const distances = mark?.distances.get(current.name);
  if (!distances) return null;
  const [glanceHeight, glanceWidth] = task.glance;
  // between the values of a glance, so that the edge of a mark is smooth in a large image
  const at = (x, y) => distances[
    Math.min(glanceHeight - 1, Math.max(0, y)) * glanceWidth + Math.min(glanceWidth - 1, Math.max(0, x))];
  return (x, y) => {
    const across = (x + 0.5) * glanceWidth / width - 0.5;
    const down = (y + 0.5) * glanceHeight / height - 0.5;
    const [left, upper] = [Math.floor(across), Math.floor(down)];
    const [right, lower] = [across - left, down - upper];
    const above = at(left, upper) * (1 - right) + at(left + 1, upper) * right;
    const below = at(left, upper + 1) * (1 - right) + at(left + 1, upper + 1) * right;
    return above * (1 - lower) + below * lower <= mark.limit;
  };
}

/** Gives what is marked in the open image, and has no label yet, the chosen class. */
export function takeMark() {
  const {current: {mask}, width, painted} = state;
  const isMarked = markedAt();
  if (!isMarked) return;
  const pixels = [];
  mask.forEach((id, i) => { if (id === NONE && isMarked(i % width, Math.floor(i / width))) pixels.push(i); });
  dropMark();
  if (!pixels.length) return say('All of it has a label already');
  beforeChange();
  pixels.forEach(painter(painted));
  paintOverlay();
  saveMask();
}

/** Brings the picture of what is marked up to date. */
function showMark() {
  const isMarked = state.current ? markedAt() : null;
  if (isMarked) paintMarks(isMarked);
  redraw();
}

on('mark', showMark);
on('opened', showMark);
on('tools', () => { if (state.mark && state.tool !== 'similar') dropMark(); });

// The tool, the class and the size that are chosen.

import {$, say} from './dom.js';
import {shownIds} from './labels.js';
import {pixelAt} from './raster.js';
import {NONE, on, state, tell} from './state.js';
import {redraw} from './view.js';

const SECOND_DIGIT_MS = 800;

let typed = {digit: 0, time: -Infinity};

/** Sizes that suit the image's, and a tool that the task has a use for. */
export function chooseFirst() {
  const {width, height, sizes, task} = state;
  const side = Math.max(width, height);
  $('size').max = Math.max(8, Math.round(side / 4));
  sizes.brush = Math.max(2, Math.round(side / 32));
  sizes.regions = Math.max(4, Math.round(side / 24));
  if (!task.classes.length) state.tool = 'keypoints';
}

/** Whether the task has a use for a tool. */
export function isUseful(tool) {
  const {task} = state;
  if (tool === 'similar' && !task.suggests) return false;
  return tool === 'keypoints' ? task.keypoints.length > 0 : task.classes.length > 0;
}

export function choose(tool) {
  if (!isUseful(tool)) return;
  state.tool = tool;
  tell('tools');
  redraw();
}

export const classNameOf = id => id === NONE ? 'no label' : state.task.classes[id];

export function pickClass(id) {
  if (!state.task.classes.length) return;
  state.painted = id;
  forgetDigit();
  if (state.tool === 'eraser' || state.tool === 'keypoints') state.tool = 'brush';
  tell('tools');
  redraw();
}

/** Picks the class of a digit or, soon after another digit, of both. */
export function typeDigit(digit, time) {
  const number = state.task.classes.length;
  const both = 10 * typed.digit + digit;
  const second = time - typed.time < SECOND_DIGIT_MS && both < number;
  const id = second ? both : digit;
  if (id < number) pickClass(id);
  typed = {digit, time: second ? -Infinity : time};
}

/** What is typed next is a number of its own. */
export function forgetDigit() {
  typed.time = -Infinity;
}

/** Picks the class that is seen at a place of the image. */
export function takeClassAt(place) {
  const {task, width, height} = state;
  const i = place && task.classes.length ? pixelAt(place, width, height) : undefined;
  if (i !== undefined) pickClass(shownIds()[i]);
}

/** Protects a class from being painted over, or gives it free. */
export function toggleGuard(id) {
  if (id === NONE || !state.task.classes.length) return;
  if (!state.guarded.delete(id)) state.guarded.add(id);
  say(state.guarded.has(id) ? `${classNameOf(id)} is protected` : `${classNameOf(id)} may be painted over`);
  tell('tools');
}

/** Paints only what has no label from now on, or all. */
export function toggleOnlyBlank() {
  state.onlyBlank = !state.onlyBlank;
  tell('tools');
}

/** Whose size is set: that of the regions, or that of brush and eraser. */
export const sized = () => state.tool === 'regions' ? 'regions' : 'brush';

export function setSize(value) {
  state.sizes[sized()] = Math.min(Number($('size').max), Math.max(1, value));
  tell('tools');
  redraw();
}

/** A step larger (1) or smaller (-1). */
export function resize(by) {
  const size = state.sizes[sized()];
  setSize(size + by * Math.max(1, Math.round(size / 8)));
}

on('labels', forgetDigit);

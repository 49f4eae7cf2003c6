// Changing the labels of the open image.

import {save} from './server.js';
import {NONE, state, tell} from './state.js';
import {connectedTo, pixelAt} from './raster.js';
import {paintOverlay} from './overlay.js';

const UNDO_STEPS = 60;

/** To be called before each change: undo goes back to what is there now. */
export function beforeChange() {
  state.done.push({...undoable(), mask: state.current.mask.slice()});
  if (state.done.length > UNDO_STEPS) state.done.shift();
  state.undone = [];
}

function undoable() {
  const {mask, points, suggestion, proposed} = state.current;
  return {mask, points, suggestion, proposed};
}

export const undo = () => travel(state.done, state.undone);
export const redo = () => travel(state.undone, state.done);

function travel(from, to) {
  if (!from.length || state.stroke || state.dragged) return;
  to.push(undoable());
  Object.assign(state.current, from.pop());
  paintOverlay();
  tell('suggestion');
  saveMask();
  savePoints();
}

export function saveMask() {
  if (state.task.classes.length) save('mask', state.current.mask.slice());
  tell('labels');
}

export function savePoints() {
  if (!state.task.keypoints.length) return;
  state.samples.get(state.current.name).points = state.current.points;
  save('keypoints', JSON.stringify(state.current.points));
  tell('labels');
}

/** Gives the region of one class that a place is in the chosen class. */
export function fill(place) {
  const {current: {mask}, painted, width, height} = state;
  const first = pixelAt(place, width, height);
  if (first === undefined || mask[first] === painted) return;
  beforeChange();
  for (const i of connectedTo(first, mask, width)) mask[i] = painted;
  paintOverlay();
  saveMask();
}

/** Gives each pixel the class that `change` makes of its class. */
export function replaceAll(change) {
  beforeChange();
  state.current.mask = state.current.mask.map(change);
  paintOverlay();
  saveMask();
}

export const restIsBackground = () => replaceAll(id => id === NONE ? 0 : id);
export const clearLabels = () => replaceAll(() => NONE);

// Changing the labels of the open image.

import {dropUnsaved, save} from './server.js';
import {BACKGROUND, NONE, state, tell} from './state.js';
import {connectedTo, pixelAt} from './raster.js';
import {paintOverlay} from './overlay.js';
import {redraw} from './view.js';

const UNDO_STEPS = 60;

/** To be called before each change: undo goes back to what is there now. */
export function beforeChange() {
  const {current} = state;
  current.done.push({...undoable(current), mask: current.mask.slice()});
  if (current.done.length > UNDO_STEPS) current.done.shift();
  current.undone = [];
}

/** What undo brings back. */
export const undoable = ({mask, points, suggestion, proposed, refused}) =>
  ({mask, points, suggestion, proposed, refused});

/** Takes back the last corner of a polygon or else the last change. */
export function undo() {
  const {polygon, done, undone} = state.current;
  if (polygon.length) removeCorner();
  else travel(done, undone);
}

export const redo = () => travel(state.current.undone, state.current.done);

export function removeCorner() {
  state.current.polygon.pop();
  redraw();
}

function travel(from, to) {
  if (!from.length || state.stroke || state.dragged) return;
  to.push(undoable(state.current));
  Object.assign(state.current, from.pop());
  paintOverlay();
  tell('suggestion');
  saveMask();
  savePoints();
}

/** Ends a stroke or a drag as if it had never begun. */
export function abandonChange() {
  state.stroke = null;
  state.dragged = null;
  Object.assign(state.current, state.current.done.pop());
  paintOverlay();
  tell('labels');
}

const openSample = () => state.samples.get(state.current.name);

export function saveMask() {
  if (state.task.classes.length) save(openSample(), 'mask', state.current.mask.slice());
  tell('labels');
}

export function savePoints() {
  if (!state.task.keypoints.length) return;
  const {points} = state.current;
  openSample().points = points;
  save(openSample(), 'keypoints', JSON.stringify(points));
  tell('labels');
}

export const saveNotes = sample => save(sample, 'notes', JSON.stringify(sample.notes));

/**
 * Takes what the server has of an open image in place of what the page has, which undo goes back to.
 *
 * @param {Open} kept
 * @param {{mask?: Uint8Array, points?: Keypoint[]}} theirs
 */
export function takeTheirs(kept, theirs) {
  kept.done.push({...undoable(kept), mask: kept.mask.slice()});
  kept.undone = [];
  Object.assign(kept, theirs);
  const sample = state.samples.get(kept.name);
  if (theirs.mask) dropUnsaved(sample, 'mask');
  if (theirs.points) {
    dropUnsaved(sample, 'keypoints');
    sample.points = theirs.points;
  }
  if (kept !== state.current) return;
  paintOverlay();
  tell('labels');
}

/** For each class id, and NONE, whether it may be painted over. */
export function paintable() {
  const allowed = new Uint8Array(256).fill(state.onlyBlank ? 0 : 1);
  for (const id of state.guarded) allowed[id] = 0;
  allowed[NONE] = 1;
  return allowed;
}

/** A function that paints a pixel, given by its index, where that is allowed. */
export function painter(id) {
  const {mask} = state.current;
  const allowed = paintable();
  return i => { if (allowed[mask[i]]) mask[i] = id; };
}

/** What is seen of each pixel: its class or else the suggested one. */
export function shownIds() {
  const {mask, suggestion} = state.current;
  return suggestion ? mask.map((id, i) => id === NONE ? suggestion[i] : id) : mask;
}

/** Gives the region of one class, as it is seen, that a place is in the chosen class. */
export function fill(place) {
  const {current: {mask}, painted, width, height} = state;
  const first = pixelAt(place, width, height);
  if (first === undefined) return;
  const region = connectedTo(first, shownIds(), width);
  const allowed = paintable();
  const changing = region.filter(i => allowed[mask[i]] && mask[i] !== painted);
  if (!changing.length) return;
  beforeChange();
  for (const i of changing) mask[i] = painted;
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

export const restIsBackground = () => replaceAll(id => id === NONE ? BACKGROUND : id);
export const clearLabels = () => replaceAll(() => NONE);

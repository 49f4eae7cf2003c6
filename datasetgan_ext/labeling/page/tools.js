// The tool, the class and the size that are chosen.

import {$} from './dom.js';
import {cancelPolygon} from './polygon.js';
import {state, tell} from './state.js';
import {redraw} from './view.js';

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
  return tool === 'keypoints' ? task.keypoints.length > 0 : task.classes.length > 0;
}

export function choose(tool) {
  if (!isUseful(tool)) return;
  if (tool !== 'polygon') cancelPolygon();
  state.tool = tool;
  tell('tools');
  redraw();
}

export function pickClass(id) {
  if (!state.task.classes.length) return;
  state.painted = id;
  if (state.tool === 'eraser' || state.tool === 'keypoints') state.tool = 'brush';
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

// The polygon that is being drawn.

import {beforeChange, saveMask} from './labels.js';
import {coverPolygon} from './raster.js';
import {state} from './state.js';
import {paintOverlay} from './overlay.js';
import {redraw} from './view.js';

export function addCorner(place) {
  state.polygon.push(place);
  redraw();
}

/** Paints what is inside. */
export function closePolygon() {
  const corners = state.polygon;
  cancelPolygon();
  if (corners.length < 3) return;
  const {current: {mask}, painted, width, height} = state;
  beforeChange();
  coverPolygon(corners, width, height, i => { mask[i] = painted; });
  paintOverlay();
  saveMask();
}

export function cancelPolygon() {
  state.polygon = [];
  redraw();
}

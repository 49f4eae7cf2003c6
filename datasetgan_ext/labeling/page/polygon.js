// The polygon that is being drawn. It stays until it is closed or given up, also with another tool in hand.

import {beforeChange, painter, saveMask} from './labels.js';
import {coverPolygon} from './raster.js';
import {state} from './state.js';
import {paintOverlay} from './overlay.js';
import {redraw, toScreen} from './view.js';

const CLOSE = 9;           // CSS pixels from the first corner within which a click closes the polygon

/** Whether a click at a place closes the polygon. */
export function closesPolygon(place) {
  const {polygon} = state.current;
  if (polygon.length < 3) return false;
  const [[x, y], [firstX, firstY]] = [place, polygon[0]].map(toScreen);
  return Math.hypot(x - firstX, y - firstY) <= CLOSE;
}

export function addCorner(place) {
  if (closesPolygon(place)) return closePolygon();
  state.current.polygon.push(place);
  redraw();
}

/** Paints what is inside. */
export function closePolygon() {
  const {current, painted, width, height} = state;
  const corners = current.polygon;
  cancelPolygon();
  if (corners.length < 3) return;
  beforeChange();
  coverPolygon(corners, width, height, painter(painted));
  paintOverlay();
  saveMask();
}

export function cancelPolygon() {
  state.current.polygon = [];
  redraw();
}

// The pointer on the image.

import {$, canvas, say} from './dom.js';
import {dragPoint, dropPoint, takePoint} from './keypoints.js';
import {beforeChange, fill, saveMask} from './labels.js';
import {paintOverlay} from './overlay.js';
import {addCorner, cancelPolygon, closePolygon} from './polygon.js';
import {boxOfLine, coverLine, snap} from './raster.js';
import {paintRegions, regions, startRegions} from './regions.js';
import {on, state} from './state.js';
import {onCanvas, redraw, toImage, zoom} from './view.js';

/** What a press with each tool begins. */
const PRESS = {
  brush: () => startStroke(state.painted),
  eraser: () => startStroke(Number($('erase').value)),
  regions: () => regions() ? startRegions(state.pointer) : say('The regions are being found; try again in a moment'),
  polygon: () => addCorner(state.pointer),
  fill: () => fill(state.pointer),
  keypoints: takePoint,
};

function press(evt) {
  if (!state.current || state.stroke || state.panning || state.dragged) return;
  canvas.setPointerCapture(evt.pointerId);
  state.pointer = toImage(evt);
  say('');
  if (evt.button === 1 || state.spaceDown) {
    state.panning = {x: evt.clientX - state.view.x, y: evt.clientY - state.view.y};
  } else if (evt.button === 0) {
    PRESS[state.tool](evt);
  }
}

function startStroke(id) {
  beforeChange();
  const place = snap(state.pointer, state.sizes.brush);
  state.stroke = {last: place, id};
  paintLine(place, place);
}

/** Paints the pixels whose centre is at most half the brush's size from the line. */
function paintLine(from, to) {
  const {current: {mask}, sizes, width, height, stroke} = state;
  const reach = sizes.brush / 2;
  const box = boxOfLine(from, to, reach, width, height);
  coverLine(from, to, reach, box, width, i => { mask[i] = stroke.id; });
  paintOverlay(box);
}

function move(evt) {
  state.pointer = toImage(evt);
  if (state.panning) {
    state.view.x = evt.clientX - state.panning.x;
    state.view.y = evt.clientY - state.panning.y;
  } else if (state.stroke) {
    for (const part of evt.getCoalescedEvents().concat(evt)) continueStroke(part);
  } else if (state.dragged) {
    dragPoint();
  }
  redraw();
}

function continueStroke(part) {
  const {stroke, sizes} = state;
  const next = stroke.regions ? toImage(part) : snap(toImage(part), sizes.brush);
  if (stroke.regions) paintRegions(stroke.last, next);
  else paintLine(stroke.last, next);
  stroke.last = next;
}

function endOfDrag() {
  if (state.stroke) {
    state.stroke = null;
    saveMask();
  }
  if (state.dragged) dropPoint();
  state.panning = null;
  redraw();
}

function leave() {
  state.pointer = null;
  redraw();
}

function turnWheel(evt) {
  evt.preventDefault();
  zoom(Math.exp(-evt.deltaY * (evt.deltaMode ? 0.05 : 0.0015)), ...onCanvas(evt));
}

export function listenToPointer() {
  canvas.addEventListener('pointerdown', press);
  canvas.addEventListener('pointermove', move);
  canvas.addEventListener('pointerup', endOfDrag);
  canvas.addEventListener('pointercancel', endOfDrag);
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('dblclick', () => { if (state.tool === 'polygon') closePolygon(); });
  canvas.addEventListener('wheel', turnWheel, {passive: false});
  new ResizeObserver(redraw).observe(canvas);
}

on('leaving', endOfDrag);
on('leaving', cancelPolygon);

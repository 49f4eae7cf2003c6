// Mouse, pen and fingers on the image.

import {$, canvas, say} from './dom.js';
import {dragPoint, dropPoint, takePoint} from './keypoints.js';
import {abandonChange, beforeChange, fill, painter, removeCorner, saveMask, undo} from './labels.js';
import {paintOverlay} from './overlay.js';
import {acceptPart, refusePart} from './parts.js';
import {addCorner, closePolygon} from './polygon.js';
import {boxOfLine, coverLine, snap} from './raster.js';
import {paintRegions, regions, startRegions} from './regions.js';
import {markSimilar, widenMark} from './similar.js';
import {on, state, tell} from './state.js';
import {choosesTouch, movesFingers, pressesFinger, releasesFinger, seesPen} from './touch.js';
import {takeClassAt} from './tools.js';
import {onCanvas, pan, redraw, redrawCursor, refit, toImage, zoom} from './view.js';

const LEFT = 0;
const MIDDLE = 1;
const RIGHT = 2;
const PEN_ERASER = 5;
const SWIPE_MS = 200;      // how long after a move to the side the wheel goes on moving the view

let swiped = -Infinity;

/** What a press with each tool begins. */
const PRESS = {
  brush: () => startStroke(state.painted),
  eraser: () => startStroke(Number($('erase').value)),
  regions: () => regions() ? startRegions(state.pointer) : say('The regions are being found; try again in a moment'),
  polygon: () => addCorner(state.pointer),
  fill: () => fill(state.pointer),
  similar: () => markSimilar(state.pointer),
  keypoints: takePoint,
};

/** What takes back that which the first of two fingers has begun. */
const TAKE_BACK = {
  brush: abandonChange,
  eraser: abandonChange,
  regions: abandonChange,
  polygon: removeCorner,
  fill: undo,
  keypoints: abandonChange,
};

function press(evt) {
  if (!state.current || !choosesTouch(evt)) return;
  seesPen(evt);
  const fingers = pressesFinger(evt);
  if (fingers > 1) return takeBack();
  if (state.stroke || state.panning || state.dragged) return;
  canvas.setPointerCapture(evt.pointerId);
  state.pointer = toImage(evt);
  say('');
  begin(evt);
}

function begin(evt) {
  const {view} = state.current;
  if (evt.button === MIDDLE || state.spaceDown) {
    state.panning = {x: evt.clientX - view.x, y: evt.clientY - view.y};
  } else if (evt.button === PEN_ERASER) {
    startStroke(Number($('erase').value));
  } else if (evt.button === LEFT && evt.altKey) {
    takeClassAt(state.pointer);
  } else if (evt.button === LEFT && (evt.ctrlKey || evt.metaKey) && state.tool !== 'keypoints') {
    acceptPart(state.pointer, evt.shiftKey);
  } else if (evt.button === RIGHT && state.tool !== 'keypoints') {
    refusePart(state.pointer, evt.shiftKey);
  } else if (evt.button === LEFT || (evt.button === RIGHT && state.tool === 'keypoints')) {
    const {tool, current: {done, polygon}} = state;
    const before = [done.at(-1), polygon.length];
    PRESS[tool](evt);
    state.pressed = {tool, changed: done.at(-1) !== before[0] || polygon.length !== before[1]};
  }
}

/** Two fingers move the view: what the first one has begun was not meant. */
function takeBack() {
  if (state.pressed?.changed) TAKE_BACK[state.pressed.tool]();
  state.pressed = null;
  state.pointer = null;
  redraw();
}

function startStroke(id) {
  beforeChange();
  const place = snap(state.pointer, state.sizes.brush);
  state.stroke = {last: place, id, paint: painter(id)};
  paintLine(place, place);
}

/** Paints the pixels whose centre is at most half the brush's size from the line. */
function paintLine(from, to) {
  const {sizes, width, height, stroke} = state;
  const reach = sizes.brush / 2;
  const box = boxOfLine(from, to, reach, width, height);
  coverLine(from, to, reach, box, width, stroke.paint);
  paintOverlay(box);
}

function move(evt) {
  if (!state.current || !choosesTouch(evt)) return;
  seesPen(evt);
  if (movesFingers(evt)) return;
  state.pointer = toImage(evt);
  if (state.panning) {
    const {view} = state.current;
    pan(evt.clientX - state.panning.x - view.x, evt.clientY - state.panning.y - view.y);
  } else if (state.stroke) {
    for (const part of evt.getCoalescedEvents().concat(evt)) continueStroke(part);
  } else if (state.dragged) {
    dragPoint();
  }
  if (state.tool === 'brush' || state.tool === 'eraser') redrawCursor();
  else redraw();
}

function continueStroke(part) {
  const {stroke, sizes} = state;
  const next = stroke.regions ? toImage(part) : snap(toImage(part), sizes.brush);
  if (stroke.regions) paintRegions(stroke.last, next);
  else paintLine(stroke.last, next);
  stroke.last = next;
}

function release(evt) {
  releasesFinger(evt);
  endOfDrag();
}

function endOfDrag() {
  state.pressed = null;
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

/**
 * The wheel zooms, or sets how much is marked as similar; a swipe of two fingers to the side moves the view, a pinch on
 * a trackpad (as Ctrl) zooms more.
 */
function turnWheel(evt) {
  evt.preventDefault();
  if (!state.current) return;
  if (evt.ctrlKey) return zoom(Math.exp(-evt.deltaY * 0.01), ...onCanvas(evt));
  if (state.mark && state.tool === 'similar' && evt.deltaY) return widenMark(-Math.sign(evt.deltaY));
  if (evt.deltaX) swiped = evt.timeStamp;
  if (evt.timeStamp - swiped < SWIPE_MS) return pan(-evt.deltaX, -evt.deltaY);
  return zoom(Math.exp(-evt.deltaY * (evt.deltaMode ? 0.05 : 0.0015)), ...onCanvas(evt));
}

export function listenToPointer() {
  canvas.addEventListener('pointerdown', press);
  canvas.addEventListener('pointermove', move);
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', leave);
  canvas.addEventListener('dblclick', () => { if (state.tool === 'polygon') closePolygon(); });
  canvas.addEventListener('wheel', turnWheel, {passive: false});
  canvas.addEventListener('contextmenu', evt => evt.preventDefault());
  new ResizeObserver(refit).observe(canvas);
  on('leaving', endOfDrag);
  on('opened', () => tell('tools'));
}

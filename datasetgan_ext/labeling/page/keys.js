// The keyboard.

import {$, canvas} from './dom.js';
import {stepDoubt} from './doubts.js';
import {step} from './images.js';
import {removePoint, turnPoint} from './keypoints.js';
import {redo, undo} from './labels.js';
import {toggleHelp} from './panels.js';
import {cancelPolygon, closePolygon} from './polygon.js';
import {NONE, state} from './state.js';
import {accept, dismiss, suggest} from './suggestions.js';
import {choose, pickClass, resize} from './tools.js';
import {fit, zoom} from './view.js';

const KEYS = {
  b: () => choose('brush'),
  e: () => choose('eraser'),
  p: () => choose('polygon'),
  g: () => choose('fill'),
  r: () => choose('regions'),
  k: () => choose('keypoints'),
  n: () => pickClass(NONE),
  '[': () => resize(-1),
  ']': () => resize(1),
  '+': () => zoom(1.25),
  '=': () => zoom(1.25),
  '-': () => zoom(0.8),
  f: fit,
  s: suggest,
  u: () => $('uncertainty').click(),
  h: toggleHelp,
  Delete: () => { if (state.task.keypoints.length) removePoint(state.chosenPoint); },
  ',': () => stepDoubt(-1),
  '.': () => stepDoubt(1),
  v: () => { if (state.task.keypoints.length) turnPoint(state.chosenPoint); },
  Enter: () => state.polygon.length ? closePolygon() : accept(),
  Escape: () => state.polygon.length ? cancelPolygon() : dismiss(),
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
};

/** Whether a focused control has a use for a key itself. */
function isOwnKey(control, key) {
  switch (control.tagName) {
    case 'SELECT': return true;
    case 'INPUT': return key.startsWith('Arrow') || key === ' ';
    case 'BUTTON': return key === 'Enter' || key === ' ';
    default: return false;
  }
}

function pressKey(evt) {
  if (!state.current) return;
  const key = evt.key.length === 1 ? evt.key.toLowerCase() : evt.key;
  const control = evt.ctrlKey || evt.metaKey;
  if (control && (key === 'z' || key === 'y')) {
    evt.preventDefault();
    return key === 'y' || evt.shiftKey ? redo() : undo();
  }
  if (control || evt.altKey || isOwnKey(evt.target, key) || state.stroke || state.dragged) return;
  if (key === ' ') {
    holdSpace(true);
  } else if (/^\d$/.test(key)) {
    if (Number(key) < state.task.classes.length) pickClass(Number(key));
  } else if (KEYS[key]) {
    KEYS[key]();
  } else {
    return;
  }
  evt.preventDefault();
}

function holdSpace(down) {
  state.spaceDown = down;
  canvas.classList.toggle('pan', down);
}

export function listenToKeys() {
  document.addEventListener('keydown', pressKey);
  document.addEventListener('keyup', evt => { if (evt.key === ' ') holdSpace(false); });
  window.addEventListener('blur', () => holdSpace(false));
}

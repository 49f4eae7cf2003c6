// The image that is open.

import {canvas, say} from './dom.js';
import {firstAbsent} from './keypoints.js';
import {markOpen, nameBeside} from './list.js';
import {paintOverlay} from './overlay.js';
import {requestBytes, samplePath, unsavedBody} from './server.js';
import {state, tell} from './state.js';
import {fit} from './view.js';

export async function openImage(sampleName) {
  state.opening = sampleName;
  say('');
  let opened;
  try {
    opened = await Promise.all([pictureOf(sampleName), maskOf(sampleName)]);
  } catch (error) {
    return say(error.message);
  }
  if (state.opening !== sampleName) return;
  tell('leaving');
  show(sampleName, ...opened);
}

async function pictureOf(sampleName) {
  const image = new Image();
  image.src = samplePath(sampleName, 'image');
  try {
    await image.decode();
  } catch {
    throw new Error(`The image ${sampleName} cannot be shown`);
  }
  return image;
}

async function maskOf(sampleName) {
  const path = samplePath(sampleName, 'mask');
  return (unsavedBody(path) ?? await requestBytes(path)).slice();
}

function show(sampleName, image, mask) {
  const {points} = state.samples.get(sampleName);
  state.current = {name: sampleName, image, mask, points, suggestion: null, uncertainty: null, proposed: []};
  state.done = [];
  state.undone = [];
  state.chosenPoint = Math.max(0, firstAbsent());
  markOpen(sampleName);
  canvas.dataset.name = sampleName;
  history.replaceState(null, '', `#${encodeURIComponent(sampleName)}`);
  canvas.focus({preventScroll: true});
  fit();
  paintOverlay();
  tell('opened');
}

/** Opens the next (1) or previous (-1) image of the list. */
export function step(direction) {
  const next = nameBeside(state.current.name, direction);
  if (next) openImage(next);
}

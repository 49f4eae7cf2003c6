// The image that is open.

import {canvas, say} from './dom.js';
import {nextToDo} from './keypoints.js';
import {undoable} from './labels.js';
import {markOpen, nameBeside, showShare} from './list.js';
import {paintOverlay, paintUncertainty} from './overlay.js';
import {fetchMask, reasonOf, samplePath, unsavedBody} from './server.js';
import {state, tell} from './state.js';
import {fit} from './view.js';

const UNDO_BYTES = 256e6;  // how much all images' undo steps may take

/** What is kept of each image that has been open, by name; the last one opened last. */
const opened = new Map();

/** What is kept of an image, if it has been open. */
export const keptOf = sampleName => opened.get(sampleName);

export async function openImage(sampleName) {
  const sample = state.samples.get(sampleName);
  state.opening = sampleName;
  say('');
  let found;
  try {
    found = await Promise.all([opened.get(sampleName)?.image ?? pictureOf(sampleName), maskOf(sample)]);
  } catch (error) {
    if (state.opening === sampleName) giveUp(sampleName, error);
    return;
  }
  if (state.opening !== sampleName) return;
  if (state.current) tell('leaving');
  show(sample, ...found);
}

function giveUp(sampleName, error) {
  state.opening = state.current?.name ?? null;
  say(`${sampleName} cannot be opened: ${reasonOf(error)}`, true);
}

async function pictureOf(sampleName) {
  const image = new Image();
  image.src = samplePath(sampleName, 'image');
  try {
    await image.decode();
  } catch {
    await fetch(image.src, {method: 'GET'});    // whose error says whether the server is gone
    throw new Error('the picture cannot be shown');
  }
  return image;
}

async function maskOf(sample) {
  return (unsavedBody(sample, 'mask') ?? await fetchMask(sample)).slice();
}

function show(sample, image, mask) {
  const before = opened.get(sample.name);
  state.current = before ?? newlyOpen(sample, image, mask);
  opened.delete(sample.name);
  opened.set(sample.name, state.current);
  if (before) takeChanges(before, sample, mask);
  limitUndo();
  showShare(sample, sample.share, state.current.mask);
  markOpen(sample.name);
  canvas.dataset.name = sample.name;
  history.replaceState(null, '', `#${encodeURIComponent(sample.name)}`);
  canvas.focus({preventScroll: true});
  if (!before) state.current.chosenPoint = Math.max(0, nextToDo(0));
  if (!before || before.view.fitted) fit();
  paintOverlay();
  if (state.current.uncertainty) paintUncertainty();
  tell('opened');
}

function newlyOpen(sample, image, mask) {
  return {
    name: sample.name,
    image,
    mask,
    points: sample.points,
    suggestion: null,
    uncertainty: null,
    proposed: [],
    serial: 0,
    refused: null,
    dismissed: false,
    done: [],
    undone: [],
    polygon: [],
    chosenPoint: 0,
    view: {scale: 1, x: 0, y: 0, fitted: true},
  };
}

/** What another tab has changed meanwhile; undo goes back to before. */
function takeChanges(kept, sample, mask) {
  if (kept.mask.every((id, i) => id === mask[i])) return;
  kept.done.push({...undoable(kept)});
  kept.mask = mask;
}

/** Forgets the undo steps of the images that were open longest ago, when all take too much. */
function limitUndo() {
  let bytes = 0;
  for (const kept of [...opened.values()].reverse()) {
    bytes += 2 * (kept.done.length + kept.undone.length) * kept.mask.length;    // masks and suggestions
    if (bytes > UNDO_BYTES && kept !== state.current) Object.assign(kept, {done: [], undone: []});
  }
}

/** Opens the next (1) or previous (-1) image of the list. */
export function step(direction) {
  const next = nameBeside(state.opening, direction);
  if (next) openImage(next);
}

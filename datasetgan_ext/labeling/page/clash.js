// Two tabs or two people at one image: the later one is told, sees both versions, and loses none.

import {$, canvas} from './dom.js';
import {keptOf, openImage} from './images.js';
import {takeTheirs, undoable} from './labels.js';
import {save, unsavedBody} from './server.js';
import {BACKGROUND, NONE, on, state} from './state.js';

let asking = null;         // {sample, what, mine, theirs}
const waiting = [];

async function meet({sample, what, theirs}) {
  if (asking) return waiting.push({sample, what, theirs});
  const mine = unsavedBody(sample, what);
  asking = {sample, what, mine, theirs};
  if (sample.name !== state.current.name) await openImage(sample.name);
  showBoth();
}

function showBoth() {
  const {sample, what, mine, theirs} = asking;
  $('clash-text').textContent = `${sample.name} was changed in another tab or by another person. Which `
    + `${what === 'mask' ? 'labels' : 'keypoints'} shall stay? Undo (Ctrl+Z) goes back to the others.`;
  paintVersion($('clash-mine'), what, mine);
  paintVersion($('clash-theirs'), what, theirs);
  $('clash').showModal();
}

function paintVersion(sheet, what, body) {
  const {width, height, current} = state;
  Object.assign(sheet, {width, height});
  const pen = sheet.getContext('2d');
  pen.drawImage(current.image, 0, 0, width, height);
  if (what === 'mask') paintMask(pen, body);
  else paintPoints(pen, typeof body === 'string' ? JSON.parse(body) : body);
}

function paintMask(pen, mask) {
  const {width, height, colors} = state;
  const pixels = pen.getImageData(0, 0, width, height);
  mask.forEach((id, i) => {
    if (id === NONE || id === BACKGROUND) return;
    for (let part = 0; part < 3; part++) pixels.data[4 * i + part] = (pixels.data[4 * i + part] + colors[id][part]) / 2;
  });
  pen.putImageData(pixels, 0, 0);
}

function paintPoints(pen, points) {
  pen.fillStyle = '#ffd84d';
  for (const [x, y, seen] of points) if (seen) pen.fillRect(x - 2, y - 2, 4, 4);
}

const theirLabels = ({what, theirs}) => what === 'mask' ? {mask: theirs} : {points: theirs};

/** The other version stays; mine is a step of undo. */
function takeTheirVersion() {
  takeTheirs(keptOf(asking.sample.name), theirLabels(asking));
  closeDialog();
}

/** Mine stays; the other version is a step of undo. */
function keepMine() {
  const {sample, what, mine} = asking;
  const kept = keptOf(sample.name);
  kept.done.push({
    ...undoable(kept), mask: kept.mask.slice(), ...theirLabels(asking),
  });
  save(sample, what, mine);
  closeDialog();
}

function closeDialog() {
  $('clash').close();
}

function goOn() {
  if (!asking) return;
  asking = null;
  canvas.focus({preventScroll: true});
  const next = waiting.shift();
  if (next) meet(next);
}

export function listenToClashes() {
  on('clash', meet);
  $('take-theirs').addEventListener('click', takeTheirVersion);
  $('keep-mine').addEventListener('click', keepMine);
  $('clash').addEventListener('cancel', evt => evt.preventDefault());    // Escape: it needs an answer
  $('clash').addEventListener('close', goOn);
}

// All images at a glance: their labels, what is suggested where they have none, and what is marked.

import {$, element} from './dom.js';
import {openImage} from './images.js';
import {isFinished, paintGlance} from './list.js';
import {requestBytes, samplePath} from './server.js';
import {NONE, on, state} from './state.js';

const MARKED = [255, 216, 77];

const shown = new Map();   // name -> {tile, sheet, text, serial, ids}

export function toggleOverview() {
  if ($('overview').open) return $('overview').close();
  if (!shown.size) for (const sample of state.samples.values()) addTile(sample);
  $('overview').showModal();
  bringUpToDate();
}

function addTile(sample) {
  const tile = document.createElement('li');
  const button = document.createElement('button');
  const picture = element('span', 'picture');
  const image = document.createElement('img');
  const sheet = document.createElement('canvas');
  const text = element('span', 'figures');
  image.src = samplePath(sample.name, 'image');
  image.alt = '';
  [sheet.height, sheet.width] = state.task.glance;
  picture.append(image, sheet);
  button.append(picture, element('b', '', sample.name), text);
  button.addEventListener('click', () => {
    $('overview').close();
    openImage(sample.name);
  });
  tile.dataset.name = sample.name;
  tile.append(button);
  $('tiles').append(tile);
  shown.set(sample.name, {tile, sheet, text, serial: 0, ids: null});
}

async function bringUpToDate() {
  if (!$('overview').open) return;
  for (const sample of state.samples.values()) {
    const kept = shown.get(sample.name);
    const serial = state.serials[sample.name] ?? 0;
    if (serial && serial !== kept.serial) kept.ids = await requestBytes(samplePath(sample.name, 'glance'));
    if (!serial) kept.ids = null;
    kept.serial = serial;
    paintTile(sample, kept);
  }
}

function paintTile(sample, {sheet, text, ids}) {
  const labels = sample.small;
  const count = sheet.width * sheet.height;
  const seen = new Uint8Array(count).fill(NONE);
  for (let i = 0; i < count; i++) {
    if (labels && labels[i] !== NONE) seen[i] = labels[i];
    else if (ids?.length) seen[i] = ids[i];
  }
  paintGlance(sheet, seen);
  if (state.mark?.distances.has(sample.name)) paintMark(sheet, state.mark.distances.get(sample.name));
  text.textContent = isFinished(sample) ? 'labelled' : ids?.length ? 'suggested' : '';
}

function paintMark(sheet, distances) {
  const pen = sheet.getContext('2d');
  const pixels = pen.getImageData(0, 0, sheet.width, sheet.height);
  distances.forEach((distance, i) => {
    if (distance <= state.mark.limit) pixels.data.set([...MARKED, 255], 4 * i);
  });
  pen.putImageData(pixels, 0, 0);
}

on('news', bringUpToDate);
on('mark', bringUpToDate);

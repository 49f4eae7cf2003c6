// Doubts: regions where what the other images teach disagrees with the labels.

import {$, countOf} from './dom.js';
import {openImage} from './images.js';
import {beforeChange, saveMask} from './labels.js';
import {doubtedPixels, openDoubts, showShare} from './list.js';
import {paintOverlay} from './overlay.js';
import {allSaved, post, requestJson, samplePath} from './server.js';
import {on, state} from './state.js';
import {lookAt, redraw} from './view.js';

let noted = '{}';          // the server's figures that have been taken over

/** Has the server check all labels; `tell` of it comes by way of noteDoubts. */
export async function check(poll) {
  if (!state.task.suggests) return;
  try {
    await allSaved();
    await post('/api/check', {});
  } catch (error) {
    return showDoubts(error.message);
  }
  showDoubts('Checking …');
  poll();
}

/** Takes over what the server has found, once it has gone through all images. */
export async function noteDoubts({phase, unchecked, doubts: found}) {
  if (unchecked) return showDoubts(phase === 'checking' ? `Checking … ${unchecked} to go` : 'Waiting …');
  if (JSON.stringify(found) === noted) return;
  const {samples} = state;
  const names = Object.keys(found).filter(sampleName => found[sampleName]);
  const replies = await Promise.all(names.map(sampleName => requestJson(samplePath(sampleName, 'doubts'))));
  for (const sample of samples.values()) sample.doubts = [];
  names.forEach((sampleName, i) => {
    samples.get(sampleName).doubts = replies[i].doubts.map(({labelled, expected, pixels}) =>
      ({sample: sampleName, labeled: labelled, expected, pixels}));
  });
  noted = JSON.stringify(found);
  state.doubted = null;
  $('order-row').hidden = $('by-doubts').hidden = false;
  for (const sample of samples.values()) showShare(sample);
  showDoubts(names.length ? '' : 'No doubts.');
}

/** All that are open: those of the image with the most doubted pixels first. */
export function listDoubts() {
  const samples = [...state.samples.values()].sort((one, other) => doubtedPixels(other) - doubtedPixels(one));
  return samples.flatMap(openDoubts);
}

/** Looks at the next (1) or previous (-1) doubt. */
export async function stepDoubt(direction) {
  const list = listDoubts();
  const at = list.indexOf(state.doubted);
  if (!list.length) return;
  const next = list[at < 0 ? 0 : (at + direction + list.length) % list.length];
  state.doubted = next;
  if (next.sample !== state.current.name) await openImage(next.sample);
  if (next.sample === state.current.name) lookAt(next.pixels);
  showDoubts();
}

/** Gives the region the class that was expected. */
export function changeDoubted() {
  const {doubted, current} = state;
  if (doubted?.sample !== current.name) return;
  beforeChange();
  for (const i of doubted.pixels) if (current.mask[i] === doubted.labeled) current.mask[i] = doubted.expected;
  paintOverlay();
  saveMask();
}

export function keepDoubted() {
  const kept = state.doubted;
  stepDoubt(1);
  kept.kept = true;
  showDoubts();
}

/** Brings panel and list up to date with the labels of the open image. */
function showDoubts(text = '') {
  const {current, doubted, task} = state;
  const sample = state.samples.get(current?.name);
  for (const doubt of sample?.doubts ?? []) doubt.changed = !doubt.pixels.some(i => current.mask[i] === doubt.labeled);
  const list = listDoubts();
  const number = list.indexOf(doubted) + 1;
  $('check-state').textContent = text || summary(list, number) || $('check-state').textContent;
  $('doubt-row').hidden = !number || doubted.sample !== current.name;
  if (number) $('change').textContent = `Change to ${task.classes[doubted.expected]}`;
  $('previous-doubt').disabled = $('next-doubt').disabled = !list.length;
  if (sample?.doubts.length) showShare(sample);
  redraw();
}

function summary(list, number) {
  const {doubted, samples, task} = state;
  if (number) {
    const [labeled, expected] = [doubted.labeled, doubted.expected].map(id => task.classes[id]);
    return `Doubt ${number} of ${list.length}: ${labeled}, or ${expected}?`;
  }
  if (![...samples.values()].some(sample => sample.doubts.length)) return '';
  if (!list.length) return 'No doubts are left.';
  return `${countOf(list.length, 'doubt')} in ${countOf(new Set(list.map(doubt => doubt.sample)).size, 'image')}.`;
}

on('labels', () => showDoubts());
on('opened', () => showDoubts());

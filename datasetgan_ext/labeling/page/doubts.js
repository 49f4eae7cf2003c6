// Doubts: regions where what the other images teach disagrees with the labels.

import {$, countOf, say} from './dom.js';
import {openImage} from './images.js';
import {beforeChange, saveMask, saveNotes} from './labels.js';
import {openDoubts, showShare} from './list.js';
import {paintOverlay} from './overlay.js';
import {allSaved, post, reasonOf, requestJson, samplePath} from './server.js';
import {on, state} from './state.js';
import {lookAt, redraw} from './view.js';

let noted = '{}';          // the server's figures that have been taken over

/** Has the server check all labels; what it finds comes to `noteDoubts`. */
export async function check(poll) {
  if (!state.task.suggests) return;
  try {
    await allSaved();
    await post('/api/check', {});
  } catch (error) {
    return showDoubts(reasonOf(error));
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
  names.forEach((sampleName, i) => takeDoubts(samples.get(sampleName), replies[i].doubts));
  noted = JSON.stringify(found);
  state.doubted = null;
  $('order-row').hidden = $('by-doubts').hidden = false;
  for (const sample of samples.values()) showShare(sample);
  showDoubts(names.length ? '' : 'No doubts.');
}

function takeDoubts(sample, doubts) {
  sample.doubts = doubts.map(doubt => {
    const {labeled, expected, pixels} = doubt;
    const pair = `${labeled}>${expected}`;
    const isKept = note => {
      const [notedPair, pixel] = note.split('@');
      return notedPair === pair && pixels.includes(Number(pixel));
    };
    const key = `${pair}@${pixels[Math.floor(pixels.length / 2)]}`;
    return {...doubt, sample: sample.name, key, kept: sample.notes.kept.some(isKept)};
  });
}

/** All that are open, of all images, those first of which the others are most sure. */
export function listDoubts() {
  return [...state.samples.values()].flatMap(openDoubts).sort((one, other) => other.score - one.score);
}

/** Looks at the next (1) or previous (-1) doubt. */
export async function stepDoubt(direction) {
  const list = listDoubts();
  const at = list.indexOf(state.doubted);
  if (list.length) await lookAtDoubt(list[at < 0 ? 0 : (at + direction + list.length) % list.length]);
}

async function lookAtDoubt(doubt) {
  state.doubted = doubt;
  if (doubt.sample !== state.current.name) await openImage(doubt.sample);
  if (doubt.sample === state.current.name) lookAt(doubt.pixels);
  showDoubts();
}

/** Settles the doubt that is looked at, and goes on to the one that came after it. */
async function settle(change) {
  const {doubted, current} = state;
  if (doubted?.sample !== current.name) return;
  const list = listDoubts();
  const after = list[list.indexOf(doubted) + 1] ?? list[0];
  change(doubted);
  if (after === doubted) {
    state.doubted = null;
    say('That was the last doubt');
    return showDoubts();
  }
  await lookAtDoubt(after);
}

/** Gives the region the class that was expected. */
export const changeDoubted = () => settle(doubt => {
  const {mask} = state.current;
  beforeChange();
  for (const i of doubt.pixels) if (mask[i] === doubt.labeled) mask[i] = doubt.expected;
  paintOverlay();
  saveMask();
});

/** Takes note that it is no mistake. */
export const keepDoubted = () => settle(doubt => {
  const sample = state.samples.get(doubt.sample);
  doubt.kept = true;
  sample.notes.kept = [...sample.notes.kept, doubt.key];
  saveNotes(sample);
  showShare(sample);
});

/** Brings panel and list up to date with the labels of the open image. */
function showDoubts(text = '') {
  const {current, doubted, task} = state;
  const sample = state.samples.get(current?.name);
  for (const doubt of sample?.doubts ?? []) {
    doubt.left = doubt.pixels.filter(i => current.mask[i] === doubt.labeled).length;
  }
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

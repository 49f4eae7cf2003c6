// The list of images.

import {$, countOf, element} from './dom.js';
import {resized} from './raster.js';
import {samplePath} from './server.js';
import {ABSENT, BACKGROUND, NONE, on, state} from './state.js';

export const openDoubts = sample => sample.doubts.filter(doubt => !doubt.kept && doubt.left !== 0);
export const doubtedPixels = sample => openDoubts(sample).reduce((sum, doubt) => sum + doubt.pixels.length, 0);

export function isFinished(sample) {
  return state.task.classes.length ? sample.share === 1 : sample.points.some(point => point[2] !== ABSENT);
}

/** How many keypoints are placed or marked as absent. */
const pointsDone = ({points, notes}) =>
  points.filter((point, i) => point[2] !== ABSENT || notes.absent.includes(i)).length;

/** Adds an image at the end; a click opens it. */
export function addToList(sample, onClick) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const about = element('span', 'about');
  const bar = document.createElement('progress');
  item.dataset.name = sample.name;
  bar.max = 1;
  bar.hidden = !state.task.classes.length;
  about.append(element('b', '', sample.name), bar, element('span', 'figures'));
  button.append(thumbOf(sample), about);
  button.addEventListener('click', onClick);
  item.append(button);
  $('list').append(item);
  sample.item = item;
}

function thumbOf(sample) {
  const thumb = element('span', 'thumb');
  const image = document.createElement('img');
  const labels = document.createElement('canvas');
  image.loading = 'lazy';
  image.alt = '';
  image.src = samplePath(sample.name, 'image');
  [labels.height, labels.width] = state.task.glance;
  thumb.append(image, labels);
  return thumb;
}

/** Shows how much of an image is labelled and, where it is given, its mask. */
export function showShare(sample, share = sample.share, mask = null) {
  sample.share = share;
  sample.item.querySelector('progress').value = share;
  sample.item.querySelector('.figures').textContent = figuresOf(sample).join('\n');
  if (mask) takeMask(sample, mask);
  const finished = [...state.samples.values()].filter(isFinished).length;
  $('progress').textContent = `${finished} of ${state.samples.size} done`;
  $('end').hidden = finished < state.samples.size;
}

function figuresOf(sample) {
  const {task} = state;
  const doubts = openDoubts(sample).length;
  const figures = [];
  if (task.classes.length) figures.push(shareText(sample.share));
  if (task.keypoints.length) figures.push(`${pointsDone(sample)} of ${task.keypoints.length} points`);
  if (doubts) figures.push(countOf(doubts, 'doubt'));
  return figures;
}

const shareText = share => share === 1 ? 'labelled' : `${Math.floor(share * 100)} % labelled`;

function takeMask(sample, mask) {
  const [height, width] = state.task.glance;
  sample.small = resized(mask, state.width, state.height, width, height);
  paintGlance(sample.item.querySelector('canvas'), sample.small);
}

/** Paints classes at the size of a glance, all but the background. */
export function paintGlance(sheet, ids) {
  const {colors} = state;
  const pen = sheet.getContext('2d');
  const pixels = pen.createImageData(sheet.width, sheet.height);
  const {data} = pixels;
  for (let i = 0, at = 0; i < ids.length; i++, at += 4) {
    if (ids[i] === NONE || ids[i] === BACKGROUND) continue;
    [data[at], data[at + 1], data[at + 2]] = colors[ids[i]];
    data[at + 3] = 255;
  }
  pen.putImageData(pixels, 0, 0);
}

/** Marks the image that is open. */
export function markOpen(sampleName) {
  for (const sample of state.samples.values()) {
    sample.item.firstChild.setAttribute('aria-current', sample.name === sampleName);
  }
  state.samples.get(sampleName).item.scrollIntoView({block: 'nearest'});
}

/** The name of the image that is so many rows below another one in the list; undefined beyond its ends. */
export function nameBeside(sampleName, rows) {
  const names = [...$('list').children].map(item => item.dataset.name);
  return names[names.indexOf(sampleName) + rows];
}

/** The name of the next image in the list that is not finished, from the top again after its end. */
export function nextUnfinished(sampleName) {
  const names = [...$('list').children].map(item => item.dataset.name);
  const at = names.indexOf(sampleName) + 1;
  return [...names.slice(at), ...names.slice(0, at - 1)].find(other => !isFinished(state.samples.get(other)));
}

/**
 * In the order chosen: as generated; by what is worth labelling next, finished images last; or by doubts.
 *
 * @param {string[]} worth  names of unfinished images, most worth labelling first
 */
export function sortList(worth) {
  const list = [...state.samples.values()];
  const rank = new Map(worth.map((sampleName, place) => [sampleName, place]));
  if ($('order').value === 'worth') {
    const place = sample => isFinished(sample) ? 2 * state.samples.size : rank.get(sample.name) ?? state.samples.size;
    list.sort((one, other) => place(one) - place(other));
  } else if ($('order').value === 'doubts') {
    list.sort((one, other) => doubtedPixels(other) - doubtedPixels(one));
  }
  $('list').append(...list.map(sample => sample.item));
}

on('saved', ({sample, share, mask}) => showShare(sample, share, mask));
on('labels', () => showShare(state.samples.get(state.current.name)));

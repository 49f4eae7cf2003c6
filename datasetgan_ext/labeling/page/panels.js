// Toolbar and panels.

import {$, element} from './dom.js';
import {isProposed, turnPoint} from './keypoints.js';
import {pixelAt} from './raster.js';
import {ABSENT, NONE, on, state} from './state.js';
import {choose, isUseful, pickClass, sized} from './tools.js';

const SEEN = ['absent', 'occluded', 'visible'];

export function buildPanels() {
  const {task} = state;
  if (task.classes.length) $('classes').append(...[...task.classes.keys(), NONE].map(classRow));
  $('keypoints').append(...task.keypoints.map(keypointRow));
  $('class-section').hidden = !task.classes.length;
  $('suggest-section').hidden = !task.suggests;
  $('uncertainty-row').hidden = $('check-section').hidden = !task.suggests || !task.classes.length;
  $('keypoint-section').hidden = !task.keypoints.length;
  for (const button of toolButtons()) {
    button.hidden = !isUseful(button.dataset.tool);
    button.addEventListener('click', () => choose(button.dataset.tool));
  }
}

const toolButtons = () => document.querySelectorAll('[data-tool]');

function classRow(id) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const swatch = element('span', id === NONE ? 'swatch none' : 'swatch');
  if (id !== NONE) swatch.style.backgroundColor = `rgb(${state.colors[id]})`;
  button.append(swatch, element('span', '', classNameOf(id)), element('span', 'key', keyOf(id)));
  button.dataset.id = id;
  button.addEventListener('click', () => pickClass(id));
  item.append(button);
  return item;
}

const classNameOf = id => id === NONE ? 'no label' : state.task.classes[id];

function keyOf(id) {
  if (id === NONE) return 'N';
  return id < 10 ? String(id) : '';
}

function keypointRow(pointName, index) {
  const item = document.createElement('li');
  const button = element('button', 'name', pointName);
  const seen = element('button', 'seen');
  button.addEventListener('click', () => {
    state.chosenPoint = index;
    choose('keypoints');
  });
  seen.title = 'suggested, visible, occluded, absent (V); Delete takes it away';
  seen.addEventListener('click', () => {
    state.chosenPoint = index;
    turnPoint(index);
  });
  item.append(button, seen);
  return item;
}

/** Brings buttons and panels up to date. */
function showState() {
  const {tool, painted, sizes} = state;
  for (const button of toolButtons()) button.setAttribute('aria-pressed', button.dataset.tool === tool);
  for (const button of document.querySelectorAll('#classes button')) {
    button.setAttribute('aria-pressed', Number(button.dataset.id) === painted);
  }
  [...$('keypoints').children].forEach((item, index) => {
    item.firstChild.setAttribute('aria-pressed', index === state.chosenPoint);
    item.lastChild.textContent = seenText(index);
  });
  $('size-row').hidden = tool !== 'regions' && tool !== 'brush' && tool !== 'eraser';
  $('erase-row').hidden = tool !== 'eraser';
  $('size').value = sizes[sized()];
  $('size-text').textContent = `${sizes[sized()]} px`;
  $('undo').disabled = !state.done.length;
  $('redo').disabled = !state.undone.length;
}

function seenText(index) {
  const {current} = state;
  if (!current) return SEEN[ABSENT];
  return isProposed(index) ? 'suggested' : SEEN[current.points[index][2]];
}

export function toggleHelp() {
  $('help').hidden = !$('help').hidden;
  $('keys').setAttribute('aria-expanded', !$('help').hidden);
}

/** Says what is under the pointer. */
function showUnder() {
  const {current, pointer, width, height, task} = state;
  const i = current && pointer ? pixelAt(pointer, width, height) : undefined;
  let text = '';
  if (i !== undefined) {
    text = `x ${i % width}, y ${Math.floor(i / width)}`;
    if (task.classes.length) text += `: ${classNameOf(current.mask[i])}`;
  }
  $('under').textContent = text;
}

for (const topic of ['tools', 'labels', 'opened', 'suggestion']) on(topic, showState);
on('frame', showUnder);

// Toolbar and panels.

import {$, canvas, element} from './dom.js';
import {choosePoint, isProposed, isSaidAbsent, turnPoint} from './keypoints.js';
import {pixelAt} from './raster.js';
import {ABSENT, NONE, on, state} from './state.js';
import {choose, classNameOf, isUseful, pickClass, sized, toggleGuard, toggleOnlyBlank} from './tools.js';

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
  $('show-classes').addEventListener('click', () => choose('brush'));
  $('show-keypoints').addEventListener('click', () => choose('keypoints'));
  $('blank').addEventListener('change', toggleOnlyBlank);
  $('class-search').addEventListener('input', searchClasses);
  $('class-search').addEventListener('keydown', leaveSearch);
}

const toolButtons = () => document.querySelectorAll('[data-tool]');

function classRow(id) {
  const item = document.createElement('li');
  const button = element('button', 'name');
  const swatch = element('span', id === NONE ? 'swatch none' : 'swatch');
  if (id !== NONE) swatch.style.backgroundColor = `rgb(${state.colors[id]})`;
  button.append(swatch, element('span', 'label', classNameOf(id)), element('span', 'key', id === NONE ? 'N' : id));
  button.dataset.id = id;
  button.title = classNameOf(id);
  button.addEventListener('click', () => pickClass(id));
  item.append(button);
  if (id !== NONE) item.append(guardOf(id));
  return item;
}

/** The button that protects a class. */
function guardOf(id) {
  const guard = element('button', 'guard');
  guard.title = `Protect ${classNameOf(id)}: it is not painted over (Q)`;
  guard.setAttribute('aria-label', `Protect ${classNameOf(id)}`);
  guard.dataset.guard = id;
  guard.addEventListener('click', () => toggleGuard(id));
  return guard;
}

function keypointRow(pointName, index) {
  const item = document.createElement('li');
  const button = element('button', 'name');
  const seen = element('button', 'seen');
  button.append(element('span', 'label', pointName));
  button.title = pointName;
  button.addEventListener('click', () => {
    choosePoint(index);
    choose('keypoints');
  });
  seen.title = 'suggested, visible, occluded, absent (V); Delete takes it away';
  seen.addEventListener('click', () => {
    choosePoint(index);
    turnPoint(index);
  });
  item.append(button, seen);
  return item;
}

// ---- finding a class by its name

export function findClass() {
  if (!state.task.classes.length) return;
  $('class-search').value = '';
  searchClasses();
  $('class-search').focus();
}

function searchClasses() {
  const wanted = $('class-search').value.trim().toLowerCase();
  for (const item of $('classes').children) item.hidden = !item.textContent.toLowerCase().includes(wanted);
}

/** Enter takes the first class that is found; Escape takes none. */
function leaveSearch(evt) {
  if (evt.key !== 'Enter' && evt.key !== 'Escape') return;
  const first = $('classes').querySelector('li:not([hidden]) button');
  if (evt.key === 'Enter' && first) pickClass(Number(first.dataset.id));
  $('class-search').value = '';
  searchClasses();
  $('classes').querySelector('.name[aria-pressed=true]')?.scrollIntoView({block: 'nearest'});
  canvas.focus({preventScroll: true});
  evt.preventDefault();
  evt.stopPropagation();
}

// ---- bringing all up to date

function showState() {
  const {tool, sizes, current} = state;
  for (const button of toolButtons()) button.setAttribute('aria-pressed', button.dataset.tool === tool);
  showChosen();
  fold('class-section', tool === 'keypoints');
  fold('keypoint-section', tool !== 'keypoints');
  $('size-row').hidden = tool !== 'regions' && tool !== 'brush' && tool !== 'eraser';
  $('erase-row').hidden = tool !== 'eraser';
  $('size').value = sizes[sized()];
  $('size-text').textContent = `${sizes[sized()]} px`;
  $('blank').checked = state.onlyBlank;
  $('undo').disabled = !current?.done.length;
  $('redo').disabled = !current?.undone.length;
}

/** Of the lists of classes and of keypoints, that is open which the tool needs: it has the window's height. */
function fold(id, folded) {
  $(id).classList.toggle('folded', folded);
  $(id).querySelector('.heading').setAttribute('aria-expanded', !folded);
}

/** Marks the chosen class and keypoint, and has them in view. */
function showChosen() {
  for (const button of document.querySelectorAll('#classes .name')) {
    press(button, Number(button.dataset.id) === state.painted);
  }
  for (const guard of document.querySelectorAll('#classes .guard')) {
    guard.setAttribute('aria-pressed', state.guarded.has(Number(guard.dataset.guard)));
  }
  [...$('keypoints').children].forEach((item, index) => {
    press(item.firstChild, index === state.current?.chosenPoint);
    item.lastChild.textContent = seenText(index);
    item.lastChild.setAttribute('aria-label', `${state.task.keypoints[index]}: ${seenText(index)}`);
  });
}

function press(button, chosen) {
  if (chosen && button.getAttribute('aria-pressed') !== 'true') button.scrollIntoView({block: 'nearest'});
  button.setAttribute('aria-pressed', chosen);
}

function seenText(index) {
  const {current} = state;
  if (!current) return 'not done';
  if (isProposed(index)) return 'suggested';
  const [, , seen] = current.points[index];
  return seen === ABSENT && !isSaidAbsent(index) ? 'not done' : SEEN[seen];
}

export function toggleHelp() {
  if ($('help').open) return $('help').close();
  $('help').showModal();
  $('help-search').select();
}

/** Says what is under the pointer. */
function showUnder() {
  const {current, pointer, width, height, task} = state;
  const i = current && pointer ? pixelAt(pointer, width, height) : undefined;
  let text = '';
  if (i !== undefined) {
    text = `x ${i % width}, y ${Math.floor(i / width)}`;
    if (task.classes.length) text += `: ${nameUnder(i)}`;
  }
  $('under').textContent = text;
}

function nameUnder(i) {
  const {mask, suggestion} = state.current;
  if (mask[i] !== NONE || !suggestion) return classNameOf(mask[i]);
  return suggestion[i] === NONE ? 'no label' : `${classNameOf(suggestion[i])}, suggested`;
}

for (const topic of ['tools', 'labels', 'opened', 'suggestion']) on(topic, showState);
on('frame', showUnder);

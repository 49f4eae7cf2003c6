// The keyboard.

import {$, canvas, element} from './dom.js';
import {ACTIONS, KEYMAP} from './keymap.js';
import {showLabels} from './overlay.js';
import {state} from './state.js';
import {forgetDigit, typeDigit} from './tools.js';

/** How labels are shown while a key is held. */
const HOLDS = {m: 'nothing', l: 'lines'};
const SHIFT_HOLDS = {m: 'projection'};

let byPointer = false;    // whether the last thing used was a mouse, a pen or a finger, not the keyboard

/** Whether a focused control has a use for a key itself. */
function isOwnKey(control, key) {
  switch (control.tagName) {
    case 'SELECT': return true;
    case 'INPUT': return control.type === 'search' || key.startsWith('Arrow') || key === ' ';
    case 'BUTTON': case 'SUMMARY': return key === 'Enter' || key === ' ';
    default: return false;
  }
}

/** The key's name in the table. */
function keyName(evt) {
  const key = evt.key.length === 1 ? evt.key.toLowerCase() : evt.key;
  const shift = evt.shiftKey && (evt.ctrlKey || evt.metaKey || key.length > 1);
  return (evt.ctrlKey || evt.metaKey ? 'Ctrl+' : '') + (shift ? 'Shift+' : '') + key;
}

function pressKey(evt) {
  if (!state.current || evt.altKey || isOwnKey(evt.target, evt.key) || document.querySelector('dialog[open]')) return;
  const key = keyName(evt);
  if (!ACTIONS.has(key) && key.includes('Ctrl+')) return;
  if (!state.stroke && !state.dragged) act(key, evt);
}

function act(key, evt) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(evt.code)?.[1];
  if (!digit) forgetDigit();
  if (key === ' ') holdSpace(true);
  else if (HOLDS[key]) showLabels(evt.shiftKey && SHIFT_HOLDS[key] || HOLDS[key]);
  else if (digit && !evt.ctrlKey && !evt.metaKey) typeDigit(Number(digit), evt.timeStamp);
  else if (ACTIONS.has(key)) ACTIONS.get(key)();
  else return;
  evt.preventDefault();
}

function holdSpace(down) {
  state.spaceDown = down;
  canvas.classList.toggle('pan', down);
}

function releaseKey(evt) {
  if (evt.key === ' ') holdSpace(false);
  if (HOLDS[evt.key.toLowerCase()]) showLabels('colors');
}

function releaseAll() {
  holdSpace(false);
  showLabels('colors');
}

/** After a click on a control, keys go to the image again; who goes through the controls by keyboard stays there. */
function giveBackKeys(evt) {
  const control = evt.target.closest('button, select, input');
  if (!byPointer || !control || control.type === 'search' || document.querySelector('dialog[open]')) return;
  if (evt.type === 'click' && control.tagName === 'SELECT') return;    // it is open now
  canvas.focus({preventScroll: true});
}

export function listenToKeys() {
  document.addEventListener('pointerdown', () => { byPointer = true; }, true);
  document.addEventListener('keydown', () => { byPointer = false; }, true);
  document.addEventListener('keydown', pressKey);
  document.addEventListener('keyup', releaseKey);
  window.addEventListener('blur', releaseAll);
  document.addEventListener('click', giveBackKeys);
  for (const select of document.querySelectorAll('select')) select.addEventListener('change', giveBackKeys);
}

/** Fills the dialog of all keys, which can be searched. */
export function buildHelp() {
  for (const [group, keys] of Object.entries(KEYMAP)) {
    const section = document.createElement('section');
    const list = document.createElement('dl');
    for (const {label, text} of keys) if (label) list.append(helpRow(label, text));
    section.append(element('h3', '', group), list);
    $('help-list').append(section);
  }
  $('help-search').addEventListener('input', searchHelp);
}

function helpRow(label, text) {
  const row = document.createElement('div');
  row.append(element('dt', '', label), element('dd', '', text));
  return row;
}

function searchHelp() {
  const wanted = $('help-search').value.trim().toLowerCase();
  for (const section of $('help-list').children) {
    const rows = [...section.querySelectorAll('dl > div')];
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    section.hidden = rows.every(row => row.hidden);
  }
}

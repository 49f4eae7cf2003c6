// The start of the page.

import {$, element, say} from './dom.js';
import './drawing.js';
import {listenToClashes} from './clash.js';
import {changeDoubted, check, keepDoubted, stepDoubt} from './doubts.js';
import {keptOf, openImage} from './images.js';
import {buildHelp, listenToKeys} from './keys.js';
import {clearLabels, redo, restIsBackground, undo} from './labels.js';
import {addToList, isFinished, showShare} from './list.js';
import {sizeOverlays} from './overlay.js';
import {toggleOverview} from './overview.js';
import {buildPanels, toggleHelp} from './panels.js';
import {listenToPointer} from './pointer.js';
import {reasonOf, requestBytes, requestJson, samplePath, warnBeforeLeaving} from './server.js';
import {state} from './state.js';
import {accept, dismiss, orderList, poll, suggest, toggleAuto} from './suggestions.js';
import {chooseFirst, setSize} from './tools.js';
import {cancelTraining, followTraining, train} from './training.js';
import {fit, redraw, zoom} from './view.js';

const BUTTONS = {
  undo,
  redo,
  'zoom-in': () => zoom(1.25),
  'zoom-out': () => zoom(0.8),
  fit,
  keys: toggleHelp,
  'show-overview': toggleOverview,
  rest: restIsBackground,
  clear: clearLabels,
  suggest,
  accept,
  dismiss,
  check: () => check(poll),
  'previous-doubt': () => stepDoubt(-1),
  'next-doubt': () => stepDoubt(1),
  change: changeDoubted,
  keep: keepDoubted,
  'copy-command': copyCommand,
  train,
  'cancel-training': cancelTraining,
};

async function start() {
  history.replaceState(null, '', location.pathname + location.hash);  // the token is in the cookie now
  takeTask(await requestJson('/api/state'));
  sizeOverlays();
  chooseFirst();
  buildPanels();
  buildHelp();
  listen();
  for (const sample of state.samples.values()) addToList(sample, () => openImage(sample.name));
  for (const sample of state.samples.values()) showShare(sample);
  await openImage(firstName());
  if (state.task.suggests) poll();
  if (state.task.command) followTraining();
  await showMasks();
}

function takeTask(task) {
  Object.assign(state, {task, width: task.width, height: task.height, colors: task.palette});
  for (const sample of task.samples) state.samples.set(sample.name, {...sample, doubts: []});
  document.title = `Label ${task.samples.length} images`;
  $('train-command').append(...task.command.split(/(?<= )/).map(word => element('span', '', word)));
}

function listen() {
  for (const [id, act] of Object.entries(BUTTONS)) $(id).addEventListener('click', () => act());
  $('size').addEventListener('input', () => setSize(Number($('size').value)));
  for (const id of ['opacity', 'contrast', 'smooth', 'uncertainty']) $(id).addEventListener('input', redraw);
  $('order').addEventListener('change', orderList);
  $('auto').addEventListener('change', toggleAuto);
  listenToPointer();
  listenToKeys();
  listenToClashes();
  warnBeforeLeaving();
}

/** The image in the address, or the first one that is not finished. */
function firstName() {
  const asked = decodeURIComponent(location.hash.slice(1));
  if (state.samples.has(asked)) return asked;
  const samples = [...state.samples.values()];
  return (samples.find(sample => !isFinished(sample)) ?? samples[0]).name;
}

/** Shows the masks that are there already in the list. */
async function showMasks() {
  if (!state.task.classes.length) return;
  for (const sample of state.samples.values()) {
    if (!sample.share || keptOf(sample.name)) continue;
    const mask = await requestBytes(samplePath(sample.name, 'mask'));
    if (!keptOf(sample.name)) showShare(sample, sample.share, mask);
  }
}

/** Puts the command that trains into the clipboard or, where that is not allowed, marks it. */
async function copyCommand() {
  try {
    await navigator.clipboard.writeText(state.task.command);
    say('The command is in the clipboard');
  } catch {
    getSelection().selectAllChildren($('train-command'));
  }
}

start().catch(error => say(reasonOf(error), true));

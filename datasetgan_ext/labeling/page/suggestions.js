// Suggestions.

import {$} from './dom.js';
import {noteDoubts} from './doubts.js';
import {isProposed} from './keypoints.js';
import {keptOf, openImage} from './images.js';
import {beforeChange, saveMask, savePoints} from './labels.js';
import {nextUnfinished, sortList} from './list.js';
import {paintOverlay, paintUncertainty} from './overlay.js';
import {allSaved, post, reasonOf, requestBytes, requestJson, samplePath} from './server.js';
import {NONE, on, state, tell} from './state.js';

const POLL_MS = 300;
const PHASES = {
  starting: 'Getting ready …',
  waiting: 'Waiting …',
  training: 'Learning from the labelled images …',
  predicting: 'Suggesting …',
  measuring: 'Measuring how unsure it is of the others …',
  checking: '',
};
let awaited = null;        // the name of the image that a suggestion is asked for
let polling = false;
let again = false;
let worth = [];            // names of unfinished images, most worth labelling first

export async function suggest() {
  if (!state.current || !state.task.suggests || awaited) return;
  awaited = state.current.name;
  showSuggestion('Saving …');
  try {
    await allSaved();
    await post('/api/suggest', {name: awaited});
  } catch (error) {
    awaited = null;
    return showSuggestion(reasonOf(error), true);
  }
  poll();
}

/** Asks the server what it is doing until it is idle. */
export async function poll() {
  again = true;
  if (polling) return;
  polling = true;
  let phase;
  do {
    again = false;
    try {
      phase = await takeNews(await requestJson('/api/suggest'));
    } catch (error) {
      phase = 'idle';
      awaited = null;
      showSuggestion(reasonOf(error), true);
    }
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  } while (awaited || again || phase !== 'idle');
  polling = false;
  orderList();
}

/** Takes over what the server says, and gives its phase. */
async function takeNews(news) {
  if (news.error) {
    awaited = null;
  } else if (awaited && news.ready === awaited) {
    await fetchSuggestion(awaited);
    awaited = null;
  }
  if (news.order.length) {
    $('order-row').hidden = false;
    worth = news.order;
  }
  await noteDoubts(news);
  const known = Object.keys(news.uncertainty).length;
  const measured = news.phase === 'measuring' ? ` ${known} of ${state.samples.size}` : '';
  showSuggestion(news.error || (PHASES[news.phase] ?? '') + measured, Boolean(news.error));
  return news.phase;
}

async function fetchSuggestion(sampleName) {
  const [both, {points}] = await Promise.all([
    requestBytes(samplePath(sampleName, 'suggestion')), requestJson(samplePath(sampleName, 'suggested-keypoints'))]);
  const {width, height} = state;
  const kept = keptOf(sampleName);
  kept.proposed = points;
  if (both.length) {
    kept.suggestion = both.slice(0, width * height);
    kept.uncertainty = both.slice(width * height);
  }
  if (kept !== state.current) return;
  if (both.length) paintUncertainty();
  paintOverlay();
  tell('suggestion');
}

function showSuggestion(text = '', wrong = false) {
  const {current} = state;
  const proposes = Boolean(current?.suggestion || current?.proposed.length);
  const pending = isPending();
  $('suggest-state').textContent = text || hint(proposes, pending);
  $('suggest-state').classList.toggle('error', wrong);
  $('suggest').disabled = Boolean(awaited);
  $('accept').disabled = !pending;
  $('dismiss').disabled = !proposes;
  $('uncertainty').disabled = !current?.uncertainty;
}

function hint(proposes, pending) {
  if (pending) return `${state.current.suggestion ? 'Paint over' : 'Drag'} what is wrong, then accept.`;
  return proposes ? 'Everything has a label already.' : '';
}

/** Whether the suggestion has something that is not labelled. */
function isPending() {
  const {current} = state;
  if (!current) return false;
  return Boolean(current.suggestion && current.mask.includes(NONE)) || current.points.some((_, i) => isProposed(i));
}

export function accept() {
  if (!isPending()) return;
  const {current} = state;
  const {suggestion, proposed} = current;
  beforeChange();
  current.points = current.points.map((point, i) => isProposed(i) ? proposed[i] : point);
  if (suggestion) current.mask = current.mask.map((id, i) => id === NONE ? suggestion[i] : id);
  saveMask();
  savePoints();
  dismiss();
}

/** Accepts, opens the next image that is not finished, and asks for its suggestion. */
export async function acceptAndGoOn() {
  accept();
  const next = nextUnfinished(state.current.name);
  if (!next) return;
  await openImage(next);
  if (!state.current.suggestion) await suggest();
}

export function dismiss() {
  Object.assign(state.current, {suggestion: null, uncertainty: null, proposed: []});
  paintOverlay();
  tell('suggestion');
}

export const orderList = () => sortList(worth);

on('suggestion', () => showSuggestion());
on('opened', () => showSuggestion());

// Suggestions: asked for, or coming by themselves.

import {$} from './dom.js';
import {noteDoubts} from './doubts.js';
import {isProposed} from './keypoints.js';
import {keptOf, openImage} from './images.js';
import {beforeChange, saveMask, savePoints} from './labels.js';
import {nameBeside, nextUnfinished, sortList} from './list.js';
import {paintOverlay, paintUncertainty} from './overlay.js';
import {allSaved, post, reasonOf, request, requestJson, samplePath} from './server.js';
import {ABSENT, NONE, on, state, tell} from './state.js';
import {seenBox} from './view.js';

const POLL_MS = 300;
const SETTLED_MS = 400;    // a view that has not changed for so long is one that a person looks at
const PHASES = {
  starting: 'Getting ready …',
  waiting: 'Waiting …',
  training: 'Learning from the labelled images …',
  predicting: 'Suggesting …',
};
let awaited = null;        // the name of the image that a suggestion is asked for
let polling = false;
let again = false;
let worth = [];            // names of unfinished images, most worth labelling first
let lacks = '';            // what has to be labelled before anything can be suggested
let followed = '';         // what the server was told last of what is open
let timer = 0;

export async function suggest() {
  if (!state.current || !state.task.suggests || awaited) return;
  awaited = state.current.name;
  state.current.dismissed = false;
  showSuggestion('Saving …');
  try {
    await allSaved();
    await post('/api/suggest', {name: awaited});
  } catch (error) {
    awaited = null;
    return showSuggestion(reasonOf(error), true);
  }
  followed = '';
  poll();
}

/** Switches suggestions that come by themselves off and on. */
export function toggleAuto() {
  if (!state.task.suggests) return;
  state.auto = !state.auto;
  $('auto').checked = state.auto;
  state.current.dismissed = false;
  follow();
}

/** Tells the server what is open, so that it can suggest by itself; where it is gone, saving says so. */
async function follow() {
  const {current, task, auto} = state;
  if (!current || !task.suggests) return;
  const likely = [nextUnfinished(current.name), nameBeside(current.name, 1), nameBeside(current.name, -1)];
  const wish = {name: current.name, next: [...new Set(likely)].filter(Boolean), box: seenBox(), auto};
  followed = JSON.stringify(wish.box);
  try {
    await post('/api/follow', wish);
  } catch {
    return;
  }
  poll();
}

/** A large image is refined where it is looked at. */
function followView() {
  const {current, height, task} = state;
  if (!current || !task.suggests || task.glance[0] >= height || followed === JSON.stringify(seenBox())) return;
  clearTimeout(timer);
  timer = setTimeout(follow, SETTLED_MS);
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
  lacks = news.lacks;
  state.serials = news.serials;
  if (awaited && news.error) {
    awaited = null;
  } else if (awaited && news.ready === awaited) {
    await fetchSuggestion(keptOf(awaited));
    awaited = null;
  } else if (state.auto && !awaited) {
    await renew();
  }
  if (news.order.length) {
    $('order-row').hidden = false;
    worth = news.order;
  }
  await noteDoubts(news);
  showProgress(news);
  tell('news');
  showSuggestion(news.error || (awaited ? PHASES[news.phase] ?? '' : ''), Boolean(news.error));
  return news.phase;
}

/** Shows the server's newest suggestion of the open image; one that the server has no longer goes. */
async function renew() {
  const {current, serials} = state;
  if (!current || current.dismissed || isBusy()) return;
  const serial = serials[current.name] ?? 0;
  if (serial > current.serial && isToDo(current)) await fetchSuggestion(current);
  if (!serial && current.serial) take(current, {suggestion: null, uncertainty: null, proposed: [], serial: 0});
}

/** Whether a person is drawing at this moment: nothing changes under the pointer then. */
const isBusy = () => Boolean(state.stroke || state.dragged);

const isToDo = ({mask, points}) => mask.includes(NONE) || points.some(point => point[2] === ABSENT);

async function fetchSuggestion(kept) {
  const [reply, {points: proposed}] = await Promise.all([
    request(samplePath(kept.name, 'suggestion')), requestJson(samplePath(kept.name, 'suggested-keypoints'))]);
  const both = new Uint8Array(await reply.arrayBuffer());
  if (isBusy() && kept === state.current) return;    // it is fetched after the stroke
  const news = {suggestion: null, uncertainty: null, proposed, serial: Number(reply.headers.get('ETag'))};
  if (both.length) {
    news.suggestion = withoutRefused(both.slice(0, both.length / 2), kept.refused);
    news.uncertainty = both.slice(both.length / 2);
  }
  take(kept, news);
}

const withoutRefused = (suggestion, refused) =>
  refused ? suggestion.map((id, i) => id === refused[i] ? NONE : id) : suggestion;

function take(kept, news) {
  Object.assign(kept, news);
  if (kept !== state.current) return;
  if (kept.uncertainty) paintUncertainty();
  paintOverlay();
  tell('suggestion');
}

/** How far the labels are learned, for those who want to know. */
function showProgress({phase, progress, serials, uncertainty}) {
  const known = Object.keys(uncertainty).length;
  let text = '';
  if (phase === 'starting') text = PHASES.starting;
  else if (phase === 'measuring') text = `Suggesting for the other images: ${known} of ${state.samples.size}`;
  else if (Object.keys(serials).length) text = progress < 1 ? `Learning: ${Math.round(progress * 100)} %` : 'Learned';
  $('learning').textContent = text;
  $('learning').dataset.phase = phase;
}

function showSuggestion(text = '', wrong = false) {
  const {current, auto} = state;
  const proposes = Boolean(current?.suggestion || current?.proposed.length);
  const pending = isPending();
  $('suggest-state').textContent = text || hint(proposes, pending) || (auto ? lacks : '');
  $('suggest-state').classList.toggle('error', wrong);
  $('suggest').disabled = Boolean(awaited);
  $('accept').disabled = !pending;
  $('dismiss').disabled = !proposes;
  $('uncertainty').disabled = !current?.uncertainty;
}

function hint(proposes, pending) {
  if (pending) return `${state.current.suggestion ? 'Paint over' : 'Drag'} what is wrong, then accept.`;
  if (state.current?.dismissed) return 'Dismissed; S suggests again.';
  return proposes ? 'Everything has a label already.' : '';
}

/** Whether the suggestion has something that is not labelled. */
function isPending() {
  const {current} = state;
  if (!current) return false;
  const {mask, suggestion, points} = current;
  return Boolean(suggestion?.some((id, i) => id !== NONE && mask[i] === NONE)) || points.some((_, i) => isProposed(i));
}

export function accept() {
  if (!isPending()) return;
  const {current} = state;
  const {suggestion, proposed} = current;
  beforeChange();
  current.points = current.points.map((point, i) => isProposed(i) ? proposed[i] : point);
  if (suggestion) current.mask = current.mask.map((id, i) => id === NONE ? suggestion[i] : id);
  Object.assign(current, {suggestion: null, uncertainty: null, proposed: []});
  saveMask();
  savePoints();
  paintOverlay();
  tell('suggestion');
}

/** Accepts, opens the next image that is not finished, and asks for its suggestion if that does not come by itself. */
export async function acceptAndGoOn() {
  accept();
  const next = nextUnfinished(state.current.name);
  if (!next) return;
  await openImage(next);
  if (!state.current.suggestion && !state.auto) await suggest();
}

export function dismiss() {
  if (!state.current.suggestion && !state.current.proposed.length) return;
  Object.assign(state.current, {suggestion: null, uncertainty: null, proposed: [], serial: 0, dismissed: true});
  paintOverlay();
  tell('suggestion');
}

export const orderList = () => sortList(worth);

on('suggestion', () => showSuggestion());
on('opened', () => showSuggestion());
on('opened', follow);
on('kept', follow);
on('frame', followView);

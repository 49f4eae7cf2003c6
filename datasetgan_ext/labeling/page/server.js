// Requests, and saving.

import {$} from './dom.js';
import {boxOfChange, valuesIn} from './raster.js';
import {ABSENT, state, tell} from './state.js';

const RETRY_MS = 2000;
const LOST_REPLIES = 3;    // how many of them are remembered for each path
const OUTDATED = 412;      // HTTP's "precondition failed": someone else has changed what is to be replaced

/** A reply that is no success; `code` is HTTP's. */
class Refusal extends Error {
  constructor(text, code) {
    super(text);
    this.code = code;
  }
}

export async function request(path, options = {}) {
  const response = await fetch(path, options);
  if (!response.ok) throw new Refusal((await response.text()).trim() || `HTTP ${response.status}`, response.status);
  return response;
}

export const requestJson = async path => (await request(path)).json();
export const requestBytes = async path => new Uint8Array(await (await request(path)).arrayBuffer());
export const post = (path, wish) => request(path, {method: 'POST', body: JSON.stringify(wish)});

export const samplePath = (sampleName, what) => `/api/samples/${encodeURIComponent(sampleName)}/${what}`;

/** What a failed request is called on the page. */
export const reasonOf = error => error instanceof TypeError ? 'the server does not answer' : error.message;

/** The mask that the server has, of which the page knows the version from now on. */
export async function fetchMask(sample) {
  const response = await request(samplePath(sample.name, 'mask'));
  const version = response.headers.get('ETag');
  const mask = new Uint8Array(await response.arrayBuffer());
  sample.versions.mask = version;
  sample.known = {version, mask};
  return mask;
}

/** The keypoints that the server has, likewise. */
export async function fetchPoints(sample) {
  const response = await request(samplePath(sample.name, 'keypoints'));
  sample.versions.keypoints = response.headers.get('ETag');
  return response.json();
}

/**
 * What is not on the server's disk yet, by path; of each path only the newest, one request at a time.
 * @type {Map<string, {sample: Sample, what: string, body: (Uint8Array|string), clash: boolean}>}
 */
const unsaved = new Map();
let saving = null;

/** What has been sent and perhaps kept, though no reply has come, by path. */
const unanswered = new Map();
let trouble = '';          // why saving does not get on

/** Sends what has been changed of an image: its `mask`, its `keypoints` or its `notes`. */
export function save(sample, what, body) {
  unsaved.set(samplePath(sample.name, what), {sample, what, body, clash: false});
  saving ??= saveAll().finally(() => { saving = null; });
}

/** What is still to be saved of an image, if anything. */
export const unsavedBody = (sample, what) => unsaved.get(samplePath(sample.name, what))?.body;

/** Forgets what is still to be saved of an image. */
export function dropUnsaved(sample, what) {
  unsaved.delete(samplePath(sample.name, what));
  if (!saving) showRest();
}

/** Waits until all is saved; an error if that does not get on. */
export async function allSaved() {
  while (saving) {
    if (trouble) throw new Error(`Your labels are not saved yet: ${trouble}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

async function saveAll() {
  for (let next; (next = nextUnsaved());) {
    const [path, item] = next;
    if (!trouble) showSaved('saving', 'Saving …');
    try {
      await put(path, item);
      trouble = '';
      showSaved('saving', 'Saving …');
    } catch (error) {
      trouble = reasonOf(error);
      showSaved('not saved', `Not saved: ${trouble}. Trying again …`);
      await new Promise(resolve => setTimeout(resolve, RETRY_MS));
    }
  }
  showRest();
}

function showRest() {
  if (unsaved.size) showSaved('not saved', 'Not saved: two versions');
  else showSaved('saved', 'Saved');
}

const nextUnsaved = () => [...unsaved].find(([, item]) => !item.clash);

async function put(path, item) {
  const {sample, what, body} = item;
  const version = sample.versions[what];
  const headers = version ? {'If-Match': version} : {};
  try {
    const isKnown = what === 'mask' && version && sample.known?.version === version;
    const part = isKnown ? changeOf(sample.known.mask, body) : {query: '', values: body};
    const reply = await request(path + part.query, {method: 'PUT', body: part.values, headers});
    const {share, version: now} = await reply.json();
    sample.versions[what] = now;
    if (what === 'mask') sample.known = {version: now, mask: body};
    unanswered.delete(path);
    if (unsaved.get(path) === item) unsaved.delete(path);
    if (share !== undefined) tell('saved', {sample, share, mask: body});
    tell('kept', sample);
  } catch (error) {
    if (!error.code) unanswered.set(path, [...(unanswered.get(path) ?? []), body].slice(-LOST_REPLIES));
    if (error.code !== OUTDATED) throw error;
    await meetOther(path, item);
  }
}

/** What of a mask has to be sent to one who has the mask before: the smallest box of what differs. */
function changeOf(before, mask) {
  const {width} = state;
  const box = boxOfChange(before, mask, width) ?? {left: 0, upper: 0, right: 1, lower: 1};
  const query = `?box=${box.left},${box.upper},${box.right},${box.lower}`;
  return {query, values: valuesIn(mask, box, width)};
}

/** The server has another version than the page has last seen: the page's own, if a reply was lost, or a clash. */
async function meetOther(path, item) {
  const {sample, what} = item;
  const theirs = what === 'mask' ? await fetchMask(sample) : await fetchPoints(sample);
  const own = unanswered.get(path) ?? [];
  if (own.some(body => isSame(what, body, theirs))) return;    // it is sent again, on top of the version that is there
  (unsaved.get(path) ?? item).clash = true;
  tell('clash', {sample, what, theirs});
}

function isSame(what, body, theirs) {
  if (what === 'mask') return body.every((id, i) => id === theirs[i]);
  const placed = points => JSON.stringify(points.map(point => point[2] === ABSENT ? [0, 0, ABSENT] : point));
  return placed(JSON.parse(body)) === placed(theirs);
}

function showSaved(progress, text) {
  $('saved').dataset.state = progress;
  $('saved').textContent = text;
}

export function warnBeforeLeaving() {
  window.addEventListener('beforeunload', evt => { if (unsaved.size) evt.preventDefault(); });
}

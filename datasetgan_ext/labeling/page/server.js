// Requests, and saving.

import {$} from './dom.js';
import {state, tell} from './state.js';

const RETRY_MS = 2000;

export async function request(path, options = {}) {
  const response = await fetch(path, options);
  if (!response.ok) throw new Error((await response.text()).trim() || `HTTP ${response.status}`);
  return response;
}

export const requestJson = async path => (await request(path)).json();
export const requestBytes = async path => new Uint8Array(await (await request(path)).arrayBuffer());
export const post = (path, wish) => request(path, {method: 'POST', body: JSON.stringify(wish)});

export const samplePath = (sampleName, what) => `/api/samples/${encodeURIComponent(sampleName)}/${what}`;

/** What a failed request is called on the page. */
export const reasonOf = error => error instanceof TypeError ? 'the server does not answer' : error.message;

/** What is not on the server's disk yet, by path; of each path only the newest, one request at a time. */
const unsaved = new Map();
let saving = null;

/** Sends what has been changed of the open image: its `mask` or its `keypoints`. */
export function save(what, body) {
  unsaved.set(samplePath(state.current.name, what), {sampleName: state.current.name, body});
  saving ??= saveAll().finally(() => { saving = null; });
}

/** What is still to be saved under a path, if anything. */
export const unsavedBody = path => unsaved.get(path)?.body;

/** Waits until all is saved. */
export const allSaved = () => saving;

async function saveAll() {
  while (unsaved.size) {
    const [path, item] = unsaved.entries().next().value;
    if ($('saved').dataset.state !== 'not saved') showSaved('saving', 'Saving …');
    try {
      const {share} = await (await request(path, {method: 'PUT', body: item.body})).json();
      if (unsaved.get(path) === item) unsaved.delete(path);
      if (share !== undefined) tell('saved', {sample: state.samples.get(item.sampleName), share, mask: item.body});
      showSaved('saving', 'Saving …');
    } catch (error) {
      showSaved('not saved', `Not saved: ${reasonOf(error)}. Trying again …`);
      await new Promise(resolve => setTimeout(resolve, RETRY_MS));
    }
  }
  showSaved('saved', 'Saved');
}

function showSaved(progress, text) {
  $('saved').dataset.state = progress;
  $('saved').textContent = text;
}

export function warnBeforeLeaving() {
  window.addEventListener('beforeunload', evt => { if (unsaved.size) evt.preventDefault(); });
}

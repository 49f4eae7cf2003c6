'use strict';
// What all files of the page share; they are plain scripts, of one scope. One mask of class ids, a byte a pixel, is
// drawn into; the server keeps what it is sent. Coordinates are pixels of the image from its upper left corner: the
// centre of the first pixel is (0.5, 0.5).

const NONE = 255, BACKGROUND = 0;
const ABSENT = 0, OCCLUDED = 1, VISIBLE = 2;
const SEEN = ['absent', 'occluded', 'visible'];
const UNDO_STEPS = 60, GRAB = 10, RETRY_MS = 2000, POLL_MS = 300;
const FAINT = 0.4;         // of the background, and of all classes beneath the uncertainty
const LEAST_SHOWN = 20;     // uncertainty that is shown in full at least
const MIN_SCALE = 0.1, MAX_SCALE = 64;

const $ = id => document.getElementById(id);
const canvas = $('canvas'), pen = canvas.getContext('2d');
let task;                  // what /api/state says
let width, height;
let colours;               // of each class id: [r, g, b]
const samples = new Map(); // name -> {name, share, points, item}
let current = null;        // {name, image, mask, points, suggestion, uncertainty, proposed}
let opening = null;        // the name of the image asked for last
let undone = [], done = [];
let tool = 'brush', painted = 1, chosenPoint = 0;
const sizes = {brush: 6, regions: 8};
let polygon = [], stroke = null, dragged = null, panning = null, spaceDown = false, pointer = null;
const view = {scale: 1, x: 0, y: 0};   // screen = image * scale + offset, in CSS pixels
let overlay, unsure;       // canvases of the image's size

// ---- requests and saving

async function request(path, options = {}) {
  const response = await fetch(path, options);
  if (!response.ok) throw new Error((await response.text()).trim() || `HTTP ${response.status}`);
  return response;
}

const samplePath = (name, what) => `/api/samples/${encodeURIComponent(name)}/${what}`;

/** What is not on the server's disk yet, by path; of each path only the newest, one request at a time. */
const unsaved = new Map();
let saving = null;

function save(what, body) {
  unsaved.set(samplePath(current.name, what), {name: current.name, body});
  saving ??= saveAll().finally(() => { saving = null; });
  return saving;
}

async function saveAll() {
  while (unsaved.size) {
    const [path, item] = unsaved.entries().next().value;
    if ($('saved').dataset.state !== 'not saved') showSaved('saving', 'Saving …');
    try {
      const {share} = await (await request(path, {method: 'PUT', body: item.body})).json();
      if (unsaved.get(path) === item) unsaved.delete(path);
      if (share !== undefined) showShare(samples.get(item.name), share, item.body);
      showSaved('saving', 'Saving …');
    } catch (error) {
      const reason = error instanceof TypeError ? 'the server does not answer' : error.message;
      showSaved('not saved', `Not saved: ${reason}. Trying again …`);
      await new Promise(resolve => setTimeout(resolve, RETRY_MS));
    }
  }
  showSaved('saved', 'Saved');
}

function showSaved(state, text) {
  $('saved').dataset.state = state;
  $('saved').textContent = text;
}

window.addEventListener('beforeunload', event => { if (unsaved.size) event.preventDefault(); });

const countOf = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;

function say(text) { $('message').textContent = text; }

'use strict';
// One mask of class ids, a byte a pixel, is drawn into here; the server keeps what it is sent. Coordinates are pixels of
// the image from its upper left corner: the centre of the first pixel is (0.5, 0.5).

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
let current = null;        // {name, image, mask, points, suggestion, uncertainty}
let opening = null;        // the name of the image asked for last
let undone = [], done = [];
let tool = 'brush', painted = 1, size = 6, chosenPoint = 0;
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

function say(text) { $('message').textContent = text; }

// ---- images

async function open(name) {
  opening = name;
  cancelPolygon();
  say('');
  const image = new Image();
  image.src = samplePath(name, 'image');
  try {
    const path = samplePath(name, 'mask');
    const [mask] = await Promise.all([
      unsaved.get(path)?.body ?? request(path).then(async reply => new Uint8Array(await reply.arrayBuffer())),
      image.decode().catch(() => { throw new Error(`The image ${name} cannot be shown`); })]);
    if (opening !== name) return;
    endOfDrag();
    current = {name, image, mask: mask.slice(), points: samples.get(name).points, suggestion: null, uncertainty: null};
  } catch (error) {
    return say(error.message);
  }
  done = []; undone = [];
  chosenPoint = Math.max(0, current.points.findIndex(point => point[2] === ABSENT));
  for (const sample of samples.values()) sample.item.firstChild.setAttribute('aria-current', sample.name === name);
  samples.get(name).item.scrollIntoView({block: 'nearest'});
  canvas.dataset.name = name;
  history.replaceState(null, '', `#${encodeURIComponent(name)}`);
  canvas.focus({preventScroll: true});
  fit();
  paintOverlay();
  showSuggestion();
  showState();
}

function step(direction) {
  const names = [...$('list').children].map(item => item.dataset.name);
  const next = names[names.indexOf(current.name) + direction];
  if (next) open(next);
}

function addToList(sample) {
  const item = document.createElement('li'), button = document.createElement('button');
  item.dataset.name = sample.name;
  const thumb = element('span', 'thumb'), about = element('span', 'about');
  const image = document.createElement('img'), labels = document.createElement('canvas');
  image.loading = 'lazy';
  image.alt = '';
  image.src = samplePath(sample.name, 'image');
  labels.width = width; labels.height = height;
  thumb.append(image, labels);
  const bar = document.createElement('progress');
  bar.max = 1;
  bar.hidden = !task.classes.length;
  about.append(element('b', '', sample.name), bar, element('span', 'figures'));
  button.append(thumb, about);
  button.addEventListener('click', () => open(sample.name));
  item.append(button);
  $('list').append(item);
  sample.item = item;
}

/** Shows in the list how much of an image is labelled and, where it is given, its mask. */
function showShare(sample, share, mask) {
  sample.share = share;
  const placed = sample.points.filter(point => point[2] !== ABSENT).length;
  const figures = [];
  if (task.classes.length) figures.push(share === 1 ? 'labelled' : `${Math.floor(share * 100)} % labelled`);
  if (task.keypoints.length) figures.push(`${placed} of ${task.keypoints.length} points`);
  sample.item.querySelector('progress').value = share;
  sample.item.querySelector('.figures').textContent = figures.join('\n');
  if (mask) {
    const labels = sample.item.querySelector('canvas').getContext('2d'), pixels = labels.createImageData(width, height);
    for (let i = 0; i < mask.length; i++) {
      if (mask[i] !== NONE && mask[i] !== BACKGROUND) pixels.data.set([...colours[mask[i]], 255], 4 * i);
    }
    labels.putImageData(pixels, 0, 0);
  }
  const finished = [...samples.values()].filter(other => isFinished(other)).length;
  $('progress').textContent = `${finished} of ${samples.size} done`;
}

function isFinished(sample) {
  return task.classes.length ? sample.share === 1 : sample.points.some(point => point[2] !== ABSENT);
}

// ---- drawing on the screen

let redrawAsked = false;
function redraw() {
  if (redrawAsked) return;
  redrawAsked = true;
  requestAnimationFrame(() => { redrawAsked = false; draw(); });
}

function draw() {
  const ratio = window.devicePixelRatio, box = canvas.getBoundingClientRect();
  const across = Math.round(box.width * ratio), down = Math.round(box.height * ratio);
  if (canvas.width !== across || canvas.height !== down) { canvas.width = across; canvas.height = down; }
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, across, down);
  if (!current) return;
  Object.assign(canvas.dataset, {scale: view.scale, x: view.x, y: view.y});
  pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(current.image, 0, 0, width, height);
  const doubts = $('uncertainty').checked && current.uncertainty;
  pen.globalAlpha = $('opacity').value / 100 * (doubts ? FAINT : 1);
  pen.drawImage(overlay, 0, 0);
  pen.globalAlpha = 1;
  if (doubts) {
    pen.fillStyle = '#101828a0';
    pen.fillRect(0, 0, width, height);
    pen.drawImage(unsure, 0, 0);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawPolygon();
  drawPoints();
  if (pointer && (tool === 'brush' || tool === 'eraser') && !panning) {
    const [x, y] = toScreen(snap(pointer));
    outlined(() => pen.arc(x, y, Math.max(1.5, size / 2 * view.scale), 0, 7), 1.5);
  }
}

/** A line that is seen on any ground: white within black. */
function outlined(path, line) {
  pen.beginPath();
  path();
  pen.strokeStyle = '#000'; pen.lineWidth = line + 1.5; pen.stroke();
  pen.strokeStyle = '#fff'; pen.lineWidth = line; pen.stroke();
}

function drawPolygon() {
  if (!polygon.length) return;
  const corners = [...polygon, ...(pointer ? [pointer] : [])].map(toScreen);
  outlined(() => corners.forEach(([x, y], i) => i ? pen.lineTo(x, y) : pen.moveTo(x, y)), 1.5);
  for (const [x, y] of polygon.map(toScreen)) outlined(() => pen.arc(x, y, 3.5, 0, 7), 1.5);
}

function drawPoints() {
  for (const [from, to] of task.skeleton ?? []) {
    const ends = [current.points[from], current.points[to]];
    if (ends.some(point => point[2] === ABSENT)) continue;
    outlined(() => { pen.moveTo(...toScreen(ends[0])); pen.lineTo(...toScreen(ends[1])); }, 1);
  }
  pen.font = '600 12px system-ui, sans-serif';
  current.points.forEach((point, index) => {
    if (point[2] === ABSENT) return;
    const [x, y] = toScreen(point);
    outlined(() => pen.arc(x, y, 6, 0, 7), 2);
    pen.fillStyle = point[2] === VISIBLE ? '#0b5cad' : '#fff';
    pen.fill();
    if (tool !== 'keypoints') return;
    pen.lineWidth = 3; pen.strokeStyle = '#000'; pen.fillStyle = index === chosenPoint ? '#ffd84d' : '#fff';
    pen.strokeText(task.keypoints[index], x + 10, y + 4);
    pen.fillText(task.keypoints[index], x + 10, y + 4);
  });
}

/** Brings a part of the overlay up to date with the mask and, where there is no label, with the suggestion. */
function paintOverlay(left = 0, top = 0, right = width, bottom = height) {
  if (right <= left || bottom <= top) return redraw();
  const pixels = overlay.getContext('2d').createImageData(right - left, bottom - top);
  for (let y = top, at = 0; y < bottom; y++) {
    for (let i = y * width + left; i < y * width + right; i++, at += 4) {
      const drawn = current.mask[i] !== NONE, id = drawn ? current.mask[i] : current.suggestion?.[i] ?? NONE;
      if (id === NONE) continue;
      const [red, green, blue] = colours[id];
      pixels.data[at] = red; pixels.data[at + 1] = green; pixels.data[at + 2] = blue;
      pixels.data[at + 3] = (drawn ? 255 : 190) * (id === BACKGROUND ? FAINT : 1);
    }
  }
  overlay.getContext('2d').putImageData(pixels, left, top);
  redraw();
}

const toScreen = ([x, y]) => [x * view.scale + view.x, y * view.scale + view.y];

function toImage(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left - view.x) / view.scale, (event.clientY - box.top - view.y) / view.scale];
}

function fit() {
  const box = canvas.getBoundingClientRect();
  view.scale = Math.min(box.width / width, box.height / height) * 0.96;
  view.x = (box.width - width * view.scale) / 2;
  view.y = (box.height - height * view.scale) / 2;
  redraw();
}

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, view.scale * factor));
  view.x = x - (x - view.x) * scale / view.scale;
  view.y = y - (y - view.y) * scale / view.scale;
  view.scale = scale;
  redraw();
}

// ---- changing the labels

function beforeChange() {
  done.push({mask: current.mask.slice(), points: current.points, suggestion: current.suggestion});
  if (done.length > UNDO_STEPS) done.shift();
  undone = [];
}

/** Goes back (undo) or forth (redo). */
function travel(from, to) {
  if (!from.length || stroke || dragged !== null) return;
  to.push({mask: current.mask, points: current.points, suggestion: current.suggestion});
  Object.assign(current, from.pop());
  paintOverlay();
  showSuggestion();
  saveMask();
  savePoints();
}

function saveMask() {
  if (task.classes.length) save('mask', current.mask.slice());
  showState();
}

function savePoints() {
  if (!task.keypoints.length) return;
  const sample = samples.get(current.name);
  sample.points = current.points;
  showShare(sample, sample.share);
  save('keypoints', JSON.stringify(current.points));
  showState();
}

/** The middle of the brush: of a pixel for odd sizes, between pixels for even ones. */
function snap([x, y]) {
  return size % 2 ? [Math.floor(x) + 0.5, Math.floor(y) + 0.5] : [Math.round(x), Math.round(y)];
}

/** Paints the pixels whose centre is at most half the brush's size from the line. */
function paintLine(from, to, id) {
  const [[ax, ay], [bx, by]] = [from, to], reach = size / 2;
  const left = clamp(Math.floor(Math.min(ax, bx) - reach), width), right = clamp(Math.ceil(Math.max(ax, bx) + reach), width);
  const top = clamp(Math.floor(Math.min(ay, by) - reach), height), bottom = clamp(Math.ceil(Math.max(ay, by) + reach), height);
  const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const px = x + 0.5 - ax, py = y + 0.5 - ay;
      const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= reach * reach + 1e-9) current.mask[y * width + x] = id;
    }
  }
  paintOverlay(left, top, right, bottom);
}

const clamp = (value, limit) => Math.min(limit, Math.max(0, value));

/** Paints the pixels whose centre is inside the polygon (even-odd). */
function closePolygon() {
  const corners = polygon;
  cancelPolygon();
  if (corners.length < 3) return;
  beforeChange();
  for (let y = 0; y < height; y++) {
    const crossings = [];
    corners.forEach(([ax, ay], i) => {
      const [bx, by] = corners[(i + 1) % corners.length], middle = y + 0.5;
      if ((ay <= middle) !== (by <= middle)) crossings.push(ax + (middle - ay) / (by - ay) * (bx - ax));
    });
    crossings.sort((one, other) => one - other);
    for (let i = 0; i < crossings.length; i += 2) {
      const first = clamp(Math.ceil(crossings[i] - 0.5), width), end = clamp(Math.ceil(crossings[i + 1] - 0.5), width);
      current.mask.fill(painted, y * width + first, y * width + end);
    }
  }
  paintOverlay();
  saveMask();
}

function cancelPolygon() {
  polygon = [];
  redraw();
}

/** Gives the region of one class that a pixel is in (neighbours along rows and columns) the chosen class. */
function fill([x, y]) {
  x = Math.floor(x); y = Math.floor(y);
  const {mask} = current, start = y * width + x, id = mask[start];
  if (x < 0 || y < 0 || x >= width || y >= height || id === painted) return;
  beforeChange();
  const waiting = [start];
  mask[start] = painted;
  while (waiting.length) {
    const at = waiting.pop(), column = at % width;
    for (const [next, there] of [[at - 1, column > 0], [at + 1, column < width - 1],
      [at - width, at >= width], [at + width, at < width * (height - 1)]]) {
      if (there && mask[next] === id) { mask[next] = painted; waiting.push(next); }
    }
  }
  paintOverlay();
  saveMask();
}

function replaceAll(change) {
  beforeChange();
  current.mask = current.mask.map(change);
  paintOverlay();
  saveMask();
}

function setPoint(index, point) {
  current.points = current.points.map((other, i) => i === index ? point : other);
}

function turnPoint(index) {
  const [x, y, seen] = current.points[index];
  if (seen === ABSENT) return say(`Click on the image to place ${task.keypoints[index]}`);
  beforeChange();
  setPoint(index, [x, y, seen - 1]);
  savePoints();
  redraw();
}

function nearestPoint(event) {
  const box = canvas.getBoundingClientRect();
  let best = -1, least = GRAB;
  current.points.forEach((point, index) => {
    const [x, y] = toScreen(point), distance = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
    if (point[2] !== ABSENT && distance <= least) { best = index; least = distance; }
  });
  return best;
}

// ---- pointer and keys

canvas.addEventListener('pointerdown', event => {
  if (!current || stroke || panning || dragged !== null) return;
  canvas.setPointerCapture(event.pointerId);
  pointer = toImage(event);
  say('');
  if (event.button === 1 || spaceDown) { panning = {x: event.clientX - view.x, y: event.clientY - view.y}; return; }
  if (event.button !== 0) return;
  if (tool === 'brush' || tool === 'eraser') {
    beforeChange();
    stroke = {last: snap(pointer), id: tool === 'brush' ? painted : Number($('erase').value)};
    paintLine(stroke.last, stroke.last, stroke.id);
  } else if (tool === 'polygon') {
    polygon.push(pointer);
    redraw();
  } else if (tool === 'fill') {
    fill(pointer);
  } else {
    takePoint(event);
  }
});

function takePoint(event) {
  const near = nearestPoint(event);
  beforeChange();
  if (near >= 0) chosenPoint = near;
  dragged = {index: chosenPoint, placed: near < 0};
  if (near < 0) movePoint(Math.max(VISIBLE * (current.points[chosenPoint][2] === ABSENT), current.points[chosenPoint][2]));
  showState();
  redraw();
}

function movePoint(seen) {
  const place = [clamp(pointer[0], width), clamp(pointer[1], height)].map(value => Math.round(value * 100) / 100);
  setPoint(dragged.index, [...place, seen]);
}

canvas.addEventListener('pointermove', event => {
  pointer = toImage(event);
  if (panning) {
    view.x = event.clientX - panning.x;
    view.y = event.clientY - panning.y;
  } else if (stroke) {
    for (const part of event.getCoalescedEvents().concat(event)) {
      const next = snap(toImage(part));
      paintLine(stroke.last, next, stroke.id);
      stroke.last = next;
    }
  } else if (dragged !== null) {
    movePoint(current.points[dragged.index][2]);
  }
  showUnder();
  redraw();
});

function endOfDrag() {
  if (stroke) { stroke = null; saveMask(); }
  if (dragged !== null) {
    const {placed} = dragged;
    dragged = null;
    const absent = current.points.findIndex(point => point[2] === ABSENT);
    if (placed && absent >= 0) chosenPoint = absent;
    savePoints();
  }
  panning = null;
  redraw();
}
canvas.addEventListener('pointerup', endOfDrag);
canvas.addEventListener('pointercancel', endOfDrag);
canvas.addEventListener('pointerleave', () => { pointer = null; showUnder(); redraw(); });
canvas.addEventListener('dblclick', () => { if (tool === 'polygon') closePolygon(); });
canvas.addEventListener('wheel', event => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}, {passive: false});
new ResizeObserver(redraw).observe(canvas);

const KEYS = {
  b: () => choose('brush'), e: () => choose('eraser'), p: () => choose('polygon'), g: () => choose('fill'),
  k: () => choose('keypoints'), n: () => pickClass(NONE), '[': () => resize(-1), ']': () => resize(1),
  '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), f: fit, s: suggest,
  u: () => { $('uncertainty').click(); }, h: toggleHelp,
  v: () => { if (task.keypoints.length) turnPoint(chosenPoint); },
  Enter: () => polygon.length ? closePolygon() : accept(), Escape: () => polygon.length ? cancelPolygon() : dismiss(),
  ArrowUp: () => step(-1), ArrowDown: () => step(1),
};

document.addEventListener('keydown', event => {
  if (!current) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, control = event.ctrlKey || event.metaKey;
  if (control && (key === 'z' || key === 'y')) {
    event.preventDefault();
    return key === 'y' || event.shiftKey ? travel(undone, done) : travel(done, undone);
  }
  // keys that a focused control has a use for itself
  const own = {SELECT: true, INPUT: key.startsWith('Arrow') || key === ' ', BUTTON: key === 'Enter' || key === ' '}[event.target.tagName];
  if (control || event.altKey || own || stroke || dragged !== null) return;
  if (key === ' ') {
    spaceDown = true;
    canvas.classList.add('pan');
  } else if (/^\d$/.test(key)) {
    if (Number(key) < task.classes.length) pickClass(Number(key));
  } else if (KEYS[key]) {
    KEYS[key]();
  } else {
    return;
  }
  event.preventDefault();
});
document.addEventListener('keyup', event => {
  if (event.key === ' ') { spaceDown = false; canvas.classList.remove('pan'); }
});
window.addEventListener('blur', () => { spaceDown = false; canvas.classList.remove('pan'); });

// ---- panels

function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function choose(name) {
  if (document.querySelector(`[data-tool=${name}]`).hidden) return;
  if (name !== 'polygon') cancelPolygon();
  tool = name;
  showState();
  redraw();
}

function pickClass(id) {
  if (!task.classes.length) return;
  painted = id;
  if (tool === 'eraser' || tool === 'keypoints') tool = 'brush';
  showState();
}

function resize(by) {
  size = Math.min(Number($('size').max), Math.max(1, size + by * Math.max(1, Math.round(size / 8))));
  showState();
  redraw();
}

function buildPanels() {
  const ids = [...task.classes.keys(), NONE];
  for (const id of task.classes.length ? ids : []) {
    const item = document.createElement('li'), button = document.createElement('button');
    const swatch = element('span', id === NONE ? 'swatch none' : 'swatch');
    if (id !== NONE) swatch.style.backgroundColor = `rgb(${colours[id]})`;
    button.append(swatch, element('span', '', id === NONE ? 'no label' : task.classes[id]),
      element('span', 'key', id === NONE ? 'N' : id < 10 ? id : ''));
    button.dataset.id = id;
    button.addEventListener('click', () => pickClass(id));
    item.append(button);
    $('classes').append(item);
  }
  task.keypoints.forEach((name, index) => {
    const item = document.createElement('li'), button = element('button', 'name', name), seen = element('button', 'seen');
    button.addEventListener('click', () => { chosenPoint = index; choose('keypoints'); });
    seen.title = 'visible, occluded, absent (V)';
    seen.addEventListener('click', () => { chosenPoint = index; turnPoint(index); });
    item.append(button, seen);
    $('keypoints').append(item);
  });
  $('class-section').hidden = !task.classes.length;
  $('suggest-section').hidden = !task.suggests;
  $('keypoint-section').hidden = !task.keypoints.length;
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.hidden = button.dataset.tool === 'keypoints' ? !task.keypoints.length : !task.classes.length;
    button.addEventListener('click', () => choose(button.dataset.tool));
  }
  if (!task.classes.length) tool = 'keypoints';
}

/** Brings buttons and panels up to date. */
function showState() {
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.setAttribute('aria-pressed', button.dataset.tool === tool);
  }
  for (const button of document.querySelectorAll('#classes button')) {
    button.setAttribute('aria-pressed', Number(button.dataset.id) === painted);
  }
  [...$('keypoints').children].forEach((item, index) => {
    item.firstChild.setAttribute('aria-pressed', index === chosenPoint);
    item.lastChild.textContent = SEEN[current?.points[index][2] ?? ABSENT];
  });
  $('size-row').hidden = tool !== 'brush' && tool !== 'eraser';
  $('erase-row').hidden = tool !== 'eraser';
  $('size').value = size;
  $('size-text').textContent = `${size} px`;
  $('undo').disabled = !done.length;
  $('redo').disabled = !undone.length;
}

function toggleHelp() {
  $('help').hidden = !$('help').hidden;
  $('keys').setAttribute('aria-expanded', !$('help').hidden);
}

function showUnder() {
  const [x, y] = (pointer ?? [-1, -1]).map(Math.floor);
  let text = '';
  if (current && x >= 0 && y >= 0 && x < width && y < height) {
    const id = current.mask[y * width + x];
    text = `x ${x}, y ${y}` + (task.classes.length ? `: ${id === NONE ? 'no label' : task.classes[id]}` : '');
  }
  $('under').textContent = text;
}

// ---- suggestions

const PHASES = {waiting: 'Waiting …', training: 'Learning from the labelled images …', predicting: 'Suggesting …',
  measuring: 'Measuring how unsure it is of the others …'};
let awaited = null, polling = false;

async function suggest() {
  if (!current || !task.suggests || awaited) return;
  awaited = current.name;
  showSuggestion('Saving …');
  try {
    await saving;
    await request('/api/suggest', {method: 'POST', body: JSON.stringify({name: awaited})});
  } catch (error) {
    awaited = null;
    return showSuggestion(error.message, true);
  }
  if (!polling) poll();
}

async function poll() {
  polling = true;
  let state = {};
  do {
    try {
      state = await (await request('/api/suggest')).json();
      for (const [name, figure] of Object.entries(state.uncertainty)) samples.get(name).uncertainty = figure;
      if (state.error) {
        awaited = null;
      } else if (awaited && state.ready === awaited) {
        await fetchSuggestion(awaited);
        awaited = null;
      }
      if (Object.keys(state.uncertainty).length) $('order-row').hidden = false;
      const measured = state.phase === 'measuring' ? ` ${Object.keys(state.uncertainty).length} of ${samples.size}` : '';
      showSuggestion(state.error || (PHASES[state.phase] ?? '') + measured, Boolean(state.error));
    } catch (error) {
      state = {};
      awaited = null;
      showSuggestion(error instanceof TypeError ? 'The server does not answer' : error.message, true);
    }
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  } while (awaited || (state.phase && state.phase !== 'idle'));
  polling = false;
  sortList();
}

async function fetchSuggestion(name) {
  const both = new Uint8Array(await (await request(samplePath(name, 'suggestion'))).arrayBuffer());
  if (current.name !== name) return;
  current.suggestion = both.slice(0, width * height);
  current.uncertainty = both.slice(width * height);
  const brush = unsure.getContext('2d'), pixels = brush.createImageData(width, height);
  const most = current.uncertainty.reduce((one, other) => Math.max(one, other), LEAST_SHOWN);
  current.uncertainty.forEach((value, i) => pixels.data.set([255, 160, 0, Math.round(255 * value / most)], 4 * i));
  brush.putImageData(pixels, 0, 0);
  paintOverlay();
}

function showSuggestion(text = '', wrong = false) {
  const proposes = Boolean(current?.suggestion), open = proposes && current.mask.includes(NONE);
  if (!text && open) text = 'Paint over what is wrong, then accept.';
  if (!text && proposes) text = 'Every pixel has a label already.';
  $('suggest-state').textContent = text;
  $('suggest-state').classList.toggle('error', wrong);
  $('suggest').disabled = Boolean(awaited);
  $('accept').disabled = !open;
  $('dismiss').disabled = !proposes;
  $('uncertainty').disabled = !current?.uncertainty;
}

function accept() {
  const {suggestion} = current;
  if (!suggestion || !current.mask.includes(NONE)) return;
  replaceAll((id, i) => id === NONE ? suggestion[i] : id);
  dismiss();
}

function dismiss() {
  current.suggestion = null;
  paintOverlay();
  showSuggestion();
}

/** In the order chosen: as generated, or unfinished images first, the most uncertain ones before the others. */
function sortList() {
  const list = [...samples.values()];
  if ($('order').value === 'worth') {
    list.sort((one, other) => isFinished(one) - isFinished(other) || (other.uncertainty ?? 0) - (one.uncertainty ?? 0));
  }
  $('list').append(...list.map(sample => sample.item));
}

// ---- start

async function start() {
  history.replaceState(null, '', location.pathname + location.hash);  // the token is in the cookie now
  task = await (await request('/api/state')).json();
  ({width, height} = task);
  colours = task.palette;
  document.title = `Label ${task.samples.length} images`;
  [overlay, unsure] = [0, 1].map(() => Object.assign(document.createElement('canvas'), {width, height}));
  $('size').max = Math.max(8, Math.round(Math.max(width, height) / 4));
  size = Math.max(2, Math.round(Math.max(width, height) / 32));
  buildPanels();
  $('undo').addEventListener('click', () => travel(done, undone));
  $('redo').addEventListener('click', () => travel(undone, done));
  $('zoom-in').addEventListener('click', () => zoom(1.25));
  $('zoom-out').addEventListener('click', () => zoom(0.8));
  $('fit').addEventListener('click', fit);
  $('size').addEventListener('input', () => { size = Number($('size').value); showState(); redraw(); });
  $('opacity').addEventListener('input', redraw);
  $('uncertainty').addEventListener('change', redraw);
  $('keys').addEventListener('click', toggleHelp);
  $('rest').addEventListener('click', () => replaceAll(id => id === NONE ? BACKGROUND : id));
  $('clear').addEventListener('click', () => replaceAll(() => NONE));
  $('suggest').addEventListener('click', suggest);
  $('accept').addEventListener('click', accept);
  $('dismiss').addEventListener('click', dismiss);
  $('order').addEventListener('change', sortList);
  for (const sample of task.samples) {
    samples.set(sample.name, sample);
    addToList(sample);
  }
  for (const sample of samples.values()) showShare(sample, sample.share);
  const asked = decodeURIComponent(location.hash.slice(1));
  const first = samples.has(asked) ? asked : (task.samples.find(sample => !isFinished(sample)) ?? task.samples[0]).name;
  await open(first);
  if (task.suggests) poll();
  for (const sample of samples.values()) {
    if (sample.share > 0 && task.classes.length) {
      const reply = await request(samplePath(sample.name, 'mask'));
      const mask = new Uint8Array(await reply.arrayBuffer());
      if (!unsaved.has(samplePath(sample.name, 'mask'))) showShare(sample, sample.share, mask);
    }
  }
}

start().catch(error => say(error.message));

'use strict';
// Doubts: regions where what the other images teach disagrees with the labels.

const CHOSEN = '#ffd84d';
const doubts = new Map();  // name -> [{name, labelled, expected, pixels, kept, changed}], largest region first
let doubted = null;        // the one that is looked at
let noted = '{}';

const openDoubts = name => (doubts.get(name) ?? []).filter(doubt => !doubt.kept && !doubt.changed);
const doubtedPixels = name => openDoubts(name).reduce((sum, doubt) => sum + doubt.pixels.length, 0);

async function check() {
  if (!task.suggests) return;
  try {
    await saving;
    await request('/api/check', {method: 'POST', body: '{}'});
  } catch (error) {
    return showDoubts(error.message);
  }
  showDoubts('Checking …');
  poll();
}

/** Takes over what the server has found, once it has gone through all images. */
async function noteDoubts({phase, unchecked, doubts: found}) {
  if (unchecked) return showDoubts(phase === 'checking' ? `Checking … ${unchecked} to go` : 'Waiting …');
  if (JSON.stringify(found) === noted) return;
  const names = Object.keys(found).filter(name => found[name]);
  const replies = await Promise.all(names.map(async name => (await request(samplePath(name, 'doubts'))).json()));
  doubts.clear();
  names.forEach((name, i) => doubts.set(name, replies[i].doubts.map(doubt => ({name, ...doubt}))));
  noted = JSON.stringify(found);
  doubted = null;
  $('order-row').hidden = $('by-doubts').hidden = false;
  for (const sample of samples.values()) showShare(sample, sample.share);
  showDoubts();
  if (!names.length) $('check-state').textContent = 'No doubts.';
}

/** All that are open: those of the image with the most doubted pixels first. */
function listDoubts() {
  const names = [...doubts.keys()].sort((one, other) => doubtedPixels(other) - doubtedPixels(one));
  return names.flatMap(openDoubts);
}

async function stepDoubt(direction) {
  const list = listDoubts(), at = list.indexOf(doubted);
  if (!list.length) return;
  doubted = list[at < 0 ? 0 : (at + direction + list.length) % list.length];
  if (doubted.name !== current.name) await open(doubted.name);
  look(doubted.pixels);
  showDoubts();
}

/** Shows a region and what is around it. */
function look(pixels) {
  let left = width, right = 0, top = height, bottom = 0;
  for (const i of pixels) {
    const x = i % width, y = Math.floor(i / width);
    left = Math.min(left, x); right = Math.max(right, x + 1); top = Math.min(top, y); bottom = Math.max(bottom, y + 1);
  }
  const side = 2 * Math.max(right - left, bottom - top, Math.max(width, height) / 5);
  fit();
  zoom(Math.max(1, Math.min(canvas.clientWidth, canvas.clientHeight) / side / view.scale), 0, 0);
  view.x = canvas.clientWidth / 2 - (left + right) / 2 * view.scale;
  view.y = canvas.clientHeight / 2 - (top + bottom) / 2 * view.scale;
  redraw();
}

/** Gives the region the class that was expected. */
function changeDoubted() {
  if (doubted?.name !== current.name) return;
  beforeChange();
  for (const i of doubted.pixels) if (current.mask[i] === doubted.labelled) current.mask[i] = doubted.expected;
  paintOverlay();
  saveMask();
}

function keepDoubted() {
  const kept = doubted;
  stepDoubt(1);
  kept.kept = true;
  showDoubts();
}

/** Brings panel and list up to date with the labels of the open image. */
function showDoubts(text = '') {
  for (const doubt of doubts.get(current?.name) ?? []) {
    doubt.changed = !doubt.pixels.some(i => current.mask[i] === doubt.labelled);
  }
  const list = listDoubts(), number = list.indexOf(doubted) + 1;
  if (!text && number) {
    const [labelled, expected] = [doubted.labelled, doubted.expected].map(id => task.classes[id]);
    text = `Doubt ${number} of ${list.length}: ${labelled}, or ${expected}?`;
  } else if (!text && doubts.size) {
    text = list.length ? `${countOf(list.length, 'doubt')} in ${countOf(new Set(list.map(d => d.name)).size, 'image')}.`
      : 'No doubts are left.';
  }
  $('check-state').textContent = text || $('check-state').textContent;
  $('doubt-row').hidden = !number || doubted.name !== current.name;
  if (number) $('change').textContent = `Change to ${task.classes[doubted.expected]}`;
  $('previous-doubt').disabled = $('next-doubt').disabled = !list.length;
  if (current && doubts.has(current.name)) showShare(samples.get(current.name), samples.get(current.name).share);
  redraw();
}

function drawDoubts() {
  for (const doubt of openDoubts(current.name)) {
    const inside = new Set(doubt.pixels.filter(i => current.mask[i] === doubt.labelled));
    outlined(() => traceBorder(inside, i => inside.has(i)), doubt === doubted ? 3 : 1.5,
      doubt === doubted ? CHOSEN : '#fff');
  }
}

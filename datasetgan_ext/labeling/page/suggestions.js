'use strict';
// Suggestions.

const PHASES = {starting: 'Getting ready …', waiting: 'Waiting …', training: 'Learning from the labelled images …',
  predicting: 'Suggesting …', measuring: 'Measuring how unsure it is of the others …', checking: ''};
let awaited = null, polling = false, again = false;
let worth = [];            // names of unfinished images, most worth labelling first

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
  poll();
}

/** Asks the server what it is doing until it is idle. */
async function poll() {
  again = true;
  if (polling) return;
  polling = true;
  let state = {};
  do {
    again = false;
    try {
      state = await (await request('/api/suggest')).json();
      const known = Object.keys(state.uncertainty).length;
      if (state.error) {
        awaited = null;
      } else if (awaited && state.ready === awaited) {
        await fetchSuggestion(awaited);
        awaited = null;
      }
      if (state.order.length) { $('order-row').hidden = false; worth = state.order; }
      await noteDoubts(state);
      const measured = state.phase === 'measuring' ? ` ${known} of ${samples.size}` : '';
      showSuggestion(state.error || (PHASES[state.phase] ?? '') + measured, Boolean(state.error));
    } catch (error) {
      state = {};
      awaited = null;
      showSuggestion(error instanceof TypeError ? 'The server does not answer' : error.message, true);
    }
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  } while (awaited || again || (state.phase && state.phase !== 'idle'));
  polling = false;
  sortList();
}

async function fetchSuggestion(name) {
  const [both, {points}] = await Promise.all([
    request(samplePath(name, 'suggestion')).then(async reply => new Uint8Array(await reply.arrayBuffer())),
    request(samplePath(name, 'suggested-keypoints')).then(reply => reply.json())]);
  if (current.name !== name) return;
  current.proposed = points;
  showState();
  if (both.length) takeMask(both.slice(0, width * height), both.slice(width * height));
  redraw();
}

function takeMask(suggestion, uncertainty) {
  Object.assign(current, {suggestion, uncertainty});
  const brush = unsure.getContext('2d'), pixels = brush.createImageData(width, height);
  const most = current.uncertainty.reduce((one, other) => Math.max(one, other), LEAST_SHOWN);
  current.uncertainty.forEach((value, i) => pixels.data.set([255, 160, 0, Math.round(255 * value / most)], 4 * i));
  brush.putImageData(pixels, 0, 0);
  paintOverlay();
}

function showSuggestion(text = '', wrong = false) {
  const proposes = Boolean(current?.suggestion || current?.proposed.length), open = isOpen();
  if (!text && open) text = `${current.suggestion ? 'Paint over' : 'Drag'} what is wrong, then accept.`;
  if (!text && proposes) text = 'Everything has a label already.';
  $('suggest-state').textContent = text;
  $('suggest-state').classList.toggle('error', wrong);
  $('suggest').disabled = Boolean(awaited);
  $('accept').disabled = !open;
  $('dismiss').disabled = !proposes;
  $('uncertainty').disabled = !current?.uncertainty;
}

/** Whether the suggestion has something that is not labelled. */
function isOpen() {
  if (!current) return false;
  return Boolean(current.suggestion && current.mask.includes(NONE)) || current.points.some((_, i) => isProposed(i));
}

/** Whether a keypoint is suggested and not placed. */
function isProposed(index) {
  return current.points[index][2] === ABSENT && Boolean(current.proposed[index]?.[2]);
}

function accept() {
  if (!isOpen()) return;
  beforeChange();
  const {suggestion} = current;
  if (suggestion) current.mask = current.mask.map((id, i) => id === NONE ? suggestion[i] : id);
  current.points = current.points.map((point, i) => isProposed(i) ? current.proposed[i] : point);
  saveMask();
  savePoints();
  dismiss();
}

function dismiss() {
  Object.assign(current, {suggestion: null, proposed: []});
  paintOverlay();
  showSuggestion();
  showState();
}

/** In the order chosen: as generated; by what is worth labelling next, finished images last; or by doubts. */
function sortList() {
  const list = [...samples.values()], rank = new Map(worth.map((name, place) => [name, place]));
  if ($('order').value === 'worth') {
    const place = sample => isFinished(sample) ? Infinity : rank.get(sample.name) ?? samples.size;
    list.sort((one, other) => place(one) < place(other) ? -1 : place(one) > place(other) ? 1 : 0);
  } else if ($('order').value === 'doubts') {
    list.sort((one, other) => doubtedPixels(other.name) - doubtedPixels(one.name));
  }
  $('list').append(...list.map(sample => sample.item));
}

'use strict';
// Suggestions.

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
      const known = Object.keys(state.uncertainty).length;
      if (state.error) {
        awaited = null;
      } else if (awaited && state.ready === awaited) {
        await fetchSuggestion(awaited);
        awaited = null;
      }
      if (known) $('order-row').hidden = false;
      const measured = state.phase === 'measuring' ? ` ${known} of ${samples.size}` : '';
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

// The training at the end.

import {$} from './dom.js';
import {allSaved, post, reasonOf, requestJson} from './server.js';

const POLL_MS = 1000;
const PHASES = {
  none: () => '',
  running: ({seconds}) => `Training for ${seconds} s …`,
  done: ({log}) => `Done. All that it printed is in ${log}`,
  failed: ({log}) => `It failed. All that it printed is in ${log}`,
  cancelled: () => 'Cancelled.',
};

let following = false;

/** Starts the training of what is labelled. */
export const train = () => wish({cross_validate: $('cross-validate').checked});

export const cancelTraining = () => wish({cancel: true});

async function wish(what) {
  try {
    await allSaved();
    show(await (await post('/api/train', what)).json());
  } catch (error) {
    return showState(reasonOf(error), true);
  }
  followTraining();
}

/** Shows how the training stands, until it has ended. */
export async function followTraining() {
  if (following) return;
  following = true;
  try {
    while (show(await requestJson('/api/train'))) await new Promise(resolve => setTimeout(resolve, POLL_MS));
  } catch (error) {
    showState(reasonOf(error), true);
  }
  following = false;
}

/** Shows how it stands, and gives whether it is running. */
function show(training) {
  const running = training.phase === 'running';
  showState(PHASES[training.phase](training), training.phase === 'failed');
  $('train').hidden = running;
  $('cross-validate').disabled = running;
  $('cancel-training').hidden = !running;
  $('train-output').hidden = !training.output;
  if ($('train-output').textContent !== training.output) {
    $('train-output').textContent = training.output;
    $('train-output').scrollTop = $('train-output').scrollHeight;
  }
  return running;
}

function showState(text, wrong) {
  if ($('train-state').textContent !== text) $('train-state').textContent = text;
  $('train-state').classList.toggle('error', wrong);
}

'use strict';
// Start: all other files of the page come before it.

async function start() {
  history.replaceState(null, '', location.pathname + location.hash);  // the token is in the cookie now
  task = await (await request('/api/state')).json();
  ({width, height} = task);
  colours = task.palette;
  document.title = `Label ${task.samples.length} images`;
  [overlay, unsure] = [0, 1].map(() => Object.assign(document.createElement('canvas'), {width, height}));
  $('size').max = Math.max(8, Math.round(Math.max(width, height) / 4));
  sizes.brush = Math.max(2, Math.round(Math.max(width, height) / 32));
  sizes.regions = Math.max(4, Math.round(Math.max(width, height) / 24));
  buildPanels();
  $('undo').addEventListener('click', () => travel(done, undone));
  $('redo').addEventListener('click', () => travel(undone, done));
  $('zoom-in').addEventListener('click', () => zoom(1.25));
  $('zoom-out').addEventListener('click', () => zoom(0.8));
  $('fit').addEventListener('click', fit);
  $('size').addEventListener('input', () => setSize(Number($('size').value)));
  $('opacity').addEventListener('input', redraw);
  $('uncertainty').addEventListener('change', redraw);
  $('keys').addEventListener('click', toggleHelp);
  $('rest').addEventListener('click', () => replaceAll(id => id === NONE ? BACKGROUND : id));
  $('clear').addEventListener('click', () => replaceAll(() => NONE));
  $('suggest').addEventListener('click', suggest);
  $('accept').addEventListener('click', accept);
  $('dismiss').addEventListener('click', dismiss);
  $('order').addEventListener('change', sortList);
  $('check').addEventListener('click', check);
  $('previous-doubt').addEventListener('click', () => stepDoubt(-1));
  $('next-doubt').addEventListener('click', () => stepDoubt(1));
  $('change').addEventListener('click', changeDoubted);
  $('keep').addEventListener('click', keepDoubted);
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

'use strict';
// Images: the list, and the one that is open.

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
    current = {name, image, mask: mask.slice(), points: samples.get(name).points, suggestion: null, uncertainty: null,
      proposed: []};
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
  showDoubts();
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
  if (openDoubts(sample.name).length) figures.push(countOf(openDoubts(sample.name).length, 'doubt'));
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
